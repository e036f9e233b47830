"""Keys of other tenants, and ids of other users, on every route: nothing is read, written, hinted.

Two tenants know the same secrets about users of the same names and of other names. A stranger with
a valid key of all scopes asks for the first tenant's people, replies, instructions, versions. What
comes back is compared, byte for byte, with what the same request gets about things that never were.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import product

import httpx
import numpy as np
import pytest

from persona_engine.server import ServerSettings, create_app
from persona_engine.store import Artefact, NewAdapter
from tests.bigram_host import fitted, opened
from tests.server_thread import listening

CASES = 1_000
SECRET = "whisper-4711"
OWNER, STRANGER = "default", "stranger"
WORDS = ("home", "think", "river", "coat", "warm", "tonight", "garden", "letters")


@dataclass(frozen=True)
class World:
    """What the owner has, by the name of a path's parameter; and what nobody has."""

    real: dict[str, tuple[str, ...]]
    unreal: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory, sqlite_template):
    folder = fitted(tmp_path_factory.mktemp("strangers"), sqlite_template)
    with opened(folder, max_tokens=4) as engine:
        yield engine


@pytest.fixture(scope="module")
def clients(engine):
    """The owner's client and the stranger's, each with a key that may do everything."""
    keys = engine.store.api_keys
    secrets = [
        keys.create(tenant, label="tests", scopes=["admin"]).secret for tenant in (OWNER, STRANGER)
    ]
    limits = ServerSettings(preload=False, requests_per_minute=None, chat_seconds=None)
    with listening(create_app(engine, limits)) as url:
        made = [
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=600)
            for secret in secrets
        ]
        yield made
        for client in made:
            client.close()


@pytest.fixture(scope="module")
def world(clients, engine):
    owner, stranger = clients
    said = owner.post("/api/v1/users/u1/instructions", json={"text": f"Say {SECRET}."}).json()
    model = owner.get("/v1/models").json()["data"][0]["id"]
    turn = {"role": "user", "content": f"Where is {SECRET} ?"}
    ask = {"model": model, "messages": [turn], "user": "u1"}
    reply = owner.post("/v1/chat/completions", json=ask).json()
    compared = {"prompt": SECRET, "chosen": f"{SECRET} a", "rejected": f"{SECRET} b"}
    assert owner.post("/api/v1/users/u1/comparisons", json=compared).status_code == 201
    (population,) = owner.get("/api/v1/populations").json()
    adapter = published_adapter(engine)
    # The stranger has somebody of its own, so that its tenant exists.
    said_too = stranger.post("/api/v1/users/mine/instructions", json={"text": "Be brief."})
    assert said_too.status_code == 201
    return World(
        real={
            "user": ("u1", "u2"),
            "reply": (reply["id"],),
            "instruction": (said["id"],),
            "version": (population["version"], adapter),
            "model": (adapter,),
            "cluster": ("cosy",),
        },
        unreal={
            "user": ("zz1", "zz2"),
            "reply": ("0" * 32,),
            "instruction": ("f" * 32,),
            "version": ("0" * 16, "1" * 16),
            "model": ("2" * 16,),
            "cluster": ("nobodys",),
        },
    )


def published_adapter(engine) -> str:
    """Give the owner an adapter that is in use, and return its version."""
    rows, version = engine.store.tenant(OWNER), "abcdef0123456789"
    artefact = Artefact(f"{'0' * 32}/{version}/manifest.json", "0" * 64, 10)
    rows.save_adapter(NewAdapter(version, "cosy", "base", artefact, {}), users=["u1"])
    rows.publish_adapter(version)
    return version


def bodies(route):
    """Return bodies that a route takes, with things in angles; None where it takes none."""
    turn = {"role": "user", "content": "<words>"}
    pair = {"prompt": "<words>", "chosen": "<words> home", "rejected": "<words> think"}
    taken = {
        "completions": [
            {"model": "<model>", "messages": [turn], "user": "<user>"},
            {"model": "<generator>", "messages": [turn], "user": "<user>", "seed": 1},
        ],
        "feedback": [{"rating": 1}, {"better": "<words>"}, {"chosen": 0}, {"ranking": [1, 0]}],
        "import": [{"document": {}}, {"document": {"format": 1, "user": "<user>"}}],
        "steering": [{"strengths": {"concise": 1}}],
        "description": [{"locale": "de"}],
        "rank": [{"prompt": "<words>", "candidates": ["<words> home", "<words>"]}],
        "personalize": [{"messages": [turn]}],
        "instructions": [{"text": "Speak of <words>."}],
        "revise": [{"text": "Speak of <words>."}],
        "listen": [{"messages": [turn]}],
        "answers": [{"question": "length-01", "choice": "a"}],
        "rollback": [{"cluster": "<cluster>"}],
    }
    if route == "/api/v1/comparisons":
        return [{"rows": [{"user": "<user>", **pair}]}]
    return [pair] if route.endswith("/comparisons") else taken.get(route.rsplit("/", 1)[1], [None])


@dataclass(frozen=True)
class Plan:
    """A request with the names of things in angles, and which of them are meant."""

    method: str
    route: str
    body: str
    chosen: tuple[tuple[str, int], ...]

    def about(self, things, words, generator):
        """Return path and body about these things."""
        path, body = re.sub(r"{(\w+)}", r"<\1>", self.route), self.body
        for name, number in self.chosen:
            path, body = (each.replace(f"<{name}>", things[name][number]) for each in (path, body))
        body = body.replace("<words>", words).replace("<generator>", generator)
        return path, json.loads(body)


def plans(client, world):
    """Return a plan for each route, method, body, and thing that they may be about."""
    made = []
    for route, methods in sorted(client.get("/openapi.json").json()["paths"].items()):
        if not route.startswith(("/api/", "/v1/")):
            continue
        for method in sorted(set(methods) & {"get", "post", "put", "delete"}):
            for body in bodies(route) if method in ("post", "put") else [None]:
                text = json.dumps(body)
                named = re.findall(r"[{<](\w+)[}>]", route + text)
                names = [each for each in dict.fromkeys(named) if each in world.real]
                for chosen in product(*(range(len(world.real[name])) for name in names)):
                    pairs = tuple(zip(names, chosen, strict=True))
                    made.append(Plan(method, route, text, pairs))
    return [each for each in made if each.chosen]


VARYING = (
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"\b[0-9a-f]{64}\b", "<hash>"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "<time>"),
    (r'"audit_events":\[.*\]}$', '"audit_events":[]}'),  # of its own requests, written soon after
    (r'"remains":\[[^]]*\]', '"remains":[]'),  # who else reads the database's file just now
    (r'"(milliseconds|seconds|created|cached_embeddings|idempotency)":[\d.e-]+', r'"\1":0'),
)


def told(answer, plan, things):
    """Return all that an answer tells, less names asked for and what differs between any two."""
    if plan.route.endswith("/question"):  # ties are broken by the user's name
        return answer.status_code, sorted(answer.json())
    text = answer.text
    for name, number in plan.chosen:
        text = text.replace(things[name][number], f"<{name}>")
    for pattern, shown in VARYING:
        text = re.sub(pattern, shown, text)
    return answer.status_code, text, answer.headers.get("content-type")


def test_a_stranger_learns_and_changes_nothing_and_cannot_tell_what_exists(clients, world):
    """Both requests of a pair leave the like behind, so that the next pair meets the like."""
    owner, stranger = clients
    generator = owner.get("/v1/models").json()["data"][0]["id"]
    before = state(owner, world)
    rng = np.random.default_rng(0)
    known = plans(owner, world)
    for case in range(CASES):
        plan = known[case % len(known)]
        words = " ".join(rng.choice(WORDS, 3))
        answers = []
        for things in (world.real, world.unreal):
            path, body = plan.about(things, words, generator)
            headers = {"Idempotency-Key": rng.bytes(8).hex()} if case % 5 == 0 else {}
            answers.append(stranger.request(plan.method, path, json=body, headers=headers))
        real, unreal = (
            told(answer, plan, things)
            for answer, things in zip(answers, (world.real, world.unreal), strict=True)
        )
        assert real == unreal, (plan, real, unreal)
        assert SECRET not in answers[0].text, plan
        assert answers[0].status_code < 500, (plan, answers[0].text)
    assert state(owner, world) == before


def state(owner, world):
    """Return all that the owner has, less what reading it writes."""
    documents = []
    for user in world.real["user"]:
        document = owner.get(f"/api/v1/users/{user}/export").json()
        documents.append({name: each for name, each in document.items() if name not in UNKEPT})
    paths = ("/api/v1/users", "/api/v1/populations", "/api/v1/adapters", "/v1/models")
    return json.dumps([documents, *(owner.get(path).json() for path in paths)], sort_keys=True)


UNKEPT = {"exported_at", "audit", "audit_events"}


def test_other_users_of_the_same_tenant_own_their_replies_and_instructions(clients, world):
    """Ids of one user under the name of another of the same tenant are unknown ones."""
    owner, _ = clients
    before = state(owner, world)
    for plan in plans(owner, world):
        names = {name for name, _ in plan.chosen}
        if "user" not in names or not names & {"reply", "instruction"}:
            continue
        answers = []
        for things in (world.real, world.unreal):
            path, body = plan.about({**things, "user": ("u2", "u3")}, "home", "")
            answers.append(owner.request(plan.method, path, json=body))
        assert [each.status_code for each in answers] == [404, 404], plan
        assert SECRET not in answers[0].text
    assert state(owner, world) == before
