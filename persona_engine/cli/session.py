"""An interactive chat session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from persona_engine.cli.output import printable, stderr, stdout
from persona_engine.cli.terminal import read_line
from persona_engine.errors import PersonaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from persona_engine.engine import User
    from persona_engine.types import Message, Reply

_HELP = """\
/why             why the last reply was chosen
/good, /bad      rate the last reply
/better TEXT     what you would have liked instead
/instruct TEXT   what you want from now on
/quit            leave; Ctrl-D does the same"""


@dataclass(frozen=True, slots=True)
class Sampler:
    """How replies are asked for.

    Args:
        seed: Decides every random draw.
        candidates: Replies to choose among, or None for the configured number.
        max_tokens: Longest reply, or None for the configured length.
        temperature: Or None for the configured one.
        personal: False for the reply that anybody would get.
        decoding: Decoder by name, or None for the configured one.
        budget: What a reply may cost, or None.
    """

    seed: int = 0
    candidates: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    personal: bool = True
    decoding: str | None = None
    budget: str | None = None

    def reply(self, user: User, messages: list[Message]) -> Reply:
        """Return a reply when it is complete."""
        return user.chat(
            messages,
            seed=self.seed,
            candidates=self.candidates,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            personal=self.personal,
            decoding=self.decoding,
            budget=self.budget,
        )

    def show(self, user: User, messages: list[Message]) -> Reply:
        """Print a reply as it comes, then return it."""
        console = stdout()
        stream = user.stream(
            messages,
            seed=self.seed,
            candidates=self.candidates,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            personal=self.personal,
            decoding=self.decoding,
            budget=self.budget,
        )
        pieces = iter(stream)
        with _thinking():
            piece = next(pieces, None)
        while piece is not None:
            console.print(printable(piece), end="", soft_wrap=True)
            piece = next(pieces, None)
        console.print()
        return stream.reply


class Session:
    """A conversation of one person at a terminal.

    Args:
        user: The person.
        sampler: How replies are asked for; each turn draws from a seed of its own.
    """

    def __init__(self, user: User, sampler: Sampler) -> None:
        self._user = user
        self._sampler = sampler
        self._messages: list[Message] = []
        self._last: Reply | None = None
        self._turns = 0
        self._commands: dict[str, Callable[[str], None]] = {
            "/why": self._why,
            "/good": lambda _: self._rate(1.0),
            "/bad": lambda _: self._rate(-1.0),
            "/better": self._better,
            "/instruct": self._instruct,
            "/help": lambda _: stderr().print(_HELP),
        }

    def run(self) -> None:
        """Answer line by line until /quit or the end of input."""
        stderr().print("Type a message; /help lists commands, /quit leaves.")
        while (line := read_line("> ")) is not None:
            name, _, rest = line.strip().partition(" ")
            if name == "/quit":
                return
            if name:
                self._do(name, rest.strip(), line.strip())

    def _do(self, name: str, rest: str, line: str) -> None:
        try:
            if not name.startswith("/"):
                self._turn(line)
            elif name in self._commands:
                self._commands[name](rest)
            else:
                stderr().print(f"No command {printable(name)}; these are:\n{_HELP}")
        except PersonaError as error:  # the session outlives a wrong turn
            stderr().print(printable(str(error)), soft_wrap=True)

    def _turn(self, text: str) -> None:
        messages: list[Message] = [*self._messages, {"role": "user", "content": text}]
        sampler = replace(self._sampler, seed=self._sampler.seed + self._turns)
        self._last = sampler.show(self._user, messages)
        self._messages = [*messages, {"role": "assistant", "content": self._last.text}]
        self._turns += 1

    def _why(self, _: str) -> None:
        if (reply := self._require_reply()) is not None:
            text = self._user.explain(reply.id).text
            stdout().print(printable(text), soft_wrap=True)

    def _rate(self, rating: float) -> None:
        if (reply := self._require_reply()) is not None:
            learned = self._user.feedback(reply.id, rating=rating)
            stderr().print(f"Noted; {len(learned)} comparisons learned from it.")

    def _better(self, text: str) -> None:
        if not text:
            stderr().print("Say what you would have liked: /better TEXT")
        elif (reply := self._require_reply()) is not None:
            learned = self._user.feedback(reply.id, better=text)
            stderr().print(f"Noted; {len(learned)} comparisons learned from it.")

    def _instruct(self, text: str) -> None:
        if not text:
            stderr().print("Say what you want from now on: /instruct TEXT")
            return
        kept = self._user.instruct(text)
        stderr().print(f"Kept {kept.id}: {printable(kept.text)}", soft_wrap=True)

    def _require_reply(self) -> Reply | None:
        if self._last is None:
            stderr().print("There is no reply yet.")
        return self._last


@contextmanager
def _thinking() -> Iterator[None]:
    """Show that the model is at work; no live display, which progress bars would fight."""
    console = stderr()
    if not console.is_terminal:
        yield
        return
    console.print("thinking …", style="dim", end="\r")
    try:
        yield
    finally:
        console.print(" " * 10, end="\r")
