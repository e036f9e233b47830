"""One user of one tenant: everything that a product asks of the engine about a person."""

from persona_engine.user.exploring import Exploring
from persona_engine.user.knowledge import Knowledge
from persona_engine.user.listening import Listening
from persona_engine.user.onboarding import Onboarding
from persona_engine.user.preferences import Preferences
from persona_engine.user.replies import Replies
from persona_engine.user.scoped import check_seed

__all__ = ["User", "check_seed"]


class User(Onboarding, Preferences, Listening, Replies, Exploring, Knowledge):
    """A person, by the stable id that the product knows them by; made by `PersonaEngine.user`.

    Nothing is kept here: any number of these, in any number of processes, are the same person.
    """
