"""Adapters in memory: loaded once, used last stays, what a reply uses is not taken away."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from persona_engine.adapters.manifest import WEIGHTS
from persona_engine.adapters.routing import Route
from persona_engine.adapters.serving import AdapterServer
from persona_engine.errors import ArtefactError
from persona_engine.testing import BigramGenerator
from persona_engine.types import DecodingRequest, Sampling

SIZE = 1000
ASK = [{"role": "user", "content": "Where shall we go ?"}]


class Loading(BigramGenerator):
    """Notes what is loaded, slowly, and fails when the same is loaded twice at once."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.pause = pause
        self.loads: list[str] = []
        self.held: set[str] = set()
        self.most = 0

    def load_adapter(self, name, folder):
        name = name.partition("@")[0]
        assert name not in self.held
        assert folder.name == name
        time.sleep(self.pause)
        self.loads.append(name)
        self.held.add(name)
        self.most = max(self.most, len(self.held))

    def unload_adapter(self, name):
        self.held.remove(name.partition("@")[0])

    def log_likelihood(self, conversations, responses, *, adapter=None):
        return super().log_likelihood(conversations, responses)


@pytest.fixture
def folders(tmp_path: Path):
    def find(tenant: str, version: str) -> Path:
        folder = tmp_path / tenant / version
        if version == "bad":
            raise ArtefactError("bad has another hash")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(b"0" * SIZE)
        return folder

    return find


def route(*versions: str) -> Route:
    weights = dict.fromkeys(versions, 1.0 / len(versions))
    return Route(versions[0], "c", 0.9, "of cluster 'c'", weights)


def serve(server: AdapterServer, generator: Loading, version: str) -> None:
    with server.serving(route(version), "acme", generator) as served:
        assert served.adapter == version
        assert version in generator.held


def test_what_was_used_longest_ago_makes_room(folders) -> None:
    server, generator = AdapterServer(folders, limit=2 * SIZE), Loading()
    for version in ("a", "b", "a", "c", "a", "b"):
        serve(server, generator, version)
    assert generator.loads == ["a", "b", "c", "b"]
    assert server.loaded == ("a", "b")
    assert generator.held == {"a", "b"}
    assert generator.most == 3  # the new one is there before the old one goes


def test_what_a_reply_uses_stays_until_it_is_done(folders) -> None:
    server, generator = AdapterServer(folders, limit=SIZE), Loading()
    with server.serving(route("a"), "acme", generator):
        with server.serving(route("b"), "acme", generator):
            assert generator.held == {"a", "b"}
            serve(server, generator, "c")
            assert generator.held == {"a", "b"}
        assert generator.held == {"a"}
    assert generator.held == {"a"}


def test_nothing_stays_where_nothing_fits(folders) -> None:
    server, generator = AdapterServer(folders, limit=0), Loading()
    serve(server, generator, "a")
    assert generator.held == set()


def test_several_are_served_together(folders) -> None:
    server, generator = AdapterServer(folders, limit=0), Loading()
    with server.serving(route("a", "b"), "acme", generator, weighed=True) as served:
        assert served.adapter is None
        assert served.weights == {"a": 0.5, "b": 0.5}
        assert generator.held == {"a", "b"}
    assert generator.held == set()


def test_one_that_fails_gives_the_others_back(folders) -> None:
    server, generator = AdapterServer(folders, limit=9 * SIZE), Loading()
    with server.serving(route("a", "bad"), "acme", generator, weighed=True) as served:
        assert not served.active
        assert "bad has another hash" in served.reason
    assert server.loaded == ("a",)
    serve(server, generator, "a")
    with server.serving(route("bad"), "acme", generator) as served:
        assert served.adapter is None
    assert generator.loads == ["a"]


def test_engines_that_share_a_network_take_nothing_from_each_other(folders) -> None:
    class Network(BigramGenerator):
        def __init__(self):
            super().__init__()
            self.held: set[str] = set()

        def load_adapter(self, name, folder):
            self.held.add(name)

        def unload_adapter(self, name):
            self.held.remove(name)

        def log_likelihood(self, conversations, responses, *, adapter=None):
            return super().log_likelihood(conversations, responses)

    one, other = (AdapterServer(folders, limit=0) for _ in range(2))
    network, asked = Network(), DecodingRequest(ASK, Sampling(), candidates=1, seed=0)
    with one.serving(route("a"), "acme", network) as served:
        with other.serving(route("a"), "acme", network):
            assert len(network.held) == 2
        assert served.asked(asked).adapter in network.held
    assert not network.held


def test_an_error_in_a_reply_gives_its_adapter_back(folders) -> None:
    server, generator = AdapterServer(folders, limit=0), Loading()
    with pytest.raises(KeyboardInterrupt), server.serving(route("a"), "acme", generator):
        raise KeyboardInterrupt
    assert generator.held == set()


def test_threads_load_each_adapter_once_and_lose_none(folders) -> None:
    server, generator = AdapterServer(folders, limit=3 * SIZE), Loading(pause=0.002)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(25):
                serve(server, generator, f"v{(number * 7 + step * step) % 6}")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not faults
    assert generator.held == set(server.loaded)
    assert len(server.loaded) <= 3


def test_those_who_want_the_same_wait_for_one_load(folders) -> None:
    server, generator = AdapterServer(folders, limit=SIZE), Loading(pause=0.05)
    with ExitStack() as stack:
        barrier = threading.Barrier(4)

        def work() -> None:
            barrier.wait()
            serve(server, generator, "a")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
            stack.callback(each.join)
    assert generator.loads == ["a"]
