"""A forgotten user is taken out of populations in use, in the transaction that deletes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_engine.errors import NotFoundError
from persona_engine.store import Correction, NewComparison, Store, Unlearning
from persona_engine.types import Population, Scope

PEOPLE = ("ann", "bob", "cem", "dia")


def fitted(value: float = 1.0) -> Population:
    return Population("model", "space", {"w": np.full(3, value, np.float32)}, {"users": 4})


def unlearning(*, moved: float = 0.1, tolerance: float = 0.01) -> Unlearning:
    def correct(population: Population, share: float) -> Correction:
        arrays = {"w": population.arrays["w"] - np.float32(0.25 * share)}
        return Correction(replace(population, arrays=arrays), moved)

    return Unlearning(correct, tolerance)


@pytest.fixture
def taught(store: Store) -> Store:
    for name in PEOPLE:
        store.user(Scope("acme", name)).record([NewComparison("p", "a", "b")])
    tenant = store.tenant("acme")
    tenant.save_population(fitted(), users=PEOPLE[:3])
    tenant.publish(fitted().version)
    return store


def in_use(store: Store) -> Population:
    population = store.tenant("acme").published("model", "space")
    assert population is not None
    return population


def forget(store: Store, name: str, how: Unlearning | None):
    return store.user(Scope("acme", name)).forget(how)


def test_a_corrected_population_takes_the_place_of_the_one_in_use(taught: Store) -> None:
    gone = forget(taught, "ann", unlearning())
    now = in_use(taught)
    assert now.arrays["w"].tolist() == [0.75] * 3
    assert gone.corrected == {fitted().version: now.version}
    assert gone.stale == (fitted().version,)
    rows = {row.version: row for row in taught.tenant("acme").populations()}
    assert rows[now.version].published
    assert all(row.stale for row in rows.values())
    assert rows[now.version].trained_users == 2
    with pytest.raises(NotFoundError):
        taught.tenant("acme").population(fitted().version)
    with pytest.raises(NotFoundError):
        taught.tenant("acme").publish(fitted().version)
    assert taught.check() == ()


def test_the_next_user_is_found_in_a_corrected_population(taught: Store) -> None:
    forget(taught, "ann", unlearning())
    first = in_use(taught)
    assert taught.user(Scope("acme", "bob")).taught() == {("model", "space")}
    gone = forget(taught, "bob", unlearning())
    assert gone.corrected == {first.version: in_use(taught).version}
    assert gone.stale == (first.version,)
    assert in_use(taught).arrays["w"].tolist() == [0.5] * 3
    with pytest.raises(NotFoundError):
        taught.tenant("acme").population(first.version)


def test_what_moves_little_stays_in_use_until_it_adds_up(taught: Store) -> None:
    small = unlearning(moved=0.006)
    gone = forget(taught, "ann", small)
    assert gone.corrected == {fitted().version: fitted().version}
    assert in_use(taught).version == fitted().version
    forget(taught, "bob", small)
    assert in_use(taught).arrays["w"].tolist() == [0.75] * 3
    forget(taught, "cem", unlearning(moved=0.003))
    assert in_use(taught).arrays["w"].tolist() == [0.75] * 3


def test_who_counted_less_is_taken_out_less(taught: Store) -> None:
    tenant = taught.tenant("acme")
    tenant.save_population(fitted(), users=PEOPLE, shares={"dia": 0.5, "nobody": 0.1})
    forget(taught, "dia", unlearning())
    assert in_use(taught).arrays["w"].tolist() == [0.875] * 3
    forget(taught, "ann", unlearning())
    assert in_use(taught).arrays["w"].tolist() == [0.625] * 3


def test_who_taught_nothing_changes_no_population(taught: Store) -> None:
    assert taught.user(Scope("acme", "dia")).taught() == frozenset()
    gone = forget(taught, "dia", unlearning())
    assert (gone.stale, gone.corrected) == ((), {})
    assert in_use(taught).version == fitted().version


def test_models_that_cannot_unlearn_are_only_marked(taught: Store) -> None:
    gone = forget(taught, "ann", Unlearning(lambda _, __: None, 0.01))
    assert (gone.stale, gone.corrected) == ((fitted().version,), {})
    assert in_use(taught).version == fitted().version
    assert taught.tenant("acme").populations()[0].stale


def test_an_error_while_correcting_forgets_nothing(taught: Store) -> None:
    def broken(_: Population, __: float) -> Correction:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        forget(taught, "ann", Unlearning(broken, 0.01))
    assert "ann" in taught.tenant("acme").users()
    assert not taught.tenant("acme").populations()[0].stale


def test_deleted_rows_leave_the_files_of_sqlite(store: Store, tmp_path) -> None:
    if store.dialect != "sqlite":
        assert not store.flush_log()
        return
    secret = "a secret that nobody else knows"
    user = store.user(Scope("acme", "ann"))
    for number in range(200):
        user.record([NewComparison(secret + str(number), "chosen " * number + "a", "b")])
        store.user(Scope("acme", f"u{number}")).record(
            [NewComparison("p", "x" * number + "x", "b")]
        )
    user.forget()
    assert store.flush_log()
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert files
    for each in files:
        assert secret.encode() not in each.read_bytes(), each
