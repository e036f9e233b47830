"""Names of languages, and which language a text is in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from persona_constraints.counting import LINK, without_code

if TYPE_CHECKING:
    from langdetect.detector_factory import DetectorFactory

_NAMES = """
af Afrikaans|ar Arabic|bg Bulgarian|bn Bengali,Bangla|ca Catalan|cs Czech|cy Welsh|da Danish
de German|el Greek|en English|es Spanish,Castilian|et Estonian|fa Persian,Farsi|fi Finnish
fr French|gu Gujarati|he Hebrew|hi Hindi|hr Croatian|hu Hungarian|id Indonesian|it Italian
ja Japanese|kn Kannada|ko Korean|lt Lithuanian|lv Latvian|mk Macedonian|ml Malayalam|mr Marathi
ne Nepali|nl Dutch,Flemish|no Norwegian|pa Punjabi|pl Polish|pt Portuguese|ro Romanian|ru Russian
sk Slovak|sl Slovenian,Slovene|so Somali|sq Albanian|sv Swedish|sw Swahili|ta Tamil|te Telugu
th Thai|tl Tagalog|tr Turkish|uk Ukrainian|ur Urdu|vi Vietnamese|zh Chinese,Mandarin
"""
# How people who write in a language say that they want it.
_OWN_NAMES = """
de deutsch|fr français,francais|es español,espanol,castellano|it italiano|pt português,portugues
nl nederlands|sv svenska|da dansk|no norsk|pl polsku|fi suomeksi|tr türkçe|ru русском
uk українською|ja 日本語|zh 中文|ko 한국어
"""
_SHORT, _VERY_SHORT = 40, 16  # letters; detection of less is a guess, and worse than one
# As the first word of their letters' names in Unicode; the others are written in Latin letters.
_SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ru", "uk", "bg", "mk"), "CYRILLIC"),
        **dict.fromkeys(("ar", "fa", "ur"), "ARABIC"),
        **dict.fromkeys(("hi", "mr", "ne"), "DEVANAGARI"),
        **{"bn": "BENGALI", "gu": "GUJARATI", "kn": "KANNADA", "ml": "MALAYALAM"},
        **{"pa": "GURMUKHI", "ta": "TAMIL", "te": "TELUGU", "th": "THAI", "el": "GREEK"},
        **{"he": "HEBREW", "ko": "HANGUL", "zh": "CJK", "ja": "HIRAGANA KATAKANA CJK"},
    }
)


def _table(text: str) -> dict[str, str]:
    entries = (entry.split(" ", 1) for entry in re.split(r"[|\n]", text) if entry)
    return {name: code for code, names in entries for name in names.split(",")}


LANGUAGES: Mapping[str, str] = MappingProxyType(
    {name.casefold(): code for name, code in _table(_NAMES).items()}
)
OWN_NAMES: Mapping[str, str] = MappingProxyType(_table(_OWN_NAMES))


def language_name(code: str) -> str:
    """Return the English name of a language, or the code of one that is not known.

    Examples:
        >>> language_name("pa"), language_name("xx")
        ('Punjabi', 'xx')
    """
    return next((name for name, known in _table(_NAMES).items() if known == code), code)


@lru_cache(maxsize=1)
def _detectors() -> DetectorFactory:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.seed = 0  # of this factory only: what others detect stays as they set it
    return factory


def likely_languages(text: str) -> tuple[tuple[str, float], ...]:
    """Return codes and probabilities, likeliest first; nothing where no letter tells.

    By langdetect (Nakatani 2010), the library of IFEval's checker: naive Bayes on character
    n-grams. Its random restarts are seeded, so that equal texts give equal answers.

    Examples:
        >>> likely_languages("Ceci est une phrase tout à fait française.")[0][0]
        'fr'
        >>> likely_languages("123")
        ()
    """
    from langdetect.lang_detect_exception import LangDetectException

    detector = _detectors().create()
    detector.append(text)
    try:
        found = detector.get_probabilities()
    except LangDetectException:
        return ()
    return tuple((each.lang, float(each.prob)) for each in found)


def is_in_language(text: str, code: str, *, entire: bool) -> tuple[bool, str]:
    """Say whether a text is in a language, and what was detected.

    Args:
        text: Any text.
        code: ISO 639-1.
        entire: Judge the text as it is, as IFEval does; else without code and links, and a short
            text may be in any of its likely languages.
    """
    plain = text if entire else LINK.sub("", without_code(text))
    likely = likely_languages(plain)
    if not likely:
        return True, "no words tell the language"
    letters = re.findall(r"[^\W\d_]", plain)
    if not entire and len(letters) < _VERY_SHORT:
        scripts = {unicodedata.name(letter, "?").split()[0] for letter in letters}
        holds = bool(scripts & set(_SCRIPTS.get(code, "LATIN").split()))
        return holds, f"it is too short to tell, in {', '.join(sorted(scripts)).lower()} letters"
    candidates = likely if not entire and len(letters) < _SHORT else likely[:1]
    holds = any(lang == code or lang.split("-")[0] == code for lang, _ in candidates)
    return holds, f"it reads as {language_name(likely[0][0].split('-')[0])}"
