"""What names the events that an adapter was trained on."""

from __future__ import annotations

import hashlib
import json

from persona_engine.types import RatedReply, TrainingPair, TrainingTask


def fingerprint(task: TrainingTask) -> str:
    """Return the sha256 of the comparisons and ratings that a task trains on, in any order."""
    lines = [
        json.dumps(
            [list(each.prompt), each.chosen, each.rejected, each.user, each.group, _short(each)],
            sort_keys=True,
        )
        for each in task.pairs
    ]
    lines += [
        json.dumps([list(each.prompt), each.text, each.good, each.user, _short(each)])
        for each in task.rated
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _short(weighed: TrainingPair | RatedReply) -> str:
    return f"{weighed.weight:.6g}"
