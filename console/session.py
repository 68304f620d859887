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
    """The paths of the installation that a command's flags mean; other settings may be wrong, with a warning."""
    from console.paths import Paths
    from console.settings import SettingsError, load

    try:
        return Paths(read_settings(flags).state_dir)
    except SettingsError as error:
        config = flags.get("config")
        given = {"state_dir": flags.get("state_dir")}
        found = load(given, config=str(config) if config else None, only=("state_dir",), strict=False)
        _warn(f"{error}\nThis command needs only state_dir and goes on with {found.state_dir}.")
        return Paths(found.state_dir)


def _warn(text: str) -> None:
    from console.screen import err

    err().print(f"headgate: warning: {text}", style="yellow", soft_wrap=True)


def connect(flags: Mapping[str, object]) -> "Client":
    """A client of the installation that a command's flags mean."""
    from console.client import Client

    return Client(read_paths(flags))
