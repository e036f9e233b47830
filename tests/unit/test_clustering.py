"""A tenant's clusters: what is believed of users, found, named, told, drawn, stored, in use."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from persona_engine import PersonaEngine
from persona_engine.adapters.beliefs import read_beliefs
from persona_engine.adapters.cluster_picture import ellipse, leading_plane
from persona_engine.adapters.cluster_report import tastes_of_clusters
from persona_engine.cli.app import app
from persona_engine.config import EngineConfig
from persona_engine.errors import InvalidInputError, MissingExtraError, PluginError
from persona_engine.types import Beliefs, Population, Scope, Taste

SCRIPTS = Path(__file__).parents[1] / "benchmarks"
QUICK = {"starts": 3, "folds": 2, "most_groups": 4, "min_users": 5}


@pytest.fixture(scope="module")
def people():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        from adapters_population import planted

        yield planted(users=60, noise=6, spread=0.3, answers=(24, 24), seed=2)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory, sqlite_template, smollm2, people):
    """A database with the people's comparisons and one clustering, and its report."""
    folder = tmp_path_factory.mktemp("clustered")
    shutil.copy(sqlite_template, folder / "persona.db")
    with PersonaEngine(config=config_of(folder, smollm2)) as engine:
        engine.import_comparisons(people.comparisons())
        return folder, engine.cluster()


def config_of(folder, weights, **settings):
    return EngineConfig(
        database=f"sqlite:///{folder}/persona.db",
        generator=str(weights),
        data_folder=folder / "index",
        population_refresh_seconds=0.0,
        plugin_settings={"gaussian_mixture": QUICK},
        **settings,
    )


@pytest.fixture
def engine(tmp_path, clustered, smollm2):
    """An engine on a copy of the clustered database."""
    shutil.copy(clustered[0] / "persona.db", tmp_path / "persona.db")
    with PersonaEngine(config=config_of(tmp_path, smollm2)) as opened:
        yield opened


def members_of(engine, people, group):
    return [
        engine.user(name).clusters()
        for name, own in zip(people.names, people.group, strict=True)
        if own == group
    ]


def test_the_report_tells_every_cluster(clustered, people):
    _, report = clustered
    assert report.clusterer == "gaussian_mixture"
    assert report.published
    assert report.users == len(people.names)
    assert sum(each.size for each in report.clusters) == report.users
    assert sum(each.share for each in report.clusters) == pytest.approx(1.0, abs=1e-5)
    assert abs(report.comparisons - 24 * report.users) <= len(report.clusters)
    for each in report.clusters:
        assert each.new
        assert len(each.tastes) == 16
        assert 0.0 <= each.unsure <= 1.0
        assert each.name == each.name.lower()


def test_members_of_a_group_share_a_cluster_that_likes_what_they_do(engine, people, clustered):
    terse = members_of(engine, people, people.groups.index("terse"))
    likeliest = [next(iter(each)) for each in terse]
    usual = max(set(likeliest), key=likeliest.count)
    assert likeliest.count(usual) >= 0.8 * len(likeliest)
    tastes = next(each.tastes for each in clustered[1].clusters if each.name == usual)
    assert next(each.mean for each in tastes if each.style == "length") < 0.0


def test_who_is_unknown_belongs_to_each_as_many_do(engine, clustered):
    found = engine.user("stranger").clusters()
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)
    assert max(found.values()) < 0.8
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert set(found) == {each.name for each in clustered[1].clusters}


def test_the_profile_says_where_somebody_belongs(engine, people):
    name = people.names[0]
    assert engine.user(name).profile().clusters == engine.user(name).clusters()


def test_the_report_is_read_back_as_it_was_told(engine, clustered):
    assert engine.clusters() == clustered[1]


def test_clusters_keep_their_names_when_they_are_found_again(engine, people, clustered):
    with_more = people.comparisons("held_out")[:40]
    engine.import_comparisons(with_more)
    again = engine.cluster(seed=1)
    assert again.version != clustered[1].version
    assert [each.new for each in again.clusters] == [False] * len(again.clusters)
    assert {each.name for each in again.clusters} <= {each.name for each in clustered[1].clusters}
    assert engine.clusters() == again


def test_clusters_keep_their_names_on_another_population(engine, clustered):
    learner = engine._runtime.learner
    old = learner.population("default")
    turned = Population(old.reward_model, old.fingerprint, old.arrays, {**old.meta, "again": 1})
    learner.publish("default", turned, users=())
    assert engine.user("stranger").clusters() == {}
    again = engine.cluster()
    assert again.population == turned.version
    assert {each.name for each in again.clusters} == {each.name for each in clustered[1].clusters}


def test_a_tenant_without_clusters_has_none(engine):
    assert engine.clusters(tenant="other") is None
    assert engine.user("ann", tenant="other").clusters() == {}


def test_forgetting_a_user_marks_the_clusters(engine, people):
    engine.user(people.names[0]).forget()
    assert engine.clusters().stale


def test_too_few_users_leave_everything_as_it_was(engine, people, clustered):
    engine.import_comparisons(people.comparisons()[:3], tenant="small")
    with pytest.raises(InvalidInputError, match="1 users with 3 comparisons are too few"):
        engine.cluster(tenant="small")
    with pytest.raises(InvalidInputError, match="has no comparisons"):
        engine.cluster(tenant="empty")
    with pytest.raises(PluginError, match="no-such"):
        engine.cluster(clusterer="no-such")
    assert engine.clusters() == clustered[1]
    assert engine.clusters(tenant="small") is None


def test_beliefs_are_of_all_events_and_tell_the_prior(engine, people):
    learner = engine._runtime.learner
    engine.import_comparisons(people.comparisons("held_out", answers=2))
    beliefs = read_beliefs(learner, "default")
    assert beliefs.users == tuple(sorted(people.names))
    assert beliefs.count.tolist() == [26] * len(people.names)
    nobody = learner.belief(Scope("default", "stranger")).posterior
    np.testing.assert_array_equal(beliefs.prior_mean, nobody.mean)
    np.testing.assert_array_equal(beliefs.prior_covariance, nobody.covariance)
    np.testing.assert_allclose(beliefs.indifferent, 0.0, atol=0.1)  # the bank's prior is balanced


def test_of_too_many_users_some_are_drawn(engine, people):
    learner = engine._runtime.learner
    some = read_beliefs(learner, "default", memory=10 * 4 * 6 * 7)
    assert len(some) == 10
    assert some.users == read_beliefs(learner, "default", memory=10 * 4 * 6 * 7).users
    assert some.users != read_beliefs(learner, "default", memory=10 * 4 * 6 * 7, seed=1).users


def test_a_picture_is_drawn(engine, tmp_path):
    path = tmp_path / "pictures" / "clusters.png"
    engine.cluster(clusterer="kmeans", plot=path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_picture_without_matplotlib_names_the_extra_before_the_work(
    engine, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError) as refused:
        engine.cluster(plot=tmp_path / "clusters.png")
    assert "persona-engine[local]" in refused.value.remedy


def test_the_plane_holds_the_leading_directions():
    rng = np.random.default_rng(0)
    mean = (rng.normal(size=(200, 4)) * [0.1, 5.0, 0.1, 2.0]).astype(np.float32)
    plane = leading_plane(mean)
    assert abs(np.corrcoef(plane[:, 0], mean[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(plane[:, 1], mean[:, 3])[0, 1]) > 0.99
    assert leading_plane(mean[:, :1]).shape == (200, 2)


def test_the_ellipse_holds_two_standard_deviations():
    place = np.array([[3.0, 1.0], [-1.0, 1.0], [1.0, 1.5], [1.0, 0.5]])
    centre, width, height, angle = ellipse(place, np.ones(4, np.float32))
    np.testing.assert_allclose(centre, [1.0, 1.0])
    assert (width, height) == pytest.approx((4 * np.sqrt(2.0), 4 * np.sqrt(0.125)))
    assert angle % 180 == pytest.approx(0.0)


def test_a_clusters_spread_holds_what_members_differ_in():
    beliefs = Beliefs(
        ("a", "b"),
        np.zeros((2, 1), np.float32),
        np.ones((2, 1, 1), np.float32),
        np.ones(2, np.int64),
    )
    told = {"a": Taste("length", "short", "long", 1.0, 0.5), "b": Taste("length", "short", "long", 3.0, 0.5)}  # fmt: skip  # noqa: E501
    found = tastes_of_clusters(
        beliefs, np.array([[1.0], [1.0]], np.float32), lambda user: (told[user],)
    )
    assert found[0][0].mean == pytest.approx(2.0)
    assert found[0][0].std == pytest.approx(np.sqrt(1.0 + 0.25))


@pytest.fixture
def call(tmp_path, clustered, smollm2):
    shutil.copy(clustered[0] / "persona.db", tmp_path / "persona.db")
    settings = tmp_path / "persona.toml"
    settings.write_text(
        f'database = "sqlite:///{tmp_path}/persona.db"\ngenerator = "{smollm2}"\n'
        f'data_folder = "{tmp_path}/index"\n'
        "[plugin_settings.kmeans]\nfolds = 2\nmost_groups = 4\nmin_users = 5\n"
    )

    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--config", str(settings)])

    return run


def test_the_command_finds_clusters(call, tmp_path):
    picture = tmp_path / "clusters.png"
    told = call("cluster", "--clusterer", "kmeans", "--plot", str(picture))
    assert told.exit_code == 0, told.output
    assert "clusters of 66 users by kmeans" in told.output
    assert picture.exists()
    document = json.loads(call("cluster", "--json", "--clusterer", "kmeans", "--seed", "1").stdout)
    assert {each["name"] for each in document["clusters"]}
    assert document["published"] is True


def test_the_profile_command_shows_clusters(call, people):
    told = call("profile", "--user", people.names[0])
    assert told.exit_code == 0, told.output
    assert "Clusters" in told.output
