"""Events become posteriors: at once, and again from all of them where that says more."""

from persona_engine.learning.change import Changes
from persona_engine.learning.encoded import check_new
from persona_engine.learning.learner import Learner
from persona_engine.learning.online import OnlinePolicy

__all__ = ["Changes", "Learner", "OnlinePolicy", "check_new"]
