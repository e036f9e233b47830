"""Which decoder produces a reply: the one that is named, or what a budget is best spent on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from persona_engine.decoding import decode
from persona_engine.decoding.cost import CostBook
from persona_engine.decoding.plan import Allowance, Plan, choose_plan, measured_methods
from persona_engine.errors import InvalidInputError
from persona_engine.interfaces import Decoder, DrawsWholeReplies, Generator, Reward
from persona_engine.plugins import Plugins
from persona_engine.types import Budget, Conversation, DecodingRequest, Generation

AUTO = "auto"
_PLAIN = "best_of_n"  # of one candidate: plain decoding

Decoding = str | Decoder | tuple[str, Mapping[str, Any]]
"""A decoder's name, one with settings of its own, or a decoder; ``"auto"`` for a budget's best."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a reply is decoded.

    Args:
        decoder: What produces it; None leaves the choice to the budget.
        allowance: What it may cost, or None.
    """

    decoder: Decoder | None
    allowance: Allowance | None = None

    @property
    def name(self) -> str:
        """What a host calls it."""
        return AUTO if self.decoder is None else self.decoder.name


class Decoders:
    """The decoders of one engine, by name and by budget.

    Args:
        plugins: Makes them.
        settings: Of each plugin, by name.
        costs: What decoding costs on this machine.
    """

    def __init__(
        self, plugins: Plugins, settings: Mapping[str, Mapping[str, Any]], costs: CostBook
    ) -> None:
        self._plugins = plugins
        self._settings = settings
        self._costs = costs
        self._made: dict[str, Decoder] = {}

    def named(self, decoding: Decoding) -> Decoder | None:
        """Return the decoder that a host names; None for ``"auto"``.

        Raises:
            PluginError: There is no such decoder; the message lists those there are.
            ConfigError: It has no such setting.
            InvalidInputError: This names no decoder.
        """
        if isinstance(decoding, str):
            return None if decoding == AUTO else self._called(decoding)
        if isinstance(decoding, tuple):
            if len(decoding) == 2 and isinstance(decoding[0], str):
                name, settings = decoding
                if name != AUTO and isinstance(settings, Mapping):
                    known = self._settings.get(name, {})
                    return self._plugins.create("decoder", name, **{**known, **settings})
        elif callable(getattr(decoding, "generate", None)) and hasattr(decoding, "name"):
            return decoding
        raise InvalidInputError(
            f"decoding is {ascii(decoding)[:120]}, expected a decoder, the name of one, or "
            f"(name, settings); names are {', '.join((AUTO, *self._plugins.names('decoder')))}"
        )

    def decode(
        self,
        way: Way,
        request: DecodingRequest,
        generator: Generator,
        reward: Reward | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return what the decoder of a way produces, within its allowance."""
        allowance, words, decoder = way.allowance, "", way.decoder
        if allowance is not None and allowance.milliseconds is not None:
            request = replace(request, budget=Budget(seconds=allowance.milliseconds / 1e3))
        if decoder is None:
            decoder, request, words = self._by_budget(way, request, generator, reward)
        generation = decode(decoder, request, generator, reward, on_text=on_text, plan=words)
        if way.decoder is None and generation.search is not None:
            self._costs.learn(
                generator,
                generation.search.compute,
                prompt_tokens=_length(request.conversation, generator),
                reply_tokens=generation.candidates[0].tokens,
            )
        return generation

    def _by_budget(
        self, way: Way, request: DecodingRequest, generator: Generator, reward: Reward | None
    ) -> tuple[Decoder, DecodingRequest, str]:
        alone = replace(request, candidates=1)
        if reward is None:
            return self._called(_PLAIN), alone, "plain decoding: nothing is known to choose by"
        if isinstance(generator, DrawsWholeReplies):
            return self._called(_PLAIN), request, "best of n: the generator draws whole replies"
        plan = self._plan(way, request, generator)
        if plan.method is None:
            return self._called(_PLAIN), alone, plan.words
        method = plan.method
        settings = {**self._settings.get(method.decoder, {}), **method.settings}
        decoder = self._plugins.create("decoder", method.decoder, **settings)
        return decoder, replace(request, candidates=method.candidates), plan.words

    def _plan(self, way: Way, request: DecodingRequest, generator: Generator) -> Plan:
        installed = self._plugins.names("decoder")
        return choose_plan(
            way.allowance or _DEFAULT,
            self._costs.find(generator),
            prompt_tokens=_length(request.conversation, generator),
            max_tokens=request.sampling.max_tokens,
            methods=[each for each in measured_methods() if each.decoder in installed],
        )

    def _called(self, name: str) -> Decoder:
        if name not in self._made:
            settings = self._settings.get(name, {})
            self._made[name] = self._plugins.create("decoder", name, **settings)
        return self._made[name]


_DEFAULT = Allowance(times=2.0)


def _length(conversation: Conversation, generator: Generator) -> int:
    return sum(generator.count_tokens(message["content"]) for message in conversation)
