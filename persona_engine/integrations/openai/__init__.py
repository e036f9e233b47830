"""The official OpenAI client, personal: it goes on working as it did, and knows who asks.

::

    from openai import OpenAI
    from persona_engine import PersonaEngine
    from persona_engine.integrations.openai import personalize_client, reply_id

    engine = PersonaEngine(generator=None)
    client = personalize_client(OpenAI(), engine, candidates=4)
    answer = client.chat.completions.create(model=…, messages=…, user="alice")
    engine.user("alice").feedback(reply_id(answer), rating=1)

A request is changed only where it names a ``user`` of whom something is known; any other goes out
byte for byte as the plain client would send it, and so does every request once something fails
here. Importing this module does not import openai.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from persona_engine.errors import InvalidInputError, MissingExtraError
from persona_engine.integrations.openai.persona import REPLY_ID, ClientPersona, switched_off

if TYPE_CHECKING:
    from persona_engine.engine import PersonaEngine

__all__ = ["ClientPersona", "personalize_client", "reply_id", "switched_off"]

ClientT = TypeVar("ClientT")

MOST_CANDIDATES = 128


def personalize_client(
    client: ClientT,
    engine: PersonaEngine,
    *,
    tenant: str = "default",
    candidates: int = 1,
    personal: bool = True,
) -> ClientT:
    """Return a client that is personal where a call names its ``user``; the given one stays as is.

    It shares the given client's connections, has its class as a base, and also has:

    - ``client.persona``: `ClientPersona`, with the counts of what was done and what failed;
    - ``personal=False`` (or True) as a keyword of ``chat.completions.create``, ``parse`` and
      ``stream``, for one call; the environment's ``PERSONA_OFF=1`` is for all.

    What is done for ``client.chat.completions.create(model=…, messages=…, user="alice")``:

    - alice's standing instructions that apply are placed beside the last user turn;
    - where a published adapter serves her, and the server lists a model of that name, it is named
      as ``model``;
    - where ``candidates`` allows several, the call asks for one, and something is known by which
      replies could be told apart, that many are asked for and the best by her reward is returned;
      ``usage`` tells what all of them cost. Not for streams, tools, audio and temperature 0;
    - the reply is kept, and its id for `persona_engine.engine.User.feedback` is `reply_id` of the
      completion or of any chunk. ``user`` is passed on as ever.

    A request that the server refuses as it was changed is sent again as it was.

    Args:
        client: ``OpenAI``, ``AsyncOpenAI``, or one of their subclasses, such as ``AzureOpenAI``.
        engine: Knows the users; ``PersonaEngine(generator=None)`` does. With an async client its
            work is done in threads.
        tenant: Whose users they are.
        candidates: Most replies to ask for where one was; each is paid for.
        personal: Whether calls are personal that do not say.

    Raises:
        MissingExtraError: The package ``openai`` is not installed.
        InvalidInputError: The client is none of these or personal already, or ``candidates`` is no
            number of 1 to 128.
        ScopeError: The tenant is no name.
    """
    whole = isinstance(candidates, int) and not isinstance(candidates, bool)
    if not whole or not 1 <= candidates <= MOST_CANDIDATES:
        raise InvalidInputError(f"candidates is {candidates!r}, expected 1 to {MOST_CANDIDATES}")
    try:
        from persona_engine.integrations.openai.clients import adopt
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the package {error.name!r} is not installed, expected openai 3 or later",
            remedy="pip install 'persona-engine[openai]'",
        ) from error
    engine.store.tenant(tenant)
    persona = ClientPersona(engine, tenant=tenant, candidates=candidates, personal=personal)
    adopted: ClientT = adopt(client, persona)
    return adopted


def reply_id(reply: Any) -> str | None:
    """Return the id for feedback of a completion or a chunk; None of one that is not personal.

    Of a stream it may be used once the stream has ended. Replies of `persona serve` have theirs on
    the first choice, in a stream on that of its end.

    Examples:
        >>> reply_id("not personal") is None
        True
    """
    found = getattr(reply, REPLY_ID, None)
    if found is None:
        first = next(iter(getattr(reply, "choices", None) or ()), None)
        told = getattr(first, "persona", None)
        found = told.get("reply_id") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None
