"""Schema migrations, oldest first, run by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from spec.errors import StalledError


def upgrade(connection: Connection) -> None:
    """Run every migration that the database lacks. Raises `StalledError` if a newer Headgate wrote it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StalledError(
            f"the database was written by a newer Headgate ({error}); install that version or newer"
        ) from error
