"""What every command starts with: its settings, its paths, and a client where it needs one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.client import Client
    from console.paths import Paths
    from console.settings import Settings


def read_settings(flags: Mapping[str, object]) -> "Settings":
    """The settings of a command's flags. Raises `SettingsError`."""
    from console.settings import load

    config = flags.get("config")
    given = {key: value for key, value in flags.items() if key != "config"}
    return load(given, config=str(config) if config else None)


def read_paths(flags: Mapping[str, object]) -> "Paths":
    """The paths of the installation that a command's flags mean."""
    from console.paths import Paths

    return Paths(read_settings(flags).state_dir)


def connect(flags: Mapping[str, object]) -> "Client":
    """A client of the installation that a command's flags mean."""
    from console.client import Client

    return Client(read_paths(flags))
