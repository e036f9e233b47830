"""A reply that arrives piece by piece."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator

from persona_engine.errors import GenerationError
from persona_engine.types import Reply

TextSink = Callable[[str], None]


class ReplyStream:
    """Iterate over it for the text of a reply, once; afterwards `reply` is the whole.

    Decoding runs in a thread of its own. Leaving the loop early, or `close`, stops it at the next
    token, and nothing is stored.

    Args:
        speak: Generates the reply, handing each settled piece of text to the sink.
        reply_id: What its `Reply.id` will be, known before the reply is complete.
    """

    def __init__(self, speak: Callable[[TextSink], Reply], *, reply_id: str = "") -> None:
        self.reply_id = reply_id
        self._speak = speak
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._reply: Reply | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[str]:
        """Yield pieces of text; raises what decoding raised."""
        if self._thread is not None:
            raise GenerationError(
                "this stream was read already, expected one loop over it",
                remedy="take the text from its reply",
            )
        if self._cancelled.is_set():
            raise GenerationError("this stream was closed before it was read")
        # Whoever traces the reader's work finds this thread's below it.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._run,), name="persona-reply", daemon=True
        )
        self._thread.start()
        try:
            while (piece := self._pieces.get()) is not None:
                yield piece
            if self._error is not None:
                raise self._error
        finally:
            self.close()

    @property
    def reply(self) -> Reply:
        """The whole reply; reads the stream to its end when nobody did.

        Raises:
            GenerationError: The stream was cancelled; or whatever decoding raised.
        """
        if self._thread is None:
            for _ in self:
                pass
        if self._error is not None:
            raise self._error
        if self._reply is None:
            raise GenerationError("the stream was cancelled before the reply was complete")
        return self._reply

    def cancel(self) -> None:
        """Have decoding stop at the next token; from any thread, and without waiting for it."""
        self._cancelled.set()

    def close(self) -> None:
        """Stop decoding at the next token and wait for it."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._reply = self._speak(self._sink)
        except _CancelledError:
            pass
        except BaseException as error:  # raised again where the reader is
            self._error = error
        finally:
            self._pieces.put(None)

    def _sink(self, piece: str) -> None:
        if self._cancelled.is_set():
            raise _CancelledError
        if piece:
            self._pieces.put(piece)


class _CancelledError(Exception):
    """The reader left."""
