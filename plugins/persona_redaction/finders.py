"""Where personal data stand in a text; each finder returns their places."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache
from importlib import import_module
from typing import Literal

Kind = Literal["key", "e-mail", "card", "phone"]
Span = tuple[int, int]

_SHORTEST_SECRET = 8

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}"
    r"[^\W\d_]{2,24}(?![\w@-])"
)
_CARD = re.compile(r"(?<![\d.,+-])\d(?:[ -]?\d){12,18}(?![\d]|[.,-]\d)")
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}(?:\d{2})?"  # Diners Club
    r"|(?:6011|65\d{2}|64[4-9]\d)\d{12}(?:\d{3})?"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?"  # JCB
    r"|62\d{14}(?:\d{3})?"  # UnionPay
    r"|(?:5018|5020|5038|58\d{2}|6304|6759|676[1-3])\d{8,15}"  # Maestro
)
_DIGITS = re.compile(r"\d(?:\W{0,3}\d){6}")  # no country has shorter numbers that are dialled
_KEYS = re.compile(
    r"\bpersona_[0-9a-f]{16}_[A-Za-z0-9_-]{20,}"
    r"|\bsk-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}"
    r"|\bhf_[A-Za-z0-9]{20,}|\bAIza[0-9A-Za-z_-]{35}|\bgithub_pat_[A-Za-z0-9_]{22,}"
    r"|\bglpat-[A-Za-z0-9_-]{20,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\b[rs]k_(?:live|test)_\w{16,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----BEGIN)[\s\S])*?(?:-----END [A-Z ]*-----|\Z)"
    r"|(?<=://)[^\s:/@]+:[^\s/@]+(?=@)"
)
_DETECTORS = (
    *("artifactory.ArtifactoryDetector", "aws.AWSKeyDetector", "discord.DiscordBotTokenDetector"),
    *("azure_storage_key.AzureStorageKeyDetector", "github_token.GitHubTokenDetector"),
    *("gitlab_token.GitLabTokenDetector", "mailchimp.MailchimpDetector", "npm.NpmDetector"),
    *("openai.OpenAIDetector", "pypi_token.PypiTokenDetector", "sendgrid.SendGridDetector"),
    *("slack.SlackDetector", "square_oauth.SquareOAuthDetector", "stripe.StripeDetector"),
    *("telegram_token.TelegramBotTokenDetector", "twilio.TwilioKeyDetector"),
)


def emails(text: str) -> list[Span]:
    """Find e-mail addresses."""
    return [found.span() for found in _EMAIL.finditer(text)] if "@" in text else []


def cards(text: str) -> list[Span]:
    """Find numbers of payment cards: 13 to 19 digits of an issuer's range, with a check digit."""
    return [found.span() for found in _CARD.finditer(text) if _is_card(found[0])]


def phones(text: str, regions: Sequence[str]) -> list[Span]:
    """Find phone numbers that exist in an international form, or in the national one of a region.

    Examples:
        >>> phones("Ring 020 7946 0958, invoice 20251122.", ["GB"])
        [(5, 18)]
    """
    import phonenumbers

    if not _DIGITS.search(text):
        return []
    spans: set[Span] = set()
    for region in (None, *regions):
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            spans.add((match.start, match.end))
    return sorted(spans)


def keys(text: str) -> list[Span]:
    """Find keys, tokens and passwords that have the form of some provider's."""
    patterns = (_KEYS, *_patterns())
    return [_secret_of(found) for pattern in patterns for found in pattern.finditer(text)]


def require_libraries() -> Collection[str]:
    """Import what the finders need, and return the regions that are known.

    Raises:
        ImportError: Something is not installed.
    """
    import phonenumbers

    _patterns()
    return phonenumbers.SUPPORTED_REGIONS


def _is_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if not _ISSUERS.fullmatch(digits) or len({*digits}) < 2:
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def _secret_of(found: re.Match[str]) -> Span:
    """Return where the secret stands in what a pattern matched, which may be an assignment."""
    spans = [found.span(group) for group in range(1, len(found.groups()) + 1)]
    longest = max(spans, key=lambda span: span[1] - span[0], default=(0, 0))
    return longest if longest[1] - longest[0] >= _SHORTEST_SECRET else found.span()


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of the detectors.

    Not what their ``analyze_string`` yields: of a pattern with groups it is the groups alone, such
    as the ``ghp`` of a token.
    """
    found: list[re.Pattern[str]] = []
    for name in _DETECTORS:
        module, kind = name.split(".")
        found += getattr(import_module(f"detect_secrets.plugins.{module}"), kind).denylist
    return tuple(found)
