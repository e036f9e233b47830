"""The tools: what an assistant may ask and change of a person's wishes and tastes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from persona_engine.engine import PersonaEngine, User
from persona_engine.integrations.mcp.results import (
    Forgotten,
    Instructions,
    KeptInstruction,
    KnownPerson,
    Learned,
    PersonalContext,
    Turn,
)
from persona_engine.types import Message

Person = Annotated[
    str | None,
    Field(
        description="Id of the person, as your product knows them. Leave it out where this server "
        "is for one person alone."
    ),
]
Words = Annotated[str, Field(description="In the person's own words.")]
Id = Annotated[str, Field(description="Id of the instruction, as list_instructions tells it.")]


Does = Literal["read", "write", "delete"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool, who may use it and what it does.

    Args:
        name: What it is called; the method of `Tools`, too.
        scope: What a key must allow; as for the server's routes.
        does: What the audit trail says of it.
        title: For people.
        replaces: Whether it puts something in another's place or takes it away.
        repeats: Whether the same call again changes nothing.
    """

    name: str
    scope: str
    does: Does
    title: str
    replaces: bool = False
    repeats: bool = False

    @property
    def annotations(self) -> ToolAnnotations:
        """Hints for hosts that ask people before they call."""
        return ToolAnnotations(
            read_only_hint=self.does == "read",
            destructive_hint=self.replaces,
            idempotent_hint=self.repeats,
            open_world_hint=False,
        )


OFFERS = (
    Offer("personal_context", "chat", "read", "What to keep to in a reply"),
    Offer("list_instructions", "feedback", "read", "List standing instructions"),
    Offer("add_instruction", "feedback", "write", "Keep a standing instruction", repeats=True),
    Offer("revise_instruction", "feedback", "write", "Reword an instruction", replaces=True),
    Offer(
        "retract_instruction",
        "feedback",
        "write",
        "Take a standing instruction back",
        replaces=True,
        repeats=True,
    ),
    Offer("record_preference", "feedback", "write", "Learn which reply was preferred"),
    Offer("get_profile", "feedback", "read", "Everything known of a person"),
    Offer("forget_user", "admin", "delete", "Erase a person for good", replaces=True, repeats=True),
)


class Tools:
    """The methods that `OFFERS` names, for one call.

    Args:
        engine: Knows the people.
        tenant: Whose people the caller may reach.
        user: The one person that the server is for, or None.
    """

    def __init__(self, engine: PersonaEngine, tenant: str, *, user: str | None) -> None:
        self._engine = engine
        self._tenant = tenant
        self._only = user

    def personal_context(
        self,
        request: Annotated[
            str | list[Turn],
            Field(description="What the person asks now, or the conversation up to that."),
        ],
        user: Person = None,
    ) -> PersonalContext:
        """Call this before you answer a person: it tells what they want of this very reply."""
        if isinstance(request, str):
            messages: list[Message] = [{"role": "user", "content": request}]
        else:
            messages = [{"role": each.role, "content": each.content} for each in request]
        return PersonalContext.of(messages, self._person(user).personalize(messages))

    def list_instructions(
        self,
        user: Person = None,
        history: Annotated[
            bool, Field(description="Whether to tell those that are not in force any more, too.")
        ] = False,
    ) -> Instructions:
        """List what a person said they want of replies from now on."""
        person = self._person(user)
        found = person.history() if history else person.instructions()
        return Instructions(instructions=[KeptInstruction.of(each) for each in found])

    def add_instruction(
        self,
        text: Words,
        user: Person = None,
        scope: Annotated[
            str, Field(description="When it applies, in words; empty for always.")
        ] = "",
        strength: Literal["must", "prefer"] = "prefer",
    ) -> KeptInstruction:
        """Keep what a person wants of replies from now on; it replaces what it contradicts.

        Only what they said themselves: never what you think they might like.
        """
        return KeptInstruction.of(self._person(user).instruct(text, scope=scope, strength=strength))

    def revise_instruction(
        self, instruction_id: Id, text: Words, user: Person = None
    ) -> KeptInstruction:
        """Put other words in an instruction's place; the old ones stay in the history."""
        return KeptInstruction.of(self._person(user).revise(instruction_id, text))

    def retract_instruction(self, instruction_id: Id, user: Person = None) -> KeptInstruction:
        """Take an instruction back; it stays in the history."""
        return KeptInstruction.of(self._person(user).retract(instruction_id))

    def record_preference(
        self,
        prompt: Annotated[str, Field(description="What the replies answer.")],
        chosen: Annotated[str, Field(description="The reply that the person liked better.")],
        rejected: Annotated[str, Field(description="The other one.")],
        *,
        user: Person = None,
        tie: Annotated[bool, Field(description="Whether both were as good after all.")] = False,
        idempotency_key: Annotated[
            str | None, Field(description="A repeated call with the same key does nothing.")
        ] = None,
    ) -> Learned:
        """Learn from a person's choice between two replies to the same prompt."""
        made = self._person(user).compare(
            prompt, chosen, rejected, tie=tie, idempotency_key=idempotency_key
        )
        return Learned(comparison=made.id)

    def get_profile(self, user: Person = None) -> KnownPerson:
        """Tell everything that is known of a person: wishes, tastes, how much they have said."""
        return KnownPerson.of(self._person(user).profile())

    def forget_user(self, user: Person = None) -> Forgotten:
        """Erase everything about a person, for good, and return a receipt. Ask them first."""
        return Forgotten.of(self._person(user).forget())

    def about(self, user: str | None) -> str:
        """Return whom a call is about.

        Raises:
            ToolError: Nobody, or somebody else than the one person of the server.
        """
        if self._only is not None and user not in (None, self._only):
            raise ToolError("this server is for one person alone: leave user out")
        name = self._only if user is None else user
        if name is None:
            raise ToolError("user is missing, expected the id of the person this is about")
        return name

    def _person(self, user: str | None) -> User:
        return self._engine.user(self.about(user), tenant=self._tenant)
