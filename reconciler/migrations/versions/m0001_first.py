"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "endpoints",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("memory", sa.Text, nullable=False),
    )
    for name, length in (("credentials", 128), ("facts", 64)):
        op.create_table(
            name,
            sa.Column("name", sa.String(length), primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
        )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False, index=True),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("commit", sa.String(128), nullable=False),
        sa.Column("because", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop everything."""
    for name in ("events", "facts", "credentials", "endpoints"):
        op.drop_table(name)
