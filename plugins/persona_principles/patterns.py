"""What words and marks the surface measures look for. Words are English; marks are not."""

from __future__ import annotations

import re


def _words(*choices: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(choices)})\b", re.IGNORECASE)


WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?…](?=[\s\"'”’)]|$)|\n\s*(?=\S)")
LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•–]|\d{1,2}[.)])[ \t]+\S", re.MULTILINE)
MARKDOWN = re.compile(r"^#{1,6} \S|\*\*\S[^*\n]*\*\*|__\S[^_\n]*__", re.MULTILINE)
TABLE_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
CODE = re.compile(r"```|`[^`\n]+`|^(?:    |\t)\S.*[;{}()=]", re.MULTILINE)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f1ff]")
EXCLAMATION = re.compile(r"!+")
FINAL_QUESTION = re.compile(r"\?[\s\"'”’)\U0001f300-\U0001faff]*\Z")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PRICE = re.compile(
    r"[$£€¥₹]\s?\d|\d\s?(?:[$£€¥₹]|(?:USD|EUR|GBP|dollars?|euros?|pounds?|quid|cents?)\b)",
    re.IGNORECASE,
)
SECOND_PERSON = _words("you", "your", "yours", "yourself", r"you['’]\w+")
FIRST_PERSON = _words("i", "me", "my", "mine", "myself", r"i['’]\w+")
HEDGE = _words(
    *("perhaps", "maybe", "probably", "possibly", "might", "may", "could", "seems?", "likely"),
    *("usually", "generally", "often", "sometimes", "roughly", "somewhat", "apparently"),
    *("tends? to", "i think", "i believe", "in my view", "it depends", "depending on"),
    *("not (?:entirely )?(?:sure|certain)", "as far as i know", "i['’]d lean"),
)
COURTESY = _words(
    *("please", "thank you", "thanks", "kindly", "you['’]re welcome", "my pleasure"),
    *("glad to", "happy to", "i hope this helps", "feel free", "let me know"),
)
PLEASANTRY = re.compile(
    r"\A\W*(?:(?:what a |that['’]s a |that is a )?(?:great|good|excellent|lovely|wonderful) "
    r"(?:question|idea|choice)|sure|certainly|of course|absolutely|hi|hello|hey|ah|oh|"
    r"thanks for|thank you for|happy to|glad you|i['’]d be (?:glad|happy))\b",
    re.IGNORECASE,
)
CONTRACTION = re.compile(
    r"\b\w+(?:n['’]t|['’](?:re|ve|ll|d|m))\b|\b(?:it|that|he|she|what|there|let|here|who)['’]s\b",
    re.IGNORECASE,
)
EXAMPLE = _words("for example", "for instance", r"e\.g", "such as", "say,")
ANALOGY = _words(
    *("like an?", "think of", "imagine", "as if", "as though", "picture an?", "just as"),
    *("the way an?", "kind of like", "acts? as an?"),
)
SOURCE = re.compile(
    r"https?://|www\.|\[\d+\]|\baccording to\b|\b(?:et al|doi)\b|\(\w+,? (?:19|20)\d\d\)",
    re.IGNORECASE,
)
WARNING = _words(
    *(
        "careful(?:ly)?",
        "caution",
        "warning",
        "beware",
        "avoid",
        "risks?",
        "risky",
        "danger(?:ous)?",
    ),
    *("never", "unless", "watch out", "be aware", "unsafe", "harm(?:ful)?", "consult", "make sure"),
)
REASON = _words(
    *("because", "since", "therefore", "thus", "hence", "so that", "the reason", "which means"),
    *("as a result", "due to", "that['’]s why", "this is why", "in order to"),
)
ALTERNATIVE = _words(
    *("alternatively", "another (?:option|way|idea|choice)", "or else", "instead", "either"),
    *("if you(?:['’]d)? prefer", "you could also", "options? (?:is|are|include)"),
)
_OUR = "(?:col|fav|hon|lab|neighb|behavi|flav|hum|harb|rum|vap|arm|end)"
_ISE = (
    "(?:organ|real|recogn|apolog|critic|emphas|memor|special|summar|util|minim|maxim|optim|"
    "prior|final|personal|custom|author|general|normal|standard|symbol|visual|analy)"
)
_SUFFIX = "(?:s|d|ed|er|ers|ing|ite|ites|able|ful|fully|less|al|ally|hood|hoods|ly|y)?"
BRITISH = _words(
    rf"{_OUR}our{_SUFFIX}",
    rf"{_ISE}(?:is|ys)(?:e|es|ed|er|ers|ing|ation|ations)",
    *("cent(?:re|res|red)", "metres?", "kilometres?", "centimetres?", "litres?", "fibres?"),
    *("theatres?", "grey", "defen[c]e", "licen[c]e", "offence", "catalogues?", "dialogues?"),
    *("travell(?:ed|er|ers|ing)", "cancell(?:ed|ing)", "modell(?:ed|ing)", "labell(?:ed|ing)"),
    *("fulfil", "enrol", "skilful", "jewellery", "aluminium", "tyres?", "programmes?"),
    *("cheques?", "mum", "maths", "whilst", "towards", "woollen", "mould", "ageing", "pyjamas"),
)
AMERICAN = _words(
    rf"{_OUR}or{_SUFFIX}",
    rf"{_ISE}(?:iz|yz)(?:e|es|ed|er|ers|ing|ation|ations)",
    *("cent(?:er|ers|ered)", "meters?", "kilometers?", "centimeters?", "liters?", "fibers?"),
    *("theaters?", "gray", "defense", "license", "offense", "catalogs?", "dialogs?"),
    *("travel(?:ed|er|ers|ing)", "cancel(?:ed|ing)", "model(?:ed|ing)", "label(?:ed|ing)"),
    *("fulfill", "enroll", "skillful", "jewelry", "aluminum", "tires?", "mom", "math"),
    *("toward", "woolen", "mold", "aging", "pajamas"),
)
