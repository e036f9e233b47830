"""Clusterings and versions of adapters in the store, on both databases."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from persona_engine.errors import (
    ArtefactError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ScopeError,
)
from persona_engine.store import Artefact, NewAdapter, Store, TenantStore
from persona_engine.types import Clustering, Population, Scope

POPULATION = Population("low_rank", "space", {"w": np.ones((2, 3), np.float32)})


@pytest.fixture
def tenant(store: Store) -> TenantStore:
    found = store.tenant("acme")
    found.save_population(POPULATION, users=())
    for name in ("alice", "bob"):
        store.user(Scope("acme", name)).touch()
    return found


def clustering(value: float = 1.0, names: tuple[str, ...] = ("terse", "warm")) -> Clustering:
    arrays = {"means": np.full((len(names), 2), value, np.float32)}
    return Clustering("kmeans", POPULATION.version, names, arrays, {"held_out": value})


def adapter(version: str, cluster: str = "terse", base: str = "b1") -> NewAdapter:
    file = Artefact(f"acme/{version}/manifest.json", f"{version:0>64}".replace("v", "a"), 10)
    return NewAdapter(version, cluster, base, file, {"trainer": "dpo"})


def published(tenant: TenantStore, base: str = "b1") -> dict[str, str]:
    return {row.cluster: row.version for row in tenant.published_adapters(base)}


def test_a_clustering_comes_back_as_it_was_saved(tenant: TenantStore) -> None:
    saved = clustering()
    tenant.save_clustering(saved, users=["bob", "alice"], sizes=[3, 1], about=[{"likes": 1}, {}])
    found = tenant.clustering(saved.version)
    assert (found.version, found.names, found.clusterer) == (saved.version, saved.names, "kmeans")
    np.testing.assert_array_equal(found.arrays["means"], saved.arrays["means"])
    (row,) = tenant.clusterings()
    assert (row.population, row.trained_users, row.stale) == (POPULATION.version, 2, False)
    assert [(each.name, each.place, each.size) for each in row.clusters] == [
        ("terse", 0, 3),
        ("warm", 1, 1),
    ]
    assert row.clusters[0].meta == {"likes": 1}


def test_one_clustering_is_published(tenant: TenantStore) -> None:
    assert tenant.published_clustering() is tenant.published_clustering_version() is None
    first, second = clustering(1.0), clustering(2.0)
    for each in (first, second):
        tenant.save_clustering(each, users=[], sizes=[1, 1])
        tenant.publish_clustering(each.version)
    found = tenant.published_clustering(POPULATION.version)
    assert found is not None
    assert found.version == second.version
    assert tenant.published_clustering("another") is None
    assert tenant.published_clustering_version() == (second.version, POPULATION.version)
    assert [row.published for row in tenant.clusterings()].count(True) == 1
    with pytest.raises(NotFoundError, match="no clustering 'never'"):
        tenant.publish_clustering("never")
    assert tenant.published_clustering_version() == (second.version, POPULATION.version)


def test_saving_a_clustering_again_replaces_what_is_told_of_it(tenant: TenantStore) -> None:
    tenant.save_clustering(clustering(), users=["alice", "gone"], sizes=[1, 1])
    assert tenant.clusterings()[0].stale
    tenant.save_clustering(clustering(), users=["alice"], sizes=[5, 6])
    (row,) = tenant.clusterings()
    assert (row.stale, row.trained_users, row.clusters[1].size) == (False, 1, 6)


@pytest.mark.parametrize(
    ("bad", "sizes", "about", "message"),
    [
        (clustering(names=()), [], (), "clusters are \\[\\]"),
        (clustering(names=("a", "a")), [1, 1], (), "each once"),
        (clustering(names=("a", "")), [1, 1], (), "cluster is ''"),
        (clustering(), [1], (), "sizes has 1 entries"),
        (clustering(), [1, -1], (), "size of 'warm' is -1"),
        (clustering(), [1, 1], [{}], "about has 1 entries"),
        (clustering(), [1, 1], [{"x": float("nan")}, {}], "not JSON"),
    ],
)
def test_bad_clusterings_are_refused(tenant, bad, sizes, about, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        tenant.save_clustering(bad, users=[], sizes=sizes, about=about)
    assert tenant.clusterings() == ()


def test_a_clustering_needs_its_population(store: Store) -> None:
    with pytest.raises(NotFoundError, match="stands on population"):
        store.tenant("other").save_clustering(clustering(), users=[], sizes=[1, 1])


def test_damaged_clusterings_are_told(store_url: str, tenant: TenantStore, store: Store) -> None:
    saved = clustering()
    tenant.save_clustering(saved, users=[], sizes=[1, 1])
    assert store.check() == ()
    opened = create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with opened.begin() as connection:
        connection.execute(text("UPDATE clustering SET meta = '{}'"))
    opened.dispose()
    with pytest.raises(ArtefactError, match="persona cluster"):
        tenant.clustering(saved.version)
    assert "clustering" in store.check()[0]


def test_one_adapter_is_published_for_each_cluster_and_base(tenant: TenantStore) -> None:
    for new in (adapter("v1"), adapter("v2"), adapter("v3", "warm"), adapter("v4", base="b2")):
        tenant.save_adapter(new, users=["alice"])
        tenant.publish_adapter(new.version)
    assert published(tenant) == {"terse": "v2", "warm": "v3"}
    assert published(tenant, "b2") == {"terse": "v4"}
    assert [row.version for row in tenant.adapters("terse")] == ["v1", "v2", "v4"]
    assert len(tenant.adapters()) == 4
    row = tenant.adapter("v2")
    assert (row.artefact, row.published, row.meta) == (
        "acme/v2/manifest.json",
        True,
        {"trainer": "dpo"},
    )
    tenant.unpublish_adapter("v2")
    assert published(tenant) == {"warm": "v3"}


def test_rolling_back_goes_one_further_back_each_time(tenant: TenantStore) -> None:
    for version in ("v1", "v2", "v3"):
        tenant.save_adapter(adapter(version), users=[])
        tenant.publish_adapter(version)
    tenant.publish_adapter("v3")  # published already: no second publication
    tenant.publish_adapter("v2")
    for now, before in (("v2", "v3"), ("v3", "v2"), ("v2", "v1")):
        assert published(tenant) == {"terse": now}
        assert tenant.roll_back_adapter(now) == before
    with pytest.raises(NotFoundError, match="was published before 'v1'"):
        tenant.roll_back_adapter("v1")
    assert published(tenant) == {"terse": "v1"}
    with pytest.raises(ConflictError, match="'v3' is not published"):
        tenant.roll_back_adapter("v3")


def test_deleted_versions_leave_the_history(tenant: TenantStore) -> None:
    for version in ("v1", "v2", "v1", "v3"):
        if version not in {row.version for row in tenant.adapters()}:
            tenant.save_adapter(adapter(version), users=["alice"])
        tenant.publish_adapter(version)
    tenant.delete_adapter("v2")
    assert tenant.roll_back_adapter("v3") == "v1"
    with pytest.raises(NotFoundError, match="was published before"):
        tenant.roll_back_adapter("v1")
    with pytest.raises(ConflictError, match="'v1' is published"):
        tenant.delete_adapter("v1")
    tenant.delete_adapter("v1", force=True)
    assert published(tenant) == {}
    for act in (tenant.adapter, tenant.publish_adapter, tenant.delete_adapter):
        with pytest.raises(NotFoundError, match="no adapter 'v1'"):
            act("v1")


def test_other_content_under_a_stored_name_is_refused(tenant: TenantStore) -> None:
    tenant.save_adapter(adapter("v1"), users=["gone"])
    assert tenant.adapter("v1").stale
    tenant.save_adapter(adapter("v1"), users=["alice"])
    assert not tenant.adapter("v1").stale
    with pytest.raises(ConflictError, match="for cluster 'terse' on base 'b1'"):
        tenant.save_adapter(adapter("v1", "warm"), users=[])
    other = Artefact("acme/v1/manifest.json", "b" * 64, 10)
    with pytest.raises(ConflictError, match="stored already with sha256"):
        tenant.save_adapter(NewAdapter("v2", "terse", "b1", other, {}), users=[])
    with pytest.raises(InvalidInputError, match="sha256 is 'x'"):
        tenant.save_adapter(NewAdapter("v3", "terse", "b1", Artefact("p", "x", 1), {}), users=[])
    with pytest.raises(ScopeError, match="user is ''"):
        tenant.save_adapter(adapter("v4"), users=[""])
    assert [row.version for row in tenant.adapters()] == ["v1"]


def test_forgetting_marks_what_learned_from_the_user(store: Store, tenant: TenantStore) -> None:
    saved = clustering()
    tenant.save_clustering(saved, users=["alice", "bob"], sizes=[1, 1])
    tenant.save_adapter(adapter("v1"), users=["alice"])
    tenant.save_adapter(adapter("v2"), users=["bob"])
    alice = store.user(Scope("acme", "alice"))
    told = alice.export()
    assert told["clusterings"] == [{"version": saved.version}]
    assert told["adapters"] == [{"version": "v1"}]
    receipt = alice.forget()
    assert receipt.stale == (saved.version, "v1")
    assert receipt.rows["clustering_user"] == receipt.rows["adapter_user"] == 1
    assert tenant.clusterings()[0].stale
    assert [row.stale for row in tenant.adapters()] == [True, False]
    assert alice.export()["adapters"] == []
    assert store.check() == ()
