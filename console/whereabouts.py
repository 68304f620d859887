"""Whether the repository that Headgate is to follow is there at all."""

from pathlib import Path

from console.hints import paste
from console.paths import Paths
from console.settings import Settings
from forge.local import find_layout
from forge.location import parse_location
from forge.peek import find_top
from spec.errors import HeadgateError, StalledError, TransientError


def check_repository(settings: Settings, paths: Paths) -> None:
    """Raise `StalledError` for a local path without a repository where nothing is remembered that goes on meanwhile.

    A remote may be away for a while, and so may the disk of a repository that was followed before; a first path
    that leads nowhere is a slip of whoever wrote it, who would wait for ever.
    """
    location = parse_location(settings.repo) if settings.repo else None
    if location is None or not location.is_local:
        return
    path = Path(location.target)
    try:
        find_layout(path)
    except TransientError as error:
        if paths.memory_lost or _remembers(paths):
            return
        raise StalledError(_complaint(path, settings, error)) from error


def _complaint(path: Path, settings: Settings, error: TransientError) -> str:
    if "is not a Git repository" not in str(error):
        return str(error)
    top = find_top(path.resolve()) if path.is_dir() else None
    if top is not None:
        folder = (path.resolve() / settings.path).relative_to(top)
        command = paste("up", str(top), "--path", str(folder), state=settings.state_dir)
        return f"{path} is a folder of {top}: to follow only it, use\n{command}\nNothing was started."
    what = "is no Git repository" if path.exists() else "does not exist"
    return f"{path} {what}: name one, or make one there first (`git init`). Nothing was started."


def _remembers(paths: Paths) -> bool:
    """Whether an earlier Headgate left endpoints here; what cannot be read is for the start to complain about."""
    from sqlalchemy.exc import SQLAlchemyError

    from reconciler.store import Store

    if not paths.database.is_file():
        return False
    store = Store(f"sqlite:///{paths.database}")
    try:
        return bool(store.load())
    except (HeadgateError, ValueError, SQLAlchemyError):
        return True
    finally:
        store.close()
