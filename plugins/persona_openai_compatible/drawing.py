"""Replies that a server streams, each into a box of its own, in threads beside the reader."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_openai_compatible.server import RefusedError, Server

if TYPE_CHECKING:
    from openai.types.chat.chat_completion_chunk import Choice

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Piece:
    """What one message of a stream adds to a reply.

    Args:
        text: More text.
        tokens: How many tokens that is; 1 where the server does not say.
        log_prob: Their summed log-probability; not a number where the server does not say.
    """

    text: str
    tokens: int
    log_prob: float


class Box:
    """Where the pieces of one reply arrive.

    Args:
        number: Of its branch, which decides its draws.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.heard = False
        self._pieces: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether nobody waits for more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wait for no more; the server is told with its next piece."""
        self._closed.set()

    def put(self, piece: Piece) -> None:
        """Add a piece."""
        self.heard = True
        self._pieces.put(piece)

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing follows, and why if that is an error."""
        self.heard = True
        self._pieces.put(error)

    def take(self) -> Piece | None:
        """Wait for the next piece; None at the end. Raises what ended it."""
        found = self._pieces.get()
        if isinstance(found, BaseException):
            raise found
        return found


class Drawer:
    """Draws replies to one prompt: in one request where the server takes that, else in several.

    Args:
        server: Draws them.
        request: Without what differs between replies.
        seed: Decides every draw, where the server heeds it.
        gate: Limits how many requests run at once.
    """

    def __init__(
        self,
        server: Server,
        request: Mapping[str, Any],
        *,
        seed: int,
        gate: threading.Semaphore,
    ) -> None:
        self._server = server
        self._request = request
        self._seed = seed
        self._gate = gate
        self._separately = False

    def start(self, boxes: Sequence[Box]) -> None:
        """Have one reply drawn into each box; returns at once."""
        together = self._server.abilities.several and not self._separately
        for some in [list(boxes)] if together else [[box] for box in boxes]:
            thread = threading.Thread(
                target=self._run, args=(some,), name="persona-remote-reply", daemon=True
            )
            thread.start()

    def _run(self, boxes: Sequence[Box]) -> None:
        try:
            with self._gate:
                if all(box.closed for box in boxes):
                    return
                self._draw(boxes)
            silent = [box for box in boxes if not box.heard]
            if silent:  # the server took no request for several, or ignored that it was one
                self._separately = True
                self.start(silent)
        except BaseException as error:  # raised again where the reader is
            for box in boxes:
                box.end(error)

    def _draw(self, boxes: Sequence[Box]) -> None:
        """Ask for what the server may take, and for less where it refuses."""
        abilities = self._server.abilities
        several, log_probs = len(boxes) > 1, abilities.log_probs
        try:
            self._read(boxes, log_probs=log_probs)
        except RefusedError:
            if any(box.heard for box in boxes) or not (several or log_probs):
                raise
            if not several:
                self._read(boxes, log_probs=False)
            # Else several were refused, or log-probabilities; each alone finds out which.

    def _read(self, boxes: Sequence[Box], *, log_probs: bool) -> None:
        request: dict[str, Any] = {**self._request}
        request["seed"] = (self._seed + boxes[0].number) % _SEEDS
        if len(boxes) > 1:
            request["n"] = len(boxes)
        if log_probs:
            request |= {"logprobs": True, "top_logprobs": 1}
        with self._server.stream(request) as chunks:
            self._learn(log_probs=log_probs)
            for chunk in chunks:
                for choice in chunk.choices or ():
                    if choice.index < len(boxes):
                        _pass_on(choice, boxes[choice.index])
                if all(box.closed for box in boxes):
                    break
        for box in boxes:
            if box.heard or len(boxes) == 1:
                box.end()

    def _learn(self, *, log_probs: bool) -> None:
        """Remember, before a reader has the reply, that the server took no more than this."""
        abilities = self._server.abilities
        abilities.log_probs = abilities.log_probs and log_probs
        if self._separately:
            abilities.several = False


def _pass_on(choice: Choice, box: Box) -> None:
    text = "" if choice.delta is None else choice.delta.content or ""
    known = choice.logprobs.content if choice.logprobs is not None else None
    if known:
        box.put(Piece(text, len(known), sum(each.logprob for each in known)))
    elif text:
        box.put(Piece(text, 1, float("nan")))
    if choice.finish_reason is not None:
        box.end()
