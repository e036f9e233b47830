"""Sixteen chats of sixteen people with four adapters: all at once, and one after another.

Both ways are the same calls with the same settings on one engine, as `persona serve` sets it up, in
turns; nothing that was read before is remembered. The chats are the same, and so must the replies
be, so that the ratio of the times is that of the tokens per second. ``plain`` says one candidate,
``default`` is what the settings say for people of whom something is known: eight candidates of
best-of-n, which one chat reads in one batch already. ``http`` is plain by way of the server.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np
from report import Figure, say

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.adapters.registry import Origin
from persona_engine.server import ServerSettings, create_app
from persona_engine.types import Conversation, TrainedAdapter
from tests.server_thread import listening

CHATS, ADAPTERS, RANK = 16, 4, 8
ROUNDS, TOKENS, QUICK_TOKENS = 5, 48, 6
LEAST = 4.0
ASKED = (
    "Tell me at length how to choose a good {thing}, what to look at, and what to avoid.",
    "Write a long letter to a friend about the {thing} that you bought last week.",
    "Explain to a child, step by step, how a {thing} is made and who makes it.",
    "Compare two kinds of {thing} for somebody who has never owned one, in detail.",
)
THINGS = ("bicycle", "kettle", "tent", "violin")

Chat = Callable[[int], tuple[str, int]]
"""Holds the chat of that number; returns the reply and how many tokens were generated for it."""


def measure(folder: Path, *, quick: bool, seed: int) -> dict[str, Figure]:
    """Return how many times the tokens per second sixteen chats at once get.

    Args:
        folder: Not read.
        quick: One short round: a smoke run.
        seed: Of the adapters and of every reply.
    """
    tokens, rounds = (QUICK_TOKENS, 1) if quick else (TOKENS, ROUNDS)
    figures: dict[str, Figure] = {}
    with _engine(seed=seed) as (engine, adapters):
        chats = Chats(engine, adapters, tokens=tokens, seed=seed)
        for number in range(CHATS):  # of whom nothing is known gets one candidate
            engine.user(f"user-{number}").steer(concise=(-1) ** number)
        with chats.served() as by_http:
            ways: Mapping[str, Chat] = {
                "plain": chats.plain,
                "default": chats.default,
                "http": by_http,
            }
            for name, chat in ways.items():
                say(f"  {name}")
                figures |= _compared(name, chat, chats.forget, rounds=rounds)
    return figures


def _compared(
    name: str, chat: Chat, forget: Callable[[], None], *, rounds: int
) -> dict[str, Figure]:
    _timed(chat, CHATS)  # loads the adapters
    alone: list[Run] = []
    together: list[Run] = []
    for number in range(rounds):
        for several in (False, True) if number % 2 else (True, False):
            forget()
            (together if several else alone).append(_timed(chat, CHATS if several else 1))
    pairs = list(zip(alone, together, strict=True))
    told = ", ".join(
        f"{label} {median(each.tokens / each.wall for each in runs):.1f} tokens/s of wall time and "
        f"{median(each.tokens / each.cpu for each in runs):.1f} of CPU time"
        for label, runs in (("one at a time", alone), ("together", together))
    )
    same = all(one.replies == other.replies for one, other in pairs)
    return {
        f"concurrent_{name}_wall": Figure(
            median(one.wall / other.wall for one, other in pairs),
            "times the tokens a second",
            LEAST,
            told,
            "at least",
        ),
        f"concurrent_{name}_cpu": Figure(
            median(one.cpu / other.cpu for one, other in pairs), "times the tokens a CPU second"
        ),
        f"concurrent_{name}_same_replies": Figure(same, "", True, sense="exactly"),
    }


@dataclass(frozen=True)
class Run:
    """All chats, held once.

    Args:
        replies: What was said.
        tokens: That were generated.
        wall: Seconds.
        cpu: Seconds of the process.
    """

    replies: Sequence[str]
    tokens: int
    wall: float
    cpu: float


def _timed(chat: Chat, threads: int) -> Run:
    with ThreadPoolExecutor(threads) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        found = list(pool.map(chat, range(CHATS)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run([text for text, _ in found], sum(count for _, count in found), wall, cpu)


class Chats:
    """The chats, by way of the SDK.

    Args:
        engine: As the server sets it up.
        adapters: Versions that are in use.
        tokens: Of each reply, at most.
        seed: Of every reply.
    """

    def __init__(
        self, engine: PersonaEngine, adapters: Sequence[str], *, tokens: int, seed: int
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._tokens = tokens
        self._seed = seed

    def plain(self, number: int) -> tuple[str, int]:
        """Hold a chat with one candidate."""
        return self._held(number, candidates=1)

    def default(self, number: int) -> tuple[str, int]:
        """Hold a chat as the settings are."""
        return self._held(number, candidates=None)

    def forget(self) -> None:
        """Forget every prompt and feature that is in memory."""
        self._engine._runtime.forget_cached()

    @contextmanager
    def served(self) -> Iterator[Chat]:
        """Have a server hold the chats."""
        key = self._engine.store.api_keys.create("default", label="bench", scopes=["chat"])
        settings = ServerSettings(requests_per_minute=None)
        with listening(create_app(self._engine, settings)) as url:
            yield lambda number: self._asked(urlsplit(url).netloc, key.secret, number)

    def _held(self, number: int, *, candidates: int | None) -> tuple[str, int]:
        stream = self._engine.user(f"user-{number}").stream(
            _conversation(number),
            seed=self._seed + number,
            candidates=candidates,
            max_tokens=self._tokens,
            adapter=self._adapters[number % ADAPTERS],
        )
        reply = stream.reply
        assert reply.trace.search is not None
        return reply.text, reply.trace.search.compute.token_steps

    def _asked(self, place: str, key: str, number: int) -> tuple[str, int]:
        body = {
            "model": self._adapters[number % ADAPTERS],
            "messages": _conversation(number),
            "user": f"user-{number}",
            "seed": self._seed + number,
            "max_tokens": self._tokens,
            "persona": {"candidates": 1},
        }
        connection = http.client.HTTPConnection(place)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, found
        return found["choices"][0]["message"]["content"], found["usage"]["completion_tokens"]


def _conversation(number: int) -> Conversation:
    asked = ASKED[number % len(ASKED)].format(thing=THINGS[number // len(ASKED)])
    told = "You are a helpful assistant of a shop."
    return [{"role": "system", "content": told}, {"role": "user", "content": asked}]


@contextmanager
def _engine(*, seed: int) -> Iterator[tuple[PersonaEngine, list[str]]]:
    """Open an engine as the server does, with adapters of four clusters in use."""
    with tempfile.TemporaryDirectory(prefix="persona-concurrent-") as place:
        config = EngineConfig(
            database=f"sqlite:///{place}/persona.db",
            data_folder=Path(place) / "data",
            batch_rows=ServerSettings().batch_rows,
        )
        with PersonaEngine(config=config) as engine:
            engine.warm_up()
            yield engine, [_published(engine, Path(place), n, seed=seed) for n in range(ADAPTERS)]


def _published(engine: PersonaEngine, place: Path, number: int, *, seed: int) -> str:
    """Register a random adapter on every linear layer and put it to use; return its version."""
    from safetensors.numpy import save_file

    loaded = engine._runtime.generator._model.load()  # type: ignore[attr-defined]
    draw, tensors = np.random.default_rng([seed, number]), {}
    for path, each in loaded.network.named_modules():
        if hasattr(each, "columns") and "layers" in path:
            for part, shape in (("A", (RANK, each.in_features)), ("B", (each.out_features, RANK))):
                small = 0.02 * draw.standard_normal(shape)
                tensors[f"base_model.model.{path}.lora_{part}.weight"] = small.astype(np.float32)
    folder = place / f"adapter-{number}"
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    registry = engine.adapters()
    origin = Origin(f"cluster-{number}", engine._runtime.adapters.base, "random")
    version = registry.add(TrainedAdapter(folder, {}, {}), origin).version
    registry.publish(version)
    return version
