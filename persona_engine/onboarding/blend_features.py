"""Features of the questions of several styles, as the package carries them for a feature space."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from persona_engine.errors import ArtefactError
from persona_engine.interfaces import Encoder, Progress, no_progress
from persona_engine.onboarding.bank_features import content_key, encode_texts
from persona_engine.onboarding.blends import blends, blends_hash
from persona_engine.types import FloatArray

_REMEDY = "install persona-engine again, or run python -m persona_engine.onboarding.build --blends"
_NONE: Mapping[str, FloatArray] = MappingProxyType({})


def load_blend_features(fingerprint: str, *, root: Path | None = None) -> Mapping[str, FloatArray]:
    """Return features ``(D,)`` of both replies of every question by content key.

    Args:
        fingerprint: The encoder's.
        root: Where to look instead of the package.

    Returns:
        Nothing where the package carries none for this feature space: they are encoded then.

    Raises:
        ArtefactError: They are there, but damaged, or of other questions.
    """
    path = (root or _root()) / _file_name(fingerprint)
    if not path.is_file():
        return _NONE
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            described = stored.metadata() or {}
            features = stored.get_tensor("features").astype(np.float32)  # (2Q, D)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ArtefactError(f"the features {path} cannot be read: {error}", remedy=_REMEDY) from (
            error
        )
    if described != {"fingerprint": fingerprint, "questions": blends_hash()}:
        raise ArtefactError(
            f"the features {path} are of other questions or another space", remedy=_REMEDY
        )
    return dict(zip(_keys(), features, strict=True))


def write_blend_features(
    encoder: Encoder, *, root: Path | None = None, progress: Progress = no_progress
) -> Path:
    """Encode the questions of several styles and write them for `load_blend_features`.

    Raises:
        WeightsError: The encoder's model cannot be loaded.
    """
    from safetensors.numpy import save

    texts = [(each.prompt, reply) for each in blends() for reply in (each.a, each.b)]
    features = encode_texts(encoder, texts, what="encoding blends", progress=progress)
    folder = root or _root()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file_name(encoder.fingerprint)
    described = {"fingerprint": encoder.fingerprint, "questions": blends_hash()}
    path.write_bytes(save({"features": features.astype(np.float16)}, metadata=described))
    return path


def _keys() -> list[str]:
    return [content_key(each.prompt, reply) for each in blends() for reply in (each.a, each.b)]


def _root() -> Path:
    return Path(__file__).resolve().parent.parent / "data" / "blends"


def _file_name(fingerprint: str) -> str:
    return f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.safetensors"
