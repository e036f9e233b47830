"""What every decoder gains: replies to people, judged by somebody else's reward model.

Each prompt is answered plainly and by every method in turn, through the SDK. Judged reward is in
standard deviations of the judged reward among plain samples of one prompt; compute is CPU time over
that of plain decoding, the prompt being read already.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from decoding_judged import PLAIN, Answered, Judged, judge
from decoding_models import GENERATOR, PLUGINS, generator
from decoding_people import Jury, Person, people
from report import Figure, say

from persona_engine.config import EngineConfig
from persona_engine.engine import PersonaEngine
from persona_engine.onboarding import question_bank
from persona_engine.types import Sampling
from persona_engine.user import User

PEOPLE, PROMPTS_EACH, MAX_TOKENS = 8, 8, 64
QUICK = (2, 1, 8)
WIN_RATE, PERPLEXITY, AT = 0.75, 1.15, 8


@dataclass(frozen=True)
class Method:
    """One decoder at one size."""

    decoder: str
    candidates: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def family(self) -> str:
        return f"{self.decoder}{' ' + self.label if self.label else ''}"

    @property
    def name(self) -> str:
        return f"{self.family.replace(' ', '_')}_{self.candidates}"


METHODS = (
    Method("best_of_n", 2),
    Method("best_of_n", 4),
    Method("best_of_n", 8),
    Method("best_of_n", 16),
    Method("best_of_n", 16, {"reject": 0.5}, "rejecting"),
    Method("best_of_n", 8, {"styled": 0.0}, "unstyled"),
    Method("blockwise", 4),
    Method("blockwise", 8),
    Method("token_search", 2),
    Method("token_search", 4),
    Method("token_search", 8),
    Method("logit_arithmetic", 4),
    Method("logit_arithmetic", 8),
)


def measure(
    data: Path,
    *,
    quick: bool,
    seed: int,
    curve: Path | None = None,
    gains: Path | None = None,
    methods: Sequence[str] | None = None,
    prompts: int | None = None,
) -> dict[str, Figure]:
    """Return the figures of every method that is installed.

    Args:
        data: Not read.
        quick: Two people with a prompt each, a few tokens, two methods: a smoke run.
        seed: Of people, answers and replies.
        curve: PNG of judged reward against compute to write.
        gains: JSON to write, from which ``decoding="auto"`` chooses.
        methods: Decoders to measure; all installed ones if omitted.
        prompts: How many prompts, a multiple of 8; 64 if omitted.
    """
    each_asks = PROMPTS_EACH if prompts is None else max(prompts // PEOPLE, 1)
    count, each, tokens = QUICK if quick else (PEOPLE, each_asks, MAX_TOKENS)
    chosen = _installed(methods)[: 1 if quick else None]
    crowd = people(count, each, seed=seed)
    jury = Jury(seed=seed, quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            database=f"sqlite:///{folder}/persona.db", data_folder=folder, generator=GENERATOR
        )
        with PersonaEngine(config=config) as engine:
            answered, spread = _answer(engine, crowd, chosen, jury, tokens=tokens, seed=seed)
    judged = judge(crowd, answered, jury, spread)
    if curve is not None:
        from decoding_curve import draw

        families = {each.name: each.family for each in chosen}
        draw(curve, judged, families)
    if gains is not None:
        _write_gains(gains, chosen, answered, judged)
    return {
        "quality_prompts": Figure(
            sum(len(each.prompts) for each in crowd),
            "prompts",
            None if quick else 60,
            sense="at least",
        ),
        "quality_judge_accuracy": Figure(jury.accuracy(crowd), "share of answers"),
        **_figures(chosen, judged),
    }


def _installed(named: Sequence[str] | None) -> list[Method]:
    found = []
    for each in METHODS:
        if named is not None and each.decoder not in named:
            continue
        try:
            PLUGINS.create("decoder", each.decoder, **each.settings)
        except Exception as error:
            say(f"  {each.name} is passed over: {error}")
        else:
            found.append(each)
    return found


def _answer(
    engine: PersonaEngine,
    crowd: Sequence[Person],
    methods: Sequence[Method],
    jury: Jury,
    *,
    tokens: int,
    seed: int,
) -> tuple[dict[str, Answered], float]:
    """Return what was said, and the spread of judged reward among plain samples of one prompt."""
    answered = {name: Answered() for name in (PLAIN, *(each.name for each in methods))}
    deviations = []
    for person in crowd:
        user = person.join(engine, seed=seed)
        for place in person.prompts:
            prompt = question_bank()[place].prompt
            say(f"  {person.name}: {prompt[:60]}")
            draw = 1_000 * seed + place
            base = {"seed": draw, "max_tokens": tokens}
            # Also reads the prompt, so that nobody pays for that alone.
            samples = [text for text in _samples(prompt, tokens=tokens, seed=draw) if text.strip()]
            _timed(answered[PLAIN], user, prompt, personal=False, **base)
            for each in methods:
                way = (each.decoder, each.settings)
                _timed(
                    answered[each.name],
                    user,
                    prompt,
                    decoding=way,
                    candidates=each.candidates,
                    **base,
                )
            if len(samples) > 1:
                deviations.append(jury.score(person, [prompt] * len(samples), samples).var(ddof=1))
    return answered, float(np.sqrt(np.mean(deviations)))


def _timed(into: Answered, user: User, prompt: str, **order: Any) -> None:
    before = time.process_time()
    reply = user.chat([{"role": "user", "content": prompt}], **order)
    seconds = time.process_time() - before
    search = reply.trace.search
    into.add(
        reply.text,
        seconds,
        None if search is None else search.compute,
        reply.trace.candidates[0].tokens,
    )


def _samples(prompt: str, *, tokens: int, seed: int) -> tuple[str, ...]:
    ask = [{"role": "user", "content": prompt}]
    branches = generator().prefill(ask, branches=4, seed=seed)
    while True:
        result = branches.step(Sampling(max_tokens=tokens))
        if all(result.finished):
            return result.texts


def _figures(methods: Sequence[Method], judged: Mapping[str, Judged]) -> dict[str, Figure]:
    plain = judged[PLAIN]
    found = {
        "quality_plain_perplexity": Figure(plain.perplexity, "perplexity"),
        "quality_plain_distinct2": Figure(plain.distinct, "share of word pairs"),
        "quality_plain_words": Figure(plain.words, "words"),
    }
    for each in methods:
        mine = judged[each.name]
        told = f"{mine.compute:.2f}x plain's CPU time"
        found |= {
            f"quality_{each.name}_gain": Figure(mine.gain, f"sd ± {mine.gain_se:.2f}", None, told),
            f"quality_{each.name}_win_rate": Figure(mine.win_rate, "share of prompts"),
            f"quality_{each.name}_perplexity": Figure(
                mine.perplexity / plain.perplexity, "ratio to plain"
            ),
            f"quality_{each.name}_distinct2": Figure(mine.distinct, "share of word pairs"),
            f"quality_{each.name}_words": Figure(mine.words, "words"),
        }
    within = [
        each
        for each in methods
        if each.candidates == AT and judged[each.name].perplexity <= PERPLEXITY * plain.perplexity
    ]
    if within:
        best = max(within, key=lambda each: judged[each.name].win_rate)
        found["quality_best_win_rate_of_8"] = Figure(
            judged[best.name].win_rate, "share of prompts", WIN_RATE, best.name, "at least"
        )
        found["quality_best_perplexity_of_8"] = Figure(
            judged[best.name].perplexity / plain.perplexity,
            "ratio to plain",
            PERPLEXITY,
            best.name,
        )
    return found


def _write_gains(
    path: Path,
    methods: Sequence[Method],
    answered: Mapping[str, Answered],
    judged: Mapping[str, Judged],
) -> None:
    """Write what ``decoding="auto"`` chooses from: methods whose text stays as likely."""
    most = PERPLEXITY * judged[PLAIN].perplexity
    rows = [
        {
            "decoder": each.decoder,
            "candidates": each.candidates,
            "settings": dict(each.settings),
            "gain": round(judged[each.name].gain, 3),
            "rows": round(spent.token_steps / max(spent.forwards, 1), 2),
            "forwards": round(spent.forwards / max(spent.tokens, 1), 3),
        }
        for each in methods
        if judged[each.name].perplexity <= most
        for spent in [answered[each.name]]
    ]
    path.write_text(
        json.dumps({"prompts": len(answered[PLAIN].texts), "methods": rows}, indent=1) + "\n",
        encoding="utf-8",
    )
