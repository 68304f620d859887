"""The tables of the store, in SQL that SQLite and PostgreSQL both speak."""

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Text

metadata = MetaData()
REVISION = "0001"
"""The newest migration below `migrations/versions`."""

endpoints = Table(
    "endpoints",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("format", Integer, nullable=False),
    Column("memory", Text, nullable=False),
)
"""One row an endpoint; `version` grows with each write, so that a stale writer is noticed."""

credentials = Table(
    "credentials",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Keys of endpoints (`endpoint/NAME`) and the installation's signing keys; never logged."""

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Single facts of the installation: attempted and applied commit, confirmed removals."""

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("endpoint", String(64), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("release", String(128), nullable=False),
    Column("commit", String(128), nullable=False),
    Column("because", Text, nullable=False),
)

versions = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table: which migration the database is at."""
