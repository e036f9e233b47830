"""Migrations: one head, up and down, the same tables as the models, on both databases."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from persona_engine.errors import ConfigError, SchemaVersionError, StoreError
from persona_engine.store import NewComparison, Store, downgrade, schema, upgrade
from persona_engine.store.migrate import migrations_folder
from persona_engine.types import Scope


def engine(url: str):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def execute(url: str, statement: str) -> None:
    opened = engine(url)
    with opened.begin() as connection:
        connection.execute(text(statement))
    opened.dispose()


def tables(url: str) -> set[str]:
    opened = engine(url)
    found = set(inspect(opened).get_table_names())
    opened.dispose()
    return found


def test_there_is_one_head_and_the_code_names_it() -> None:
    scripts = ScriptDirectory(str(migrations_folder()))
    assert scripts.get_heads() == [schema.REVISION]


def test_migrations_build_what_the_models_say(empty_url: str) -> None:
    upgrade(empty_url)
    opened = engine(empty_url)
    with opened.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": connection.dialect.name == "postgresql",
            },
        )
        assert compare_metadata(context, schema.metadata) == []
    opened.dispose()


def test_partial_indexes_are_as_the_models_say(empty_url: str) -> None:
    """Alembic does not compare their conditions."""
    upgrade(empty_url)
    opened = engine(empty_url)
    dialect = opened.dialect.name
    for name, table in (
        ("uq_comparison_idempotency_key", schema.comparison),
        ("uq_population_published", schema.population),
        ("uq_clustering_published", schema.clustering),
        ("uq_adapter_published", schema.adapter),
    ):
        (model,) = (index for index in table.indexes if index.name == name)
        found = {index["name"]: index for index in inspect(opened).get_indexes(table.name)}[name]
        expected = model.dialect_options[dialect]["where"].compile(
            opened, compile_kwargs={"literal_binds": True}
        )
        condition = str(found["dialect_options"][f"{dialect}_where"])
        assert bare(condition) == bare(str(expected))
        assert found["unique"]
    opened.dispose()


def bare(condition: str) -> str:
    return re.sub(r"\w+\.|[()]", "", condition).lower().replace("is 1", "is true")


def test_up_down_up(empty_url: str) -> None:
    upgrade(empty_url)
    assert tables(empty_url) == {*schema.metadata.tables, "alembic_version"}
    downgrade(empty_url, "base")
    assert tables(empty_url) == {"alembic_version"}
    upgrade(empty_url)
    upgrade(empty_url)
    with Store(empty_url) as store:
        assert store.revision() == store.head() == schema.REVISION
        assert store.check() == ()


def test_dropping_a_column_of_tenants_keeps_what_refers_to_them(empty_url: str) -> None:
    with_row(empty_url)
    for move in (lambda url: downgrade(url, "0011"), upgrade):
        move(empty_url)
        opened = engine(empty_url)
        with opened.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM comparison")).scalar() == 1
            assert connection.execute(text("SELECT tenant FROM tenant")).scalar() == "acme"
        opened.dispose()
    with Store(empty_url) as store:
        assert len(store.user(Scope("acme", "alice")).comparisons()) == 1
        assert store.check() == ()


def test_unknown_revisions_are_refused(empty_url: str) -> None:
    with pytest.raises(ConfigError, match="revision is 'never'"):
        downgrade(empty_url, "never")


def test_a_newer_schema_is_left_alone(empty_url: str) -> None:
    with_row(empty_url)
    execute(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    for attempt in (Store, upgrade, lambda url: downgrade(url, "base")):
        with pytest.raises(SchemaVersionError, match="'9999', which is newer") as caught:
            attempt(empty_url)
        assert "newer persona-engine" in str(caught.value.remedy)
    execute(empty_url, f"UPDATE alembic_version SET version_num = '{schema.REVISION}'")
    with Store(empty_url) as store:
        assert len(store.user(Scope("acme", "alice")).comparisons()) == 1


def with_row(url: str) -> None:
    upgrade(url)
    with Store(url) as store:
        store.user(Scope("acme", "alice")).record([NewComparison("p", "a", "b")])


def test_a_server_is_migrated_only_on_demand(postgres_databases) -> None:
    url = postgres_databases("empty")
    with pytest.raises(SchemaVersionError, match="has schema none") as caught:
        Store(url)
    assert caught.value.remedy == "run `persona db upgrade`"
    assert tables(url) == set()


def test_a_file_is_migrated_on_opening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/persona.db"
    Store(url).close()
    downgrade(url, "base")
    with Store(url) as store:
        assert store.revision() == schema.REVISION


def test_a_database_of_another_program_is_left_alone(empty_url: str) -> None:
    execute(empty_url, "CREATE TABLE invoices (id INTEGER)")
    for attempt in (Store, upgrade):
        with pytest.raises(StoreError, match="tables of another program: invoices"):
            attempt(empty_url)
    assert tables(empty_url) == {"invoices"}


def test_migrations_are_found_in_a_wheel_too(tmp_path: Path, monkeypatch) -> None:
    checkout = migrations_folder()
    package = tmp_path / "persona_engine"
    monkeypatch.setattr(
        "persona_engine.store.migrate.__file__", str(package / "store" / "migrate.py")
    )
    with pytest.raises(ConfigError, match="no migrations beside"):
        migrations_folder()
    shutil.copytree(checkout, package / "migrations")
    assert migrations_folder() == package / "migrations"
