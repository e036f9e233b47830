"""An encoder that counts words, and the plugin that brings it: engines without model weights."""

from __future__ import annotations

import numpy as np

from persona_engine.hookspecs import hookimpl


class WordCounts:
    """An encoder that counts words: fast, and opposite words lie apart."""

    fingerprint = "word-counts-1"
    width = 3

    def __init__(self, **_):
        pass

    def encode(self, prompts, responses):
        return np.array(
            [[r.count("warm"), r.count("cold"), len(r) / 20] for r in responses], np.float32
        )


class WordCountsPlugin:
    @hookimpl
    def persona_encoders(self):
        return {"word_counts": WordCounts}
