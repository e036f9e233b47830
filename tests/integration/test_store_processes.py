"""Several processes and threads on one store, and processes that are killed."""

from __future__ import annotations

import os
import random
import signal
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from persona_engine.errors import ConflictError
from persona_engine.store import Fold, NewComparison, Store
from persona_engine.types import Instruction, Posterior, Scope

ALICE = Scope("acme", "alice")
KILLS = 200
NUMBER = struct.Struct("<i")


def counted(before: Posterior | None, _: int) -> Posterior:
    count = 1 if before is None else before.count + 1
    return Posterior("h", "v1", "space", np.full(2, count, np.float32), np.eye(2), count)


COUNT = Fold("h", "v1", counted)


def pair(prompt: str) -> NewComparison:
    return NewComparison(prompt, "a", "b")


def fork(work: Callable[[], None]) -> int:
    """Run ``work`` in a child, without the cleanup of pytest, and return its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def join(children: list[int]) -> None:
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert statuses == [0] * len(children)


def stored_count(store: Store) -> int:
    found = store.user(ALICE).posterior("h", "v1")
    return 0 if found is None else found[0].count


def test_processes_that_feed_back_at_once_lose_nothing(store_url: str) -> None:
    processes, events = 3, 60

    def feed(name: int) -> None:
        with Store(store_url) as store:
            for number in range(events):
                store.user(ALICE).record([pair(f"{name} {number}")], fold=COUNT)

    join([fork(lambda name=name: feed(name)) for name in range(processes)])
    with Store(store_url) as store:
        prompts = [event.prompt for event in store.user(ALICE).comparisons()]
        for name in range(processes):
            mine = [prompt for prompt in prompts if prompt.startswith(f"{name} ")]
            assert mine == [f"{name} {number}" for number in range(events)]
        assert stored_count(store) == len(prompts) == processes * events
        assert store.check() == ()


def test_processes_with_one_key_write_once(store_url: str) -> None:
    def feed() -> None:
        with Store(store_url) as store:
            for number in range(20):
                key = f"key {number}"
                store.user(ALICE).record([pair(key)] * 2, idempotency_key=key, fold=COUNT)

    join([fork(feed) for _ in range(3)])
    with Store(store_url) as store:
        assert len(store.user(ALICE).comparisons()) == 40
        assert stored_count(store) == 20


def test_forgetting_while_feeding_back_leaves_whole_events(store_url: str) -> None:
    def feed() -> None:
        with Store(store_url) as store:
            for number in range(60):
                store.user(ALICE).record([pair(str(number))], fold=COUNT)

    def forget() -> None:
        with Store(store_url) as store:
            for _ in range(20):
                store.user(ALICE).forget()

    join([fork(feed), fork(feed), fork(forget)])
    with Store(store_url) as store:
        assert store.check() == ()
        assert len(store.user(ALICE).comparisons()) == stored_count(store)
        store.user(ALICE).forget()
        assert store.tenant("acme").users() == ()


def test_one_of_many_replaces_an_instruction(store: Store) -> None:
    moment = store.user(ALICE).record([pair("p")])[0].created_at
    store.user(ALICE).add_instruction(Instruction("i", "Be brief.", moment))

    def replace(number: int) -> bool:
        try:
            new = Instruction(f"i{number}", "Be long.", moment)
            store.user(ALICE).replace_instruction(["i"], new)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(replace, range(8))) == 1
    assert len(store.user(ALICE).instructions()) == 2


def test_threads_share_a_store(store: Store) -> None:
    def feed(name: int) -> None:
        for number in range(20):
            store.user(ALICE).record([pair(f"{name} {number}")], fold=COUNT)
            store.user(ALICE).comparisons()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(feed, range(8)))
    assert stored_count(store) == len(store.user(ALICE).comparisons()) == 160


def test_a_forked_child_uses_its_own_connections(store: Store) -> None:
    store.user(ALICE).record([pair("parent")], fold=COUNT)

    def feed() -> None:
        for number in range(20):
            store.user(ALICE).record([pair(str(number))], fold=COUNT)

    children = [fork(feed) for _ in range(2)]
    feed()
    join(children)
    assert stored_count(store) == len(store.user(ALICE).comparisons()) == 61
    assert store.check() == ()


def test_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/persona.db"

    def open_and_feed() -> None:
        with Store(url) as store:
            store.user(ALICE).record([pair("p")], fold=COUNT)

    join([fork(open_and_feed) for _ in range(6)])
    with Store(url) as store:
        assert stored_count(store) == 6
        assert store.check() == ()


def feed_until_killed(url: str, first: int, pipe: int) -> None:
    with Store(url) as store:
        number = first
        while True:
            store.user(ALICE).record([pair(str(number))], fold=COUNT)
            os.write(pipe, NUMBER.pack(number))
            number += 1


def kill_one(url: str, first: int, seconds: float) -> list[int]:
    """Start a child, kill it after some time, and return what it acknowledged."""
    reading, writing = os.pipe()
    child = fork(lambda: feed_until_killed(url, first, writing))
    os.close(writing)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with os.fdopen(reading, "rb") as pipe:
        acknowledged = pipe.read()
    return [number for (number,) in NUMBER.iter_unpack(acknowledged)]


def test_killed_processes_lose_nothing_that_was_acknowledged(store_url: str) -> None:
    kills, longest = (KILLS, 0.06) if store_url.startswith("sqlite") else (40, 0.25)
    rng = random.Random(0)
    acknowledged: list[int] = []
    for kill in range(kills):
        acknowledged += kill_one(store_url, 10_000 * kill, rng.uniform(0.002, longest))
        if kill % 10 == 9:
            require_sound(store_url, acknowledged)
    assert len(acknowledged) > kills


def require_sound(url: str, acknowledged: list[int]) -> None:
    with Store(url) as store:
        assert store.check() == ()
        stored = {int(event.prompt) for event in store.user(ALICE).comparisons()}
        assert stored.issuperset(acknowledged)
        assert stored_count(store) == len(stored)


def test_processes_killed_while_they_make_the_file_leave_one_that_opens(tmp_path: Path) -> None:
    rng = random.Random(1)
    for attempt in range(40):
        url = f"sqlite:///{tmp_path}/{attempt}.db"
        child = fork(lambda url=url: Store(url).close())
        time.sleep(rng.uniform(0.0, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with Store(url) as store:
            assert store.revision() == store.head()
            assert store.check() == ()
