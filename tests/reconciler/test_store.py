"""The store on real SQLite: memories survive, stale writers are noticed, secrets stay apart."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from world import START, World, deployment, endpoint

from observability.events import Event
from reconciler import migrations, tables
from reconciler.state import Memory
from reconciler.store import RESERVE, ConflictError, Store
from spec.errors import StalledError, TransientError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "headgate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{path}")
    found.migrate()
    yield found
    found.close()


def settled() -> Memory:
    world = World()
    world.commit(endpoint({"blue": 100}, deployment("blue", "1", 2), mirror={}))
    world.run()
    assert world.memory is not None
    return world.memory


def test_a_memory_comes_back_as_it_was(store: Store, path: Path) -> None:
    memory = settled()
    store.save("fraud", memory)
    again = Store(f"sqlite:///{path}")
    again.migrate()
    assert again.load() == {"fraud": memory}
    again.close()


def test_every_phase_comes_back(store: Store) -> None:
    world = World()
    world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
    kinds = set()
    for spec in (world.spec, endpoint({"blue": 100}, deployment("blue", "2")), None):
        world.commit(spec)
        for _ in range(6):
            memory = world.step().memory
            if memory is None:
                break
            store.save("fraud", memory)
            assert store.load()["fraud"] == memory
            kinds.add(memory.phase.kind)
            world.fair_weather()
    assert kinds == {"settled", "warming", "shifting", "removing"}


def test_a_stale_writer_is_refused(store: Store, path: Path) -> None:
    store.save("fraud", settled())
    other = Store(f"sqlite:///{path}")
    other.load()
    other.save("fraud", Memory("fraud"))
    with pytest.raises(ConflictError):
        store.save("fraud", Memory("fraud"))
    other.close()


def test_deleting_forgets(store: Store) -> None:
    store.save("fraud", settled())
    store.save("fraud", None)
    assert store.load() == {}
    store.save("fraud", Memory("fraud"))
    assert store.load() == {"fraud": Memory("fraud")}


def test_no_key_is_in_a_memory(store: Store, path: Path) -> None:
    store.save("fraud", settled())
    with sqlite3.connect(path) as connection:
        text = connection.execute("select memory from endpoints").fetchone()[0]
    connection.close()
    assert "p" * 32 not in text
    assert "s" * 32 not in text


def test_events_are_kept_with_the_decision(store: Store) -> None:
    told = [Event(START, "fraud", "EndpointReady", f"number {n}", because={"n": str(n)}) for n in range(3)]
    store.save("fraud", Memory("fraud"), told)
    store.add_events([Event(START, "", "Started", "Headgate started")])
    assert [event for _, event in store.events("fraud")] == told
    assert [event.message for _, event in store.events(limit=2)] == ["number 2", "Headgate started"]
    last = store.events()[-1][0]
    assert store.events(after=last) == []


def test_secrets_and_facts(store: Store) -> None:
    store.keep_secret("endpoint/fraud", "one")
    store.keep_secret("endpoint/fraud", "two")
    store.keep_fact("applied", "c1")
    assert store.secrets("endpoint/") == {"endpoint/fraud": "two"}
    assert store.secret("token") is None
    assert store.fact("applied") == "c1"
    store.keep_secret("endpoint/fraud", None)
    assert store.secrets("endpoint/") == {}


@pytest.mark.usefixtures("store")
def test_a_newer_schema_is_refused_by_name(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    again = Store(f"sqlite:///{path}")
    with pytest.raises(StalledError, match="newer Headgate"):
        again.migrate()
    again.close()


def test_an_unusable_place_is_transient(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/no/such/folder/headgate.db")
    with pytest.raises(TransientError, match="cannot be used"):
        store.load()


def test_a_damaged_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "memory.db").write_bytes(b"\x13" * 8192)
    store = Store(f"sqlite:///{tmp_path}/memory.db")
    with pytest.raises(StalledError, match=r"memory\.db is damaged .*move it away"):
        store.migrate()
    with pytest.raises(StalledError, match="damaged"):
        store.load()


def test_the_newest_migration_is_the_one_that_is_named() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == tables.REVISION


def test_the_migrations_make_the_tables_that_are_declared(store: Store, path: Path) -> None:
    assert store.load() == {}
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_the_database_owns_room_for_decisions_on_a_full_disk(tmp_path: Path) -> None:
    """The file's size does not grow while memories and events are added: their pages are there from the start."""
    path = tmp_path / "memory.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    log = path.with_name("memory.db-wal")
    before = path.stat().st_size, log.stat().st_size
    assert before[0] >= RESERVE
    for index in range(300):
        store.save(f"e{index}", Memory(f"e{index}"), [Event(START, f"e{index}", "Test", "x" * 1000)])
    assert (path.stat().st_size, log.stat().st_size) == before
    store.close()
