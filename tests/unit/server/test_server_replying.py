"""Replies that grow in threads: merged, failed, left by their client, and out of time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from persona_engine.errors import GenerationError
from persona_engine.observing import SILENT
from persona_engine.server.replying import ClientLeftError, Replies
from persona_engine.server.work import BusyError, Lane
from persona_engine.streaming import ReplyStream
from persona_engine.types import Reply, Trace

WAIT = 30.0


class Client:
    """A request whose client leaves when it is told to."""

    def __init__(self):
        self.leaves = asyncio.Event()

    async def receive(self):
        await self.leaves.wait()
        return {"type": "http.disconnect"}


class Endless:
    """Speaks until nobody listens any more."""

    def __init__(self):
        self.ended = threading.Event()

    def __call__(self, sink):
        try:
            for _ in range(100_000):
                sink("more ")
                threading.Event().wait(0.001)
        finally:
            self.ended.set()


@pytest.fixture
def lane():
    made = Lane("test", running=2, waiting=0, observer=SILENT)
    yield made
    made.close()


def says(text):
    def speak(sink):
        for piece in text:
            sink(piece)
        return Reply(text, text, Trace(personalized=False, reason=""))

    return ReplyStream(speak, reply_id=text)


def test_several_replies_grow_beside_one_another(lane):
    async def read():
        async with Replies([says("ab"), says("cd")], lane, Client(), seconds=None) as replies:
            grown = [each async for each in replies.grown()]
        return ["".join(g.piece for g in grown if g.index == index) for index in (0, 1)]

    assert asyncio.run(read()) == ["ab", "cd"]


def test_whole_replies_come_in_the_order_in_which_they_were_asked_for(lane):
    async def read():
        async with Replies([says("ab"), says("cd")], lane, Client(), seconds=WAIT) as replies:
            return [each.text for each in await replies.whole()]

    assert asyncio.run(read()) == ["ab", "cd"]


def test_what_fails_is_raised_and_the_others_are_stopped(lane):
    other = Endless()

    def fail(sink):
        raise GenerationError("the model broke")

    async def read():
        async with Replies(
            [ReplyStream(fail), ReplyStream(other)], lane, Client(), seconds=None
        ) as replies:
            await replies.whole()

    with pytest.raises(GenerationError, match="broke"):
        asyncio.run(read())
    lane.close()
    assert lane.taken == 0


def test_a_client_that_leaves_stops_what_grows(lane):
    speaker = Endless()

    async def read():
        client = Client()
        async with Replies([ReplyStream(speaker)], lane, client, seconds=None) as replies:
            async for _ in replies.grown():
                client.leaves.set()

    with pytest.raises(ClientLeftError):
        asyncio.run(read())
    assert speaker.ended.wait(WAIT)


def test_what_takes_too_long_is_stopped(lane):
    speaker = Endless()

    async def read():
        async with Replies([ReplyStream(speaker)], lane, Client(), seconds=0.05) as replies:
            await replies.whole()

    with pytest.raises(TimeoutError):
        asyncio.run(read())
    assert speaker.ended.wait(WAIT)


def test_without_room_nothing_is_begun(lane):
    async def read():
        async with Replies([says("a") for _ in range(3)], lane, Client(), seconds=None):
            pass

    with pytest.raises(BusyError):
        asyncio.run(read())
    assert lane.taken == 0
