"""The conformance suite of redactors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import MappingProxyType

from persona_engine.interfaces import Redactor
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of, require

RedactorFactory = Callable[[], Redactor]

_ORDINARY = (
    "Plan my weekend, please.",
    "It takes 20 minutes at 180 °C; serve 4.\n\n- flour\n- milk\n",
    "  Größe, naïve café, 你好, مرحبا, 🙂\t",
    "In 1066 the Normans won; see page 12, figure 3.",
    "x = [1, 2, 3]  # an example",
)
_STRANGE = ("", " ", "\n", "@", "+", "[", "]]", "a" * 20_000, "1" * 2_000, "a@" * 1_000, "�")


class RedactorSubject:
    """A redactor under test.

    Args:
        factory: Makes a redactor.
        samples: Texts, and what must not be left of each.
    """

    def __init__(self, factory: RedactorFactory, samples: Sequence[tuple[str, str]]) -> None:
        self.factory = factory
        self.samples = tuple(samples)

    @cached_property
    def redactor(self) -> Redactor:
        """One instance that the checks share."""
        return self.factory()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is to be redacted, beside what is ordinary and what is strange."""
        return tuple(text for text, _ in self.samples)


def what_must_go_is_gone(subject: RedactorSubject) -> None:
    """Leave nothing of what must not be kept, wherever it stands in a text."""
    require(
        bool(subject.samples),
        "there is no text to redact",
        remedy="give the suite `samples`: texts, and what must not be left of each",
    )
    for text, secret in subject.samples:
        for around in ("{}", "Before. {} After.", "First line\n{}\nlast line", '("{}")'):
            found = subject.redactor.redact(around.format(text))
            require(
                secret not in found,
                f"{secret!r} is left in {found!r}",
                remedy="match it without asking what stands before and after it",
            )


def the_rest_is_left(subject: RedactorSubject) -> None:
    """Return ordinary texts unchanged, to the last space, and keep what stands around."""
    for text in _ORDINARY:
        found = subject.redactor.redact(text)
        require(found == text, f"of {text!r} it made {found!r}", remedy="match less")
    for text in subject.texts:
        found = subject.redactor.redact(f"Plan my weekend.\n{text}\nThank you!")
        require(
            found.startswith("Plan my weekend.\n") and found.endswith("\nThank you!"),
            f"what stands around went too: {found!r}",
            remedy="take out what was found alone",
        )


def redacting_twice_changes_nothing(subject: RedactorSubject) -> None:
    """Return a text that was redacted before unchanged."""
    for text in (*subject.texts, *_ORDINARY, *_STRANGE):
        once = subject.redactor.redact(text)
        twice = subject.redactor.redact(once)
        require(
            once == twice,
            f"of {text[:80]!r} it made {once[:80]!r}, and of that {twice[:80]!r}",
            remedy="put words in the place of what is taken out that nothing matches",
        )


def something_is_left(subject: RedactorSubject) -> None:
    """Return text, and not blank where it was not blank: what is stored must say something."""
    for text in (*subject.texts, *_ORDINARY, *_STRANGE):
        found = subject.redactor.redact(text)
        require(
            isinstance(found, str) and bool(found.strip()) == bool(text.strip()),
            f"of {text[:80]!r} it made {found!r:.80}",
            remedy="put a word such as [phone] in the place of what is taken out",
        )


def redacting_is_deterministic(subject: RedactorSubject) -> None:
    """Give the same again: after other texts, on a new instance, and in several threads."""
    texts = (*subject.texts, *_ORDINARY)
    expected = [subject.redactor.redact(text) for text in texts]
    again = [subject.redactor.redact(text) for text in reversed(texts)][::-1]
    other = subject.factory()
    with ThreadPoolExecutor(4) as threads:
        threaded = list(threads.map(subject.redactor.redact, texts * 8))
    found = {
        "when asked again": again,
        "on a new instance": [other.redact(text) for text in texts],
        "in threads": threaded[: len(texts)],
    }
    for how, each in found.items():
        require(
            each == expected,
            f"{how} it made something else",
            remedy="let the result depend on the text alone: keep nothing, draw nothing",
        )
    require(
        threaded == expected * 8,
        "in threads it made something else",
        remedy="keep nothing of a text in the instance",
    )


REDACTOR_CHECKS: Mapping[str, Check[RedactorSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            what_must_go_is_gone,
            the_rest_is_left,
            redacting_twice_changes_nothing,
            something_is_left,
            redacting_is_deterministic,
        )
    }
)


def redactor_checks(
    factory: RedactorFactory,
    *,
    samples: Sequence[tuple[str, str]],
    checks: Iterable[str] | None = None,
) -> tuple[BoundCheck[RedactorSubject], ...]:
    """Return the checks of a redactor, each to be called.

    Args:
        factory: Makes an instance; called without arguments.
        samples: Texts, and what must not be left of each.
        checks: Names of `REDACTOR_CHECKS`; all of them if omitted.
    """
    return bind(REDACTOR_CHECKS, RedactorSubject(factory, samples), name_of(factory), checks)


def check_redactor(
    factory: RedactorFactory,
    *,
    samples: Sequence[tuple[str, str]],
    checks: Iterable[str] | None = None,
) -> None:
    """Run the checks of a redactor, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
    """
    for check in redactor_checks(factory, samples=samples, checks=checks):
        check()
