"""What survives a kill: memories, credentials, facts and events, in SQLite or PostgreSQL."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, Table, create_engine, delete, event, insert, inspect, select, text, update
from sqlalchemy.exc import DatabaseError, OperationalError

from observability.events import Event, EventType
from reconciler import tables
from reconciler.rows import FORMAT, upgrade_row
from reconciler.state import Memory
from spec.errors import StalledError, TransientError

KEPT_EVENTS = 10_000
RESERVE = 5 * 2**20
"""Bytes: more than SQLite's log grows to before its pages are copied to the file (1,000 of 4 KiB)."""
MEMORY = TypeAdapter(Memory)


class ConflictError(Exception):
    """Another writer changed the row since it was read."""


class Store:
    """A database by URL; every method is one short transaction. Raises `TransientError` if it cannot be reached."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._versions: dict[str, int] = {}

    def migrate(self) -> None:
        """Bring the schema up to date. Raises `StalledError` if a newer Headgate wrote it."""
        if self._revision() != tables.REVISION:
            with self._begin() as connection:
                from reconciler.migrations import upgrade  # slow to import, and seldom needed

                upgrade(connection)
        self._reserve()

    def _reserve(self) -> None:
        """Have a SQLite file and its log own free pages, so that decisions can be kept while the disk is full."""
        if self._engine.dialect.name != "sqlite":
            return
        with suppress(TransientError):
            # Two transactions: pages that are freed before they are committed never reach the file.
            for statement in (f"CREATE TABLE reserve AS SELECT zeroblob({RESERVE}) AS room", "DROP TABLE reserve"):
                with self._begin() as connection:
                    connection.execute(text(statement))

    def _revision(self) -> str | None:
        with self._begin() as connection:
            if not inspect(connection).has_table(tables.versions.name):
                return None
            return connection.execute(select(tables.versions.c.version_num)).scalar_one_or_none()

    def load(self) -> dict[str, Memory]:
        """Every endpoint's memory by name."""
        with self._begin() as connection:
            rows = connection.execute(select(tables.endpoints)).all()
        self._versions = {row.name: row.version for row in rows}
        return {row.name: MEMORY.validate_json(upgrade_row(row.format, row.memory)) for row in rows}

    def save(self, name: str, memory: Memory | None, events: Iterable[Event] = ()) -> None:
        """Write (None: delete) one endpoint's memory and its events together. Raises `ConflictError`."""
        with self._begin() as connection:
            version = self._write(connection, name, memory)
            _add_events(connection, events)
        if version:
            self._versions[name] = version
        else:
            self._versions.pop(name, None)

    def add_events(self, events: Iterable[Event]) -> None:
        """Append events that belong to no decision."""
        with self._begin() as connection:
            _add_events(connection, events)

    def events(self, endpoint: str | None = None, after: int = 0, limit: int = 200) -> list[tuple[int, Event]]:
        """The newest events with an id above `after`, oldest first."""
        query = select(tables.events).where(tables.events.c.id > after)
        if endpoint:
            query = query.where(tables.events.c.endpoint == endpoint)
        with self._begin() as connection:
            rows = connection.execute(query.order_by(tables.events.c.id.desc()).limit(limit)).all()
        return [(row.id, _event(row)) for row in reversed(rows)]

    def trim_events(self) -> None:
        """Keep the newest `KEPT_EVENTS`."""
        with self._begin() as connection:
            newest = select(tables.events.c.id).order_by(tables.events.c.id.desc()).limit(1).scalar_subquery()
            connection.execute(delete(tables.events).where(tables.events.c.id <= newest - KEPT_EVENTS))

    def secret(self, name: str) -> str | None:
        """A credential's stored text."""
        return self._get(tables.credentials, name)

    def keep_secret(self, name: str, value: str | None) -> None:
        """Store a credential; None forgets it."""
        self._set(tables.credentials, name, value)

    def secrets(self, prefix: str) -> dict[str, str]:
        """Every credential whose name starts with `prefix`."""
        column = tables.credentials.c.name
        with self._begin() as connection:
            rows = connection.execute(select(tables.credentials).where(column.startswith(prefix, autoescape=True)))
            return {row.name: row.value for row in rows}

    def fact(self, name: str) -> str | None:
        """One fact of the installation."""
        return self._get(tables.facts, name)

    def keep_fact(self, name: str, value: str | None) -> None:
        """Store a fact; None forgets it."""
        self._set(tables.facts, name, value)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _begin(self) -> "_Transaction":
        return _Transaction(self._engine)

    def _write(self, connection: Connection, name: str, memory: Memory | None) -> int:
        table = tables.endpoints
        if memory is None:
            connection.execute(delete(table).where(table.c.name == name))
            return 0
        before = self._versions.get(name, 0)
        content = MEMORY.dump_json(memory).decode()
        row = {"name": name, "version": before + 1, "format": FORMAT, "memory": content}
        if not before:
            connection.execute(insert(table).values(row))
            return 1
        same = (table.c.name == name) & (table.c.version == before)
        if connection.execute(update(table).where(same).values(row)).rowcount != 1:
            raise ConflictError(name)
        return before + 1

    def _get(self, table: Table, name: str) -> str | None:
        with self._begin() as connection:
            value = connection.execute(select(table.c.value).where(table.c.name == name)).scalar_one_or_none()
        return None if value is None else str(value)

    def _set(self, table: Table, name: str, value: str | None) -> None:
        with self._begin() as connection:
            connection.execute(delete(table).where(table.c.name == name))
            if value is not None:
                connection.execute(insert(table).values(name=name, value=value))


class _Transaction:
    """A transaction whose failures to reach the database are `TransientError`; a damaged one is `StalledError`."""

    def __init__(self, engine: Engine) -> None:
        self._context = engine.begin()

    def __enter__(self) -> Connection:
        try:
            return self._context.__enter__()
        except DatabaseError as error:
            _tell(error)
            raise

    def __exit__(self, *exc: Any) -> None:  # noqa: ANN401, PYI036 -- handed on to SQLAlchemy's own as it is
        try:
            self._context.__exit__(*exc)
        except DatabaseError as error:
            _tell(error)
            raise
        if isinstance(exc[1], DatabaseError):
            _tell(exc[1])


def _tell(error: DatabaseError) -> None:
    """Raise what a failure comes to; one that is a mistake of the program stays as it is."""
    if isinstance(error, OperationalError):
        said = f"the database cannot be used ({error.orig})"
        raise TransientError(f"{said}; check the state directory's disk and rights") from error
    if type(error.orig) is sqlite3.DatabaseError:
        raise StalledError(
            f"memory.db is damaged ({error.orig}): put a backup of it in its place, or move it away; "
            "without it endpoints get new keys, and everything starts as Git says"
        ) from error


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 -- DBAPI connections have no type
    cursor = connection.cursor()
    for path in (row[2] for row in cursor.execute("PRAGMA database_list").fetchall() if row[2]):
        Path(path).chmod(0o600)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _add_events(connection: Connection, events: Iterable[Event]) -> None:
    rows = [
        {
            "at": found.at,
            "endpoint": found.endpoint,
            "type": found.type.value,
            "reason": found.reason,
            "message": found.message,
            "release": found.release,
            "commit": found.commit,
            "because": json.dumps(dict(found.because)),
        }
        for found in events
    ]
    if rows:
        connection.execute(insert(tables.events), rows)


def _event(row: Any) -> Event:  # noqa: ANN401 -- SQLAlchemy rows are typed by their query at run time
    because: Mapping[str, str] = json.loads(row.because)
    at: datetime = row.at if row.at.tzinfo else row.at.replace(tzinfo=UTC)
    return Event(at, row.endpoint, row.reason, row.message, EventType(row.type), because, row.release, row.commit)
