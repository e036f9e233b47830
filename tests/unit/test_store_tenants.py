"""What the store keeps about all users of a tenant, on both databases."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from persona_engine.errors import ArtefactError, InvalidInputError, NotFoundError
from persona_engine.store import Fold, NewComparison, Store, content_key
from persona_engine.types import Instruction, Population, Posterior, Scope

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
PAIR = NewComparison("p", "a", "b")
SPACE = "layer-24/mean/576"


def population(value: float, space: str = SPACE) -> Population:
    arrays = {"w": np.full((2, 3), value, np.float32), "rank": np.array(4)}
    return Population("hierarchical", space, arrays, {"held_out": 0.9, "ranks": [1, 2]})


def posterior(value: float) -> Posterior:
    mean = np.full(2, value, np.float32)
    return Posterior("hierarchical", "v1", SPACE, mean, np.eye(2, dtype=np.float32), 0)


def test_streams_are_sorted_whatever_the_batch(store: Store) -> None:
    for name in ("zoë", "bob", "alice"):
        user = store.user(Scope("acme", name))
        user.record([NewComparison(f"{name} {n}", "a", "b") for n in range(3)])
        user.add_instruction(Instruction(f"{name}-i", "Be brief.", MOMENT))
        user.save_posterior(posterior(1.0), expected_version=None)
    store.user(Scope("other", "eve")).record([PAIR])
    tenant = store.tenant("acme")
    names = ["alice", "bob", "zoë"]
    assert tenant.users() == tuple(names)
    for batch in (1, 2, 3, 100):
        assert list(tenant.iter_users(batch=batch)) == names
        prompts = [(user, event.prompt) for user, event in tenant.iter_comparisons(batch=batch)]
        assert prompts == [(name, f"{name} {n}") for name in names for n in range(3)]
        instructions = [(user, each.id) for user, each in tenant.iter_instructions(batch=batch)]
        assert instructions == [(name, f"{name}-i") for name in names]
        posteriors = tenant.iter_posteriors("hierarchical", "v1", batch=batch)
        assert [user for user, _ in posteriors] == names
    assert list(tenant.iter_posteriors("hierarchical", "v2")) == []
    assert store.tenant("nobody").users() == ()


def test_posterior_generation_changes_with_every_write_under_a_still_clock(store_url: str) -> None:
    with Store(store_url, clock=lambda: MOMENT) as store:
        tenant = store.tenant("acme")
        seen = [tenant.posterior_generation("hierarchical", "v1")]

        def note() -> None:
            seen.append(tenant.posterior_generation("hierarchical", "v1"))

        for name in ("alice", "bob"):
            store.user(Scope("acme", name)).save_posterior(posterior(1.0), expected_version=None)
            note()
        store.user(Scope("acme", "bob")).save_posterior(posterior(2.0), expected_version=1)
        note()
        store.user(Scope("acme", "bob")).forget()
        note()
        store.user(Scope("acme", "bob")).save_posterior(posterior(1.0), expected_version=None)
        note()
        assert all(before != after for before, after in itertools.pairwise(seen))
        assert seen[1] == seen[4], "the same rows give the same generation"
        assert len(set(seen)) == len(seen) - 1
        store.user(Scope("other", "bob")).save_posterior(posterior(1.0), expected_version=None)
        assert tenant.posterior_generation("hierarchical", "v1") == seen[-1]


def test_one_population_is_published_for_a_reward_model_and_space(store: Store) -> None:
    tenant = store.tenant("acme")
    first, second, other = population(1.0), population(2.0), population(1.0, "other space")
    for each in (first, second, other):
        tenant.save_population(each, users=["alice"])
    assert tenant.published("hierarchical", SPACE) is None
    for each in (first, other, second):
        tenant.publish(each.version)
    found = tenant.published("hierarchical", SPACE)
    assert found is not None
    assert found.version == second.version == tenant.published_version("hierarchical", SPACE)
    np.testing.assert_array_equal(found.arrays["w"], second.arrays["w"])
    assert found.arrays["rank"].shape == ()
    assert dict(found.meta) == {"held_out": 0.9, "ranks": [1, 2]}
    assert {row.version for row in tenant.populations() if row.published} == {
        second.version,
        other.version,
    }
    assert tenant.population(first.version).version == first.version
    for tenant_name, version in (("acme", "never"), ("other", first.version)):
        with pytest.raises(NotFoundError, match="no population"):
            store.tenant(tenant_name).publish(version)
        with pytest.raises(NotFoundError, match="no population"):
            store.tenant(tenant_name).population(version)


def test_refitting_without_a_forgotten_user_takes_the_mark_away(store: Store) -> None:
    tenant, fitted = store.tenant("acme"), population(1.0)
    for name in ("alice", "bob"):
        store.user(Scope("acme", name)).touch()
    tenant.save_population(fitted, users=["alice", "bob", "alice"])
    assert tenant.populations()[0].trained_users == 2
    assert store.user(Scope("acme", "alice")).forget().stale == (fitted.version,)
    assert store.user(Scope("acme", "alice")).forget().stale == ()
    assert tenant.populations()[0].stale
    tenant.publish(fitted.version)
    tenant.save_population(fitted, users=["bob"])
    (row,) = tenant.populations()
    assert (row.stale, row.trained_users, row.published) == (False, 1, True)


def test_a_user_forgotten_during_the_fit_is_not_named_again(store: Store) -> None:
    store.user(Scope("acme", "bob")).touch()
    store.tenant("acme").save_population(population(1.0), users=["alice", "bob"])
    (row,) = store.tenant("acme").populations()
    assert (row.stale, row.trained_users) == (True, 2)
    assert store.user(Scope("acme", "alice")).export()["populations"] == []


def test_populations_that_cannot_be_stored_are_refused(store: Store) -> None:
    tenant = store.tenant("acme")
    for bad in (
        Population("h", SPACE, {"names": np.array(["a"])}),
        Population("h", SPACE, {}, {"x": float("nan")}),
    ):
        with pytest.raises(InvalidInputError):
            tenant.save_population(bad, users=[])
    with pytest.raises(InvalidInputError, match="user is ''"):
        tenant.save_population(population(1.0), users=["alice", ""])
    assert tenant.populations() == ()


def damage(store_url: str, statement: str) -> None:
    url = store_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), {"bytes": b"damaged"})
    engine.dispose()


def test_damaged_bytes_are_named_and_feedback_is_not_lost(store: Store, store_url: str) -> None:
    tenant, user = store.tenant("acme"), store.user(Scope("acme", "alice"))
    fitted = population(1.0)
    tenant.save_population(fitted, users=[])
    tenant.publish(fitted.version)
    user.save_posterior(posterior(1.0), expected_version=None)
    assert store.check() == ()
    damage(store_url, "UPDATE population SET state = :bytes")
    damage(store_url, "UPDATE posterior SET blob = :bytes")
    with pytest.raises(ArtefactError, match="the stored population is damaged"):
        tenant.published("hierarchical", SPACE)
    with pytest.raises(ArtefactError, match="the stored posterior is damaged"):
        user.posterior("hierarchical", "v1")
    assert len(store.check()) == 2
    given = []

    def rebuild(before: Posterior | None, _: int) -> Posterior:
        given.append(before)
        return posterior(3.0)

    user.record([PAIR], fold=Fold("hierarchical", "v1", rebuild))
    assert given == [None]
    assert user.posterior("hierarchical", "v1") is not None


def test_check_finds_a_posterior_that_saw_more_than_there_is(store: Store, store_url: str) -> None:
    user = store.user(Scope("acme", "alice"))
    user.record([PAIR, PAIR], fold=Fold("hierarchical", "v1", lambda *_: posterior(1.0)))
    damage(store_url, "UPDATE posterior SET count = 3")
    (fault,) = store.check()
    assert "has seen 3 comparisons, but 2 are stored" in fault


def test_embeddings_are_kept_by_tenant_and_space(store: Store) -> None:
    tenant = store.tenant("acme")
    rng = np.random.default_rng(0)
    vectors = {
        content_key("p", str(n)): rng.standard_normal(8).astype(np.float32) for n in range(1200)
    }
    tenant.save_embeddings(SPACE, vectors)
    key = next(iter(vectors))
    tenant.save_embeddings(SPACE, {key: np.zeros(8, np.float32)})
    found = tenant.embeddings(SPACE, [*vectors, content_key("p", "never"), key])
    assert found.keys() == vectors.keys()
    for name, vector in vectors.items():
        np.testing.assert_array_equal(found[name], vector)
    assert found[key].dtype == np.float32
    assert tenant.embeddings("other", [key]) == {}
    assert store.tenant("other").embeddings(SPACE, [key]) == {}
    assert tenant.embeddings(SPACE, []) == {}


@pytest.mark.parametrize(
    ("key", "vector"),
    [
        ("text", np.ones(2, np.float32)),
        (content_key("p", "a"), np.array([1.0, np.nan], np.float32)),
        (content_key("p", "a"), np.ones((2, 2), np.float32)),
        (content_key("p", "a"), np.ones(0, np.float32)),
    ],
)
def test_embeddings_that_cannot_be_cached_are_refused(
    store: Store, key: str, vector: np.ndarray
) -> None:
    with pytest.raises(InvalidInputError):
        store.tenant("acme").save_embeddings(
            SPACE, {content_key("p", "b"): np.ones(2), key: vector}
        )
    assert store.tenant("acme").embeddings(SPACE, [content_key("p", "b")]) == {}
