"""What another policy would have earned on logged choices: ``persona replay``."""

from persona_engine.replay.estimators import Log, doubly_robust, ips, snips
from persona_engine.replay.logged import LoggedChoice, read_log
from persona_engine.replay.report import Policy, replay

__all__ = [
    "Log",
    "LoggedChoice",
    "Policy",
    "doubly_robust",
    "ips",
    "read_log",
    "replay",
    "snips",
]
