"""The encoder that a name such as ``sentence+item`` stands for."""

from __future__ import annotations

from pathlib import Path

from persona_engine.config import EngineConfig, is_address
from persona_engine.errors import ConfigError
from persona_engine.evaluation.dataset import Dataset
from persona_engine.evaluation.features import Features, encode
from persona_engine.interfaces import Progress, no_progress
from persona_engine.plugins import Plugins
from persona_engine.weights import resolve

DEFAULT = "hidden-state"
_ITEM = "item"


def features_by_name(
    name: str,
    dataset: Dataset,
    *,
    plugins: Plugins,
    config: EngineConfig,
    folder: Path,
    progress: Progress = no_progress,
) -> Features:
    """Return features of a dataset by the name of their encoder.

    Args:
        name: A plugin; ``hidden-state`` runs on the configured generator's weights, others on the
            sentence encoder's. ``NAME+item`` appends a one-hot of the text.
        dataset: Whose items.
        plugins: Where encoders come from.
        config: Names the weights and settings.
        folder: Where features are kept.
        progress: Told of what is fetched and encoded.

    Raises:
        ConfigError: What follows the plus is not ``item``, or there is no generator.
        PluginError: No encoder has that name.
    """
    plugin, _, more = name.partition("+")
    if more not in ("", _ITEM):
        raise ConfigError(
            f"encoder is {name!r}, expected a name or NAME+item",
            remedy=f"{plugin}+item appends a one-hot of each text",
        )
    if plugin not in plugins.names("encoder"):
        plugins.create("encoder", plugin)  # raises, and says which there are
    weights = config.generator if plugin == DEFAULT else config.sentence_encoder
    if is_address(weights):
        weights = config.feature_weights
    if weights is None:
        raise ConfigError(
            f"encoder {plugin!r} reads the generator's hidden states, but no generator is here",
            remedy="pass --generator NAME, or --encoder sentence",
        )
    encoder = plugins.create(
        "encoder",
        plugin,
        weights=resolve(weights, cache=config.weights_folder, progress=progress),
        **config.plugin_settings.get(plugin, {}),
    )
    features = encode(dataset, encoder, folder, progress=progress)
    return features.with_item_identity() if more else features
