"""What is done for the calls of one client, whatever its kind: before them and after."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from persona_engine.integrations.openai.messages import as_texts, with_placed
from persona_engine.integrations.openai.remembered import Remembered
from persona_engine.types import Conversation, Personalization, Ranking

if TYPE_CHECKING:
    from persona_engine.engine import PersonaEngine

logger = logging.getLogger("persona_engine.integrations.openai")

REPLY_ID = "persona_reply_id"
"""Attribute of completions and chunks that holds the id for feedback."""

OFF = "PERSONA_OFF"

Failure = Literal["prepare", "models", "refused", "rank", "keep"]

_RULED_BY_HOST = ("messages", "model", "n", "stream")
"""What decides a request; a host that sets it in ``extra_body`` has its reasons."""
_NO_CHOICE = ("tools", "functions", "audio", "modalities", "prediction", "web_search_options")


@dataclass(frozen=True, slots=True)
class Call:
    """One request that is personal.

    Args:
        user: Who asks.
        original: The body as the host made it.
        body: The body to be sent; ``original`` itself where nothing is to be changed.
        texts: The words of the host's messages.
        done: What was found to apply; None where the request went out as the host made it.
        several: Whether replies were asked for of which one is to be chosen.
        reply_id: What the reply will be called.
    """

    user: str
    original: Mapping[str, Any]
    body: Mapping[str, Any]
    texts: Conversation
    done: Personalization | None
    several: bool
    reply_id: str

    @property
    def changed(self) -> bool:
        """Whether the request is another than the host's."""
        return self.body is not self.original

    @property
    def adapter(self) -> str | None:
        """The adapter that serves the person, if any."""
        return None if self.done is None else self.done.adapter

    def naming(self, model: str) -> Call:
        """Return the call with another model named."""
        return replace(self, body={**self.body, "model": model})

    def given_up(self) -> Call:
        """Return the call as the host made it."""
        return replace(self, body=self.original, done=None, several=False)


class ClientPersona:
    """What makes one client personal; its counts may be read at any time.

    Args:
        engine: Knows the users.
        tenant: Whose users they are.
        candidates: Most replies to ask for.
        personal: Whether calls are personal that do not say.
    """

    def __init__(
        self, engine: PersonaEngine, *, tenant: str, candidates: int, personal: bool
    ) -> None:
        self.engine = engine
        self.tenant = tenant
        self.candidates = candidates
        self.personal = personal
        self.models: Remembered[frozenset[str]] = Remembered(seconds=60.0)
        self.one_only: Remembered[bool] = Remembered(seconds=300.0)
        self._counts: Counter[str] = Counter()
        self._guard = threading.Lock()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often what was done.

        ``personal`` requests (of them ``changed`` ones and those of ``several`` candidates), and
        what failed: to ``prepare`` a request, to list ``models``, requests that the server
        ``refused`` only as changed, to ``rank`` candidates, to ``keep`` a reply.
        """
        with self._guard:
            return dict(self._counts)

    @property
    def failures(self) -> int:
        """How often something failed here; each time the host had the reply it would have had."""
        found = self.counts
        return sum(found.get(name, 0) for name in get_args(Failure))

    def failed(self, what: Failure, error: BaseException) -> None:
        """Count and log a failure; what anybody wrote is in no log."""
        self._count(what)
        logger.warning("%s failed: %s; the client goes on without", what, type(error).__name__)

    def prepare(
        self,
        body: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        server: str,
        personal: bool | None,
        raw: bool,
    ) -> Call | None:
        """Return the personal request that a host's is to become; None for the host's own.

        Args:
            body: Of the host's request, which is not changed.
            extra: Fields that the host sends beside it.
            server: Address of the server.
            personal: What the host says for this call, or None.
            raw: Whether the host will see the response as it came.
        """
        try:
            if switched_off() or not (self.personal if personal is None else personal):
                return None
            user = extra.get("user", body.get("user"))
            if not isinstance(user, str) or not user or any(n in extra for n in _RULED_BY_HOST):
                return None
            return self._prepared(user, body, extra, server=server, raw=raw)
        except Exception as error:  # whatever it is, the host's request goes out
            self.failed("prepare", error)
            return None

    def refused(self, call: Call, error: Exception, *, server: str) -> None:
        """Learn that a server refused what it accepted as the host had made it."""
        if call.several:
            self.one_only.put((server, str(call.original.get("model"))), True)
        self.failed("refused", error)

    def choose(self, call: Call, texts: Sequence[str | None]) -> tuple[int, Ranking | None]:
        """Return the position of the reply that the person would like best, and the order.

        A reply without words, such as a refusal, is chosen only where no other has any.
        """
        places = [place for place, text in enumerate(texts) if text and text.strip()]
        if not places:
            return 0, None
        if not call.several or len(places) == 1:
            return places[0], None
        try:
            person = self.engine.user(call.user, tenant=self.tenant)
            ranking = person.rank(call.texts, [str(texts[place]) for place in places])
            return places[ranking.order[0]], ranking
        except Exception as error:  # the reply is here, and only its rank is not known
            self.failed("rank", error)
            return places[0], None

    def keep(
        self, call: Call, texts: Sequence[str | None], shown: int, ranking: Ranking | None
    ) -> str | None:
        """Keep a reply for feedback, and return its id; None where it says nothing."""
        text = texts[shown] if texts else None
        if not text:
            return None
        try:
            person = self.engine.user(call.user, tenant=self.tenant)
            considered = [each for each in texts if each]
            return person.replied(
                call.texts,
                text,
                candidates=considered,
                personalized=call.done,
                ranking=ranking,
                reply_id=call.reply_id,
            ).id
        except Exception as error:  # the reply is here, and only feedback on it is not
            self.failed("keep", error)
            return None

    def _prepared(
        self,
        user: str,
        body: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        server: str,
        raw: bool,
    ) -> Call:
        texts = as_texts(body["messages"])
        person = self.engine.user(user, tenant=self.tenant)
        done = person.personalize(texts)
        changes: dict[str, Any] = {}
        messages = with_placed(body["messages"], texts, done.messages)
        if messages is not body["messages"]:
            changes["messages"] = messages
        several = (
            not raw
            and self._may_ask_for_several({**body, **extra}, server)
            and person.tells_apart(texts, done)
        )
        if several:
            changes["n"] = self.candidates
        self._count("personal", "changed" if changes else "", "several" if several else "")
        request = {**body, **changes} if changes else body
        return Call(user, body, request, texts, done, several, uuid.uuid4().hex)

    def _may_ask_for_several(self, request: Mapping[str, Any], server: str) -> bool:
        return (
            self.candidates > 1
            and request.get("n") in (None, 1)
            and not request.get("stream")
            and request.get("temperature") != 0
            and not any(request.get(name) for name in _NO_CHOICE)
            and not self.one_only.get((server, str(request.get("model"))))
        )

    def _count(self, *names: str) -> None:
        with self._guard:
            self._counts.update(filter(None, names))


def switched_off() -> bool:
    """Say whether the environment switches every personal client off."""
    return os.environ.get(OFF, "").strip().lower() in ("1", "true", "yes", "on")
