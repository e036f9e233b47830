"""The miner: what a conversation says about the person."""

from __future__ import annotations

from persona_engine.errors import ConfigError
from persona_engine.interfaces import LanguageTools
from persona_engine.scorers import check_encoder
from persona_engine.types import Conversation, Signals
from persona_signals.classifier import load
from persona_signals.comparisons import comparisons_of
from persona_signals.english import is_english
from persona_signals.follow_up import reweigh
from persona_signals.reactions import reactions_of
from persona_signals.wishes import wishes_of

_REMEDY = (
    "use the sentence encoder all-minilm-l6-v2, or train for yours with "
    "python -m persona_signals.train"
)


class SignalMiner:
    """Reads standing wishes, reactions and weak comparisons from the person's own turns.

    A sentence is cut from what the person quotes, pastes or has others say; then

    P(standing wish | s) = 1 − softmax(W·[cues, skeleton grams, embedding] + b)_none

    A follow-up's satisfaction is judged likewise, by the categories of WildFeedback (Shi et al.
    2024, arXiv:2408.15549), and a reply that ended a complaint is preferred to the one complained
    of. With ``follow_up``, the language model has a say in how strongly: its likelihood of content
    rather than discontent follow-ups (Zhang et al. 2024, arXiv:2409.13948). Use it on
    conversations that have ended or paused; it needs no model beyond the sentence encoder, and
    reads English only: of another language it returns nothing.

    Args:
        threshold: Least probability of a wish.
        reaction_threshold: Least probability of a reaction.
        follow_up: Whether the language model weighs comparisons.

    Raises:
        ConfigError: A threshold is not 0 to 1; ``mine`` raises it for ``follow_up`` without a
            language model.

    Examples:
        >>> from persona_engine.testing.language import language_tools
        >>> tools = LanguageTools(language_tools().embed, load("wishes").fingerprint)
        >>> SignalMiner().mine([{"role": "assistant", "content": "I'm vegan."}], tools=tools)
        Signals(wishes=(), reactions=(), comparisons=())
    """

    name = "signals"

    def __init__(
        self,
        *,
        threshold: float = 0.6,
        reaction_threshold: float = 0.5,
        follow_up: bool = False,
    ) -> None:
        for setting, value in (
            ("threshold", threshold),
            ("reaction_threshold", reaction_threshold),
        ):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{setting} is {value!r}, expected 0 to 1")
        self._wishes, self._reactions = load("wishes"), load("reactions")
        self._threshold = threshold
        self._reaction_threshold = reaction_threshold
        self._follow_up = follow_up

    def mine(self, conversation: Conversation, *, tools: LanguageTools) -> Signals:
        """Return what the person's own turns say.

        Args:
            conversation: All messages; only those of role ``user`` are read, the others only tell
                which reply a follow-up is about.
            tools: The sentence encoder, and the language model where ``follow_up`` is set.

        Raises:
            ConfigError: ``follow_up`` is set, and there is no language model.
            FingerprintMismatchError: The classifiers were trained with another sentence encoder.
        """
        expected = self._wishes.fingerprint
        check_encoder(tools.fingerprint, expected, scorer="the miner", remedy=_REMEDY)
        if self._follow_up and tools.log_likelihood is None:
            raise ConfigError(
                "follow_up is True, and there is no language model",
                remedy="configure a generator, or leave follow_up at False",
            )
        turns = [
            n
            for n, message in enumerate(conversation)
            if message["role"] == "user" and is_english(message["content"])
        ]
        wishes = wishes_of(
            conversation,
            turns,
            classifier=self._wishes,
            embed=tools.embed,
            threshold=self._threshold,
        )
        reactions = reactions_of(
            conversation,
            turns,
            classifier=self._reactions,
            embed=tools.embed,
            threshold=self._reaction_threshold,
        )
        comparisons = comparisons_of(conversation, turns, reactions)
        if self._follow_up and tools.log_likelihood is not None:
            comparisons = reweigh(comparisons, tools.log_likelihood)
        return Signals(wishes, reactions, comparisons)
