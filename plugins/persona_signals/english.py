"""Tells English from other languages by its function words."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ENGLISH = frozenset(
    "the be to of and a in that have i it for not on with he as you do at this but his by from they "
    "we say her she or an will my one all would there their what so up out if about who get which go "
    "me when make can like no just him know take into your good some could them see other than then "
    "now only its over think also back after use how our well way even new want because any these "
    "give most us is are was were been has had did does i'm don't it's you're that's can't i'd i've "
    "please never always stop thanks thank hi hello im dont u pls ok okay yes keep call am is "
    "name answer answers reply write too very should may must mine here hate love prefer every".split()
)
_OTHERS = frozenset(
    "el la los las un una unos de del que y en por para con sin no es soy está eres mi tu su me te se "
    "lo le muy más pero como siempre nunca favor ahora quiero gracias je tu il elle nous vous ils le "
    "les des du et est suis pas ne que qui dans pour sur avec sans mon ma mes ton ta toujours jamais "
    "merci une ce cette ich du er sie wir ihr der die das den dem ein eine einen und ist bin nicht "
    "kein keine mit für auf von zu bitte immer nie danke mein dein mir dir wie io tu lui lei noi il "
    "gli della dello di che non sono per con sempre mai grazie mio tuo eu ele ela nós os as um uma "
    "não sou sempre nunca obrigado meu minha ik jij hij zij het een niet geen met voor altijd nooit "
    "jag du han hon vi ett och är inte med för alltid aldrig tack min din jeg og ikke alltid aldri "
    "nie jest się na zawsze nigdy proszę".split()
)


def is_english(text: str) -> bool:
    """Whether a text reads as English; a text of one or two unknown words does.

    Examples:
        >>> is_english("from now on use metric"), is_english("a partir de ahora, usa el sistema")
        (True, False)
    """
    letters = [each for each in text if each.isalpha()]
    if sum(each < "ɐ" for each in letters) < 0.8 * len(letters):  # not the Latin script
        return False
    words = [word.casefold().replace("’", "'") for word in _WORD.findall(text)]
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _OTHERS for word in words)
    if others > english:
        return False
    return english > 0 or len(words) < 3
