"""Tastes as wishes in words."""

from __future__ import annotations

import json

import pytest

from persona_engine.attributes import read_attributes, wishes
from persona_engine.onboarding import STYLES, bank_attributes
from persona_engine.onboarding.wishes import WISHES
from persona_engine.types import Taste

KNOWN = {each.name: each for each in bank_attributes()}


def taste(name, mean, std=0.5):
    return Taste(name, KNOWN[name].low, KNOWN[name].high, mean, std)


def test_every_style_can_be_asked_for_both_ways():
    assert set(WISHES) == set(STYLES)
    every = [wish for both in WISHES.values() for wish in both]
    assert len(set(every)) == 2 * len(STYLES)
    assert all(wish.endswith(".") and "\n" not in wish for wish in every)


def test_wishes_go_towards_the_pole_that_is_liked():
    low, high = (wishes([taste("emoji", mean)], KNOWN) for mean in (-3.0, 3.0))
    assert low == ("Use no emoji.",)
    assert high == ("Use emoji.",)


def test_single_wishes_come_first_and_then_twos():
    found = wishes([taste("humour", 4.0), taste("length", -3.0), taste("emoji", 2.0)], KNOWN)
    brief = WISHES["length"][0]
    assert found[:3] == ("Be funny.", brief, "Use emoji.")
    assert found[3:] == (f"Be funny. {brief}", "Be funny. Use emoji.", f"{brief} Use emoji.")


def test_what_the_posterior_is_unsure_of_is_not_asked_for():
    assert wishes([taste("humour", 0.4, std=2.0)], KNOWN) == ()
    assert wishes([taste("humour", 0.4, std=2.0)], KNOWN, sure=0.5) == ("Be funny.",)
    assert wishes([], KNOWN) == ()


@pytest.mark.parametrize(("mean", "start"), [(3.0, "Write in"), (-3.0, "Do not write in")])
def test_a_hosts_attribute_is_asked_for_by_its_name(tmp_path, mean, start):
    path = tmp_path / "own.jsonl"
    row = {"attribute": "like a pirate", "high": "Arr, aye", "low": "Yes"}
    path.write_text(json.dumps(row) + "\n")
    own = {each.name: each for each in read_attributes(path)}
    found = wishes([Taste("like_a_pirate", "", "", mean, 0.1)], own)
    assert found == (f"{start} this style: like a pirate.",)
