"""Reads the written examples: services with slots, tastes, tasks and general wishes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"
SLOT_TYPES = ("place", "name", "category", "time", "price", "number", "feature")

# What a slot has when the service says nothing special. {v} is the value.
_DEFAULTS: Mapping[str, Mapping[str, list[str]]] = {
    "place": {
        "n": ["city", "area", "location", "town"],
        "v": [
            *("Bergen", "Pittsburgh", "Lyon", "New Orleans", "Kyoto", "Santa Fe", "Leeds", "Porto"),
            *("Salt Lake City", "Nairobi", "Ghent", "Corte Madera", "Boulder", "Austin, Texas"),
            *("Zagreb", "Melbourne", "Oak Park", "San Marcos", "Cork", "Tampa", "NYC", "LA"),
            *("Springfield", "Mumbai", "Galway", "Fort Worth", "Half Moon Bay", "Dunedin", "Malmo"),
            *("Saint Louis", "Cape Town", "Palo Verde", "Walnut Grove", "Reno", "Vancouver, BC"),
            *("Long Beach", "Osaka", "Phoenix", "Bath", "Mountain Home", "Santa Barbara", "Delhi"),
        ],
        "s": [
            *(
                "in {v}",
                "in {v}",
                "around {v}",
                "near {v}",
                "located in {v}",
                "in {v}, not elsewhere",
            ),
            *("and the city should be {v}", "somewhere in {v}", "we'll be in {v}"),
        ],
        "i": [
            *("I'd like it to be in {v}", "{v} is the city I want", "look in {v}", "I stay in {v}"),
            *("I go to {v}", "I prefer {v}", "I'm after ones in {v}", "{v} is where I want it"),
        ],
    },
    "name": {
        "s": ["at {v}", "from {v}", "called {v}", "{v} if possible", "see if you can get {v}"],
        "i": ["I'd like {v}", "{v} is my first choice", "go with {v}", "I always take {v}"],
    },
    "category": {"s": ["{v}"], "i": ["I'd like {v}"]},
    "time": {
        "n": ["time"],
        "v": ["7 pm", "Saturday morning", "9:30", "noon", "10 am", "the evening", "8:15 pm"],
        "s": ["at {v}", "around {v}", "for {v}"],
        "i": ["I like {v} best", "make it {v}"],
    },
    "price": {
        "n": ["price range", "budget"],
        "v": ["cheap", "moderate", "expensive", "inexpensive", "mid-range", "under 50 euros"],
        "s": ["in the {v} price range", "something {v}", "the price should be {v}"],
        "i": ["keep the price {v}", "I want something {v}"],
    },
    "number": {"s": ["with {v}"], "i": ["I want {v}"]},
    "feature": {
        "s": ["with {v}", "and it needs {v}", "{v} would be important"],
        "i": ["I want {v}", "it must offer {v}", "I insist on {v}"],
    },
}


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that a service can be asked with; templates hold ``{v}``."""

    sort: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    stated: tuple[str, ...]
    wished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """Something that people ask an assistant to find."""

    label: str
    aliases: tuple[str, ...]
    things: tuple[str, ...]
    asks: tuple[str, ...]
    slots: tuple[Slot, ...]
    chains: tuple[tuple[int, int], ...]
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    """A lasting taste or fact, and requests to which it matters."""

    topic: str
    sign: str
    what: str
    why: str
    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Wishes about a kind of task, and requests of that kind."""

    wishes: tuple[str, ...]
    requests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """All that was written by hand; of lasting tastes only what tastes bear on is learned."""

    services: tuple[Service, ...]
    tastes: tuple[Taste, ...]
    lasting: tuple[Taste, ...]
    tasks: tuple[Task, ...]
    general: tuple[str, ...]
    other: tuple[str, ...]
    places: tuple[str, ...]


def read_material(folder: Path = EXAMPLES) -> Material:
    """Read every file of examples."""
    services = [each for path in sorted(folder.glob("services_*.toml")) for each in _services(path)]
    tastes = [each for path in sorted(folder.glob("tastes_*.toml")) for each in _tastes(path)]
    general = _toml(folder / "general.toml")
    tasks = tuple(Task(tuple(each["wishes"]), tuple(each["yes"])) for each in general["task"])
    return Material(
        tuple(services),
        tuple(tastes),
        tuple(each for path in sorted(folder.glob("lasting_*.txt")) for each in _lasting(path)),
        tasks,
        tuple(general["always"]),
        tuple(general["other"]),
        tuple(_toml(folder / "places.toml")["places"]),
    )


def _services(path: Path) -> list[Service]:
    return [_service(each) for each in _toml(path)["service"]]


def _service(row: Mapping[str, Any]) -> Service:
    slots = tuple(_slot(each) for each in row["slots"])
    place = {name: at for at, slot in reversed(list(enumerate(slots))) for name in slot.names}
    return Service(
        row["label"],
        (row["label"], *row.get("alias", ())),
        tuple(row["thing"]),
        tuple(row["ask"]),
        slots,
        tuple((place[a], place[b]) for a, b in row["chain"]),
        tuple(row["also"]),
    )


def _slot(row: Mapping[str, Any]) -> Slot:
    usual = _DEFAULTS[row["t"]]
    names, values, stated, wished = (tuple(row.get(key) or usual[key]) for key in "nvsi")
    return Slot(row["t"], names, values, stated, wished)


def _tastes(path: Path) -> list[Taste]:
    return [
        Taste(topic["topic"], sign, what, why, tuple(requests))
        for topic in _toml(path)["taste"]
        for sign, what, why, *requests in topic["items"]
    ]


def _lasting(path: Path) -> Iterator[Taste]:
    """Yield what stands a line each: a taste, why for "-" and "+", and two or more requests."""
    topic = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            topic = line[3:]
        elif line and not line.startswith("#"):
            what, *rest = (each.strip() for each in line.split("|"))
            if what[:2] in ("- ", "+ "):
                yield Taste(topic, what[0], what[2:], rest[0], tuple(rest[1:]))
            else:
                yield Taste(topic, "=", what, "", tuple(rest))


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
