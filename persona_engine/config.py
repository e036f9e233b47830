"""Settings of an engine, checked at start, from arguments, the environment or a TOML file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from persona_engine.errors import ConfigError

GENERATOR_FEATURES = "generator"
TABLES = ("server",)
"""Tables of a TOML file of settings that are others' than the engine's."""
_REMEDY = "correct the setting in the call, the PERSONA_ variable or the TOML file"


def default_data_folder() -> Path:
    """Return where indexes are kept: XDG_DATA_HOME, else ``~/.local/share``."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "persona_engine"


class Settings(BaseSettings):
    """Settings whose faults are told as a `ConfigError`, from arguments, environment or TOML."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_ignore_empty=True)

    table: ClassVar[str | None] = None
    """Table of the TOML file that they stand in; None for its top."""

    def __init__(self, **values: Any) -> None:  # noqa: ANN401  # pydantic's own signature
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_describe(error), remedy=_REMEDY) from None
        except SettingsError as error:
            raise ConfigError(
                f"{error}, expected JSON: {error.__cause__}", remedy=_REMEDY
            ) from None

    @classmethod
    def from_toml(cls, path: Path, **overrides: object) -> Self:
        """Read settings from a TOML file; keyword arguments win over it.

        Raises:
            ConfigError: The file cannot be read, is no TOML, or holds a setting that is unknown or
                out of range.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                f"cannot read settings from {str(path)!r}: {error}",
                remedy="pass the path of a UTF-8 TOML file",
            ) from error
        if cls.table is None:
            values = {name: each for name, each in values.items() if name not in TABLES}
        else:
            values = values.get(cls.table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{cls.table} in {str(path)!r} is {values!r}, expected a table")
        return cls(**{**values, **overrides})


def is_address(generator: str | None) -> bool:
    """Say whether a generator is a server's address, and not weights on this machine.

    Examples:
        >>> is_address("http://127.0.0.1:8000/v1#smollm2"), is_address("smollm2-135m-instruct")
        (True, False)
    """
    return generator is not None and generator.startswith(("http://", "https://"))


class EngineConfig(Settings):
    """Settings of one engine.

    Every field may be given as an argument, or as an environment variable with the prefix
    ``PERSONA_`` (``PERSONA_CANDIDATES=4``); arguments win.

    Args:
        database: SQLAlchemy URL of the store.
        generator: Weights of the language model, by name or path; the address of a server and the
            name of its model, such as ``http://127.0.0.1:8000/v1#smollm2``; None for a host that
            calls its own model and only wants `personalize` and `rank`.
        generator_plugin: Plugin that runs it; for an address ``openai_compatible`` unless another
            than ``local`` is named.
        sentence_encoder: Weights of the sentence encoder, by name or path.
        feature_encoder: Which features rewards are learned on: ``generator`` reads the language
            model's hidden states, or is ``sentence`` where that is elsewhere; any other name is an
            encoder plugin.
        feature_weights: Weights that it is run on, by name or path; those of ``sentence_encoder``
            if omitted. ``hidden-state`` on ``smollm2-135m-instruct`` has a population that comes
            with the package.
        reward_model: Plugin that learns what users prefer.
        decoder: Plugin that produces replies; ``auto`` spends ``decoding_budget`` on what gains
            most.
        decoding_budget: What ``auto`` may spend on a reply, such as ``2x`` of plain decoding or
            ``800ms``.
        instruction_selector: Plugin that judges which instructions apply.
        instruction_verifiers: Plugins that judge whether replies keep instructions; of several that
            can judge one, the first does.
        instruction_miner: Plugin that reads wishes from conversations.
        principle_inducer: Plugin that finds rules which explain choices.
        redactors: Plugins that take personal data out of texts before they are stored or learned
            from, in this order; none by default.
        accept_suggestions: Whether what was read from behaviour acts at once, without the person's
            acceptance.
        clusterer: Plugin that finds groups of users with shared taste.
        operator_rules: Instructions of the operator for everybody, which must hold where they
            apply and outrank what users say.
        candidates: Replies to consider when the user's taste or a checkable instruction is known.
        temperature: Sampling temperature.
        top_p: Nucleus of sampling.
        max_tokens: Longest reply in tokens.
        batch_rows: Rows that requests which come at the same time, from several threads, read
            together at each token, whoever they are for; a row is a candidate of one of them. 0
            lets each read alone, which `persona serve` does not.
        instruction_budget: Most tokens that instructions may take in the prompt.
        data_folder: Where indexes are kept; a cache, safe to delete but for ``adapters`` in it.
        weights_folder: Where fetched weights are kept; None for the default cache.
        blocked_plugins: Plugins that are never loaded.
        strict_plugins: Whether a plugin that fails to load is an error.
        plugin_settings: Keyword settings by plugin name.
        source_weights: Factor on the weight of comparisons by what they were made from, such as
            ``{"rating": 0.5, "edit": 2}``; 1 for the others.
        half_life_days: Comparisons this much older than the same user's newest count half; None
            for no drift.
        half_life_answers: Comparisons with this many later ones of the same user count half; None
            for no such drift.
        label_noise: Share of comparisons that are the wrong way round, 0 to ⅓; corrected for as
            rDPO does. These four hold for what is learned from now on: fit anew, or import again,
            to have them hold for all of the past.
        change_hazard: Probability that a person's taste turns from one answer to the next. Where it
            has turned, what was said before is given up; 0 never looks for that.
        refit_every: Answers of a person after which the posterior is built again from all of them;
            between, each answer moves it at once.
        guard_populations: Whether `persona fit` keeps few users from shaping what all share: nobody
            counts more than a hundredth or five medians, who contradicts everybody counts less,
            who looks like one counts as one.
        attributes: File of the host's own attributes: JSON lines of labelled pairs with
            ``attribute``, ``high``, ``low`` and, if need be, ``prompt``; None for the bank's alone.
        population_refresh_seconds: How long a published population may be remembered before the
            store is asked whether another one is in use; clusterings and adapters likewise.
        index_kind: Kind of the index of users: ``flat``, ``ivf``, ``sq`` or ``hnsw``; ``auto`` for
            the one that suits their number.
        index_patience_seconds: How long an index of more users than exact search suits, 50,000, may
            serve before answers given since are in it; it is built again in the background.
        forget_tolerance: Logits by which people who were forgotten since a population was fitted
            may still move its predictions, in all. Beyond, a corrected population takes its place,
            and everybody's posterior is built anew when it is next needed.
        vacuum_below_mb: SQLite's file is written anew whenever somebody is forgotten and nobody
            writes, so that no copy of a row is left in its free space, while it has at most so many
            MiB; else `PersonaEngine.refit_stale` does it.
        adapters_folder: Where adapters' files are kept, no cache; of this database alone. None for
            a folder below ``data_folder``.
        adapter_confidence: Least probability of belonging to a cluster at which its adapter serves
            a user.
        adapter_memory_mb: Most MiB of adapters in the generator's memory.
        adapter_base: Hash of the model that adapters are for, where the host calls its own; that
            of ``generator`` if omitted.

    Examples:
        >>> EngineConfig(candidates=4).candidates
        4
    """

    model_config = SettingsConfigDict(env_prefix="PERSONA_")

    database: str = "sqlite:///persona.db"
    generator: str | None = "smollm2-135m-instruct"
    generator_plugin: str = "local"
    sentence_encoder: str = "all-minilm-l6-v2"
    feature_encoder: str = GENERATOR_FEATURES
    feature_weights: str | None = None
    reward_model: str = "hierarchical"
    decoder: str = "best_of_n"
    decoding_budget: str | float = "2x"
    instruction_selector: str = "applicability"
    instruction_verifiers: tuple[str, ...] = ("constraints", "adherence")
    redactors: tuple[str, ...] = ()
    instruction_miner: str = "signals"
    principle_inducer: str = "principles"
    clusterer: str = "gaussian_mixture"
    accept_suggestions: bool = False
    operator_rules: tuple[str, ...] = ()
    candidates: int = Field(default=8, ge=1, le=256)
    temperature: float = Field(default=0.8, ge=0.0, le=10.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    max_tokens: int = Field(default=192, ge=1, le=32_768)
    batch_rows: int = Field(default=0, ge=0, le=4_096)
    instruction_budget: int = Field(default=256, ge=0, le=32_768)
    data_folder: Path = Field(default_factory=default_data_folder)
    weights_folder: Path | None = None
    blocked_plugins: tuple[str, ...] = ()
    strict_plugins: bool = False
    plugin_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    source_weights: dict[str, Annotated[float, Field(ge=0.0, le=1e3)]] = Field(default_factory=dict)
    half_life_days: float | None = Field(default=None, gt=0.0)
    half_life_answers: float | None = Field(default=None, gt=0.0)
    label_noise: float = Field(default=0.0, ge=0.0, le=1 / 3)
    change_hazard: float = Field(default=0.02, ge=0.0, le=0.5)
    refit_every: int = Field(default=16, ge=1)
    guard_populations: bool = True
    attributes: Path | None = None
    population_refresh_seconds: float = Field(default=1.0, ge=0.0)
    index_kind: Literal["auto", "flat", "ivf", "hnsw", "sq"] = "auto"
    index_patience_seconds: float = Field(default=600.0, ge=0.0)
    forget_tolerance: float = Field(default=0.01, ge=0.0)
    vacuum_below_mb: float = Field(default=4.0, ge=0.0)
    adapters_folder: Path | None = None
    adapter_confidence: float = Field(default=0.8, gt=0.0, le=1.0)
    adapter_memory_mb: float = Field(default=64.0, ge=0.0)
    adapter_base: str | None = None

    @field_validator(
        "candidates",
        "temperature",
        "top_p",
        "max_tokens",
        "batch_rows",
        "instruction_budget",
        "half_life_days",
        "half_life_answers",
        "change_hazard",
        "refit_every",
        "label_noise",
        "population_refresh_seconds",
        "forget_tolerance",
        "vacuum_below_mb",
        "index_patience_seconds",
        "adapter_confidence",
        "adapter_memory_mb",
        mode="before",
    )
    @classmethod
    def _is_no_truth_value(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("expected a number")
        return value

    @field_validator("database")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        if "://" not in value:
            raise ValueError(f"{value!r} is no URL, expected something like sqlite:///persona.db")
        return value

    @property
    def generates_here(self) -> bool:
        """Whether replies come from a language model in this process."""
        return self.generator is not None and not is_address(self.generator)


def _describe(error: ValidationError) -> str:
    faults = []
    for each in error.errors():
        name = ".".join(str(part) for part in each["loc"]) or "settings"
        faults.append(f"{name} is {each.get('input')!r}: {each['msg']}")
    return "; ".join(faults)
