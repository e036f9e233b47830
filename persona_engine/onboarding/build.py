"""Makes the default population that the package carries.

    python -m persona_engine.onboarding.build --weights smollm2-135m-instruct

Run it again whenever the bank, the synthetic users, the default reward model or the default
encoder's settings change, and commit what it writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from persona_engine.encoders import hidden_state_encoder
from persona_engine.errors import PersonaError
from persona_engine.onboarding.blend_features import write_blend_features
from persona_engine.onboarding.default_population import fit_default
from persona_engine.onboarding.shipped import shipped_root, write
from persona_engine.plugins import discover
from persona_engine.weights import resolve


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m persona_engine.onboarding.build", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--weights", default="smollm2-135m-instruct", help="a name or a folder")
    parser.add_argument("--reward-model", default="hierarchical", help="name of its plugin")
    parser.add_argument(
        "--settings",
        type=json.loads,
        default={"forgets": False},
        help="the reward model's, as JSON; nobody will be forgotten who was made up",
    )
    parser.add_argument("--out", type=Path, default=shipped_root(), help="folder to write below")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--blends", action="store_true", help="only encode the questions of several styles"
    )
    options = parser.parse_args(arguments)
    try:
        encoder = hidden_state_encoder(weights=resolve(options.weights, progress=_progress))
        written = write_blend_features(encoder, progress=_progress)
        if options.blends:
            sys.stdout.write(f"{written}\n")
            return 0
        model = discover().create("reward_model", options.reward_model, **options.settings)
        default = fit_default(model, encoder, seed=options.seed, progress=_progress)
        folder = write(default, options.out)
    except PersonaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"folder": str(folder), **default.report}, indent=2) + "\n")
    return 0


def _progress(what: str, done: int, total: int) -> None:
    sys.stderr.write(f"{what}: {done} of {total}\n")


if __name__ == "__main__":
    sys.exit(main())
