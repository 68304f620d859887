"""Where an installation keeps things: its state directory, and a short directory for sockets."""

import contextlib
import hashlib
import os
import secrets
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from spec.errors import HeadgateError

SOCKETS = ("api.sock", "xds.sock", "envoy.sock")
MAX_SOCKET_PATH = 99
"""Bytes: `sun_path` holds 104 on macOS and 108 on Linux with its final zero; some callers add a suffix."""


NO_ROOM = "Free some space there or mend its rights; endpoints that serve go on without Headgate."


class PathError(HeadgateError):
    """A directory cannot be used: not ours, open to others, or not writable."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The layout of one installation; nothing is created until `prepare`."""

    state: Path

    @property
    def installation_file(self) -> Path:
        """The installation's id."""
        return self.state / "installation"

    @property
    def lock_file(self) -> Path:
        """Held by the Headgate that runs."""
        return self.state / "lock"

    @property
    def api_token_file(self) -> Path:
        """The bearer token of the TCP API."""
        return self.state / "api-token"

    @property
    def log_file(self) -> Path:
        """Headgate's own log."""
        return self.state / "headgate.log"

    @property
    def down_mark(self) -> Path:
        """Is there while `down` ends a running Headgate."""
        return self.state / "down"

    @property
    def run_record(self) -> Path:
        """Names the directory of the sockets, so that every shell finds the same one."""
        return self.state / "run-directory"

    @property
    def database(self) -> Path:
        """The reconciler's memory."""
        return self.state / "memory.db"

    @property
    def memory_lost(self) -> bool:
        """Whether a Headgate ran here whose database is gone: every key and token it gave out goes with it."""
        return self.runtime.is_dir() and not self.database.exists()

    @property
    def source(self) -> Path:
        """The Git mirror."""
        return self.state / "source"

    @property
    def plans(self) -> Path:
        """The Git mirror for plans of other revisions of a remote repository."""
        return self.state / "plan-source"

    @property
    def tls(self) -> Path:
        """The CA and the server certificate."""
        return self.state / "tls"

    @property
    def router(self) -> Path:
        """Envoy's bootstrap, logs and supervisor's record."""
        return self.state / "router"

    @property
    def runtime(self) -> Path:
        """Artifacts, environments, replicas and their logs."""
        return self.state / "runtime"

    @property
    def run(self) -> Path:
        """The directory of the sockets, as recorded by `prepare`; where it would be, before that."""
        try:
            recorded = self.run_record.read_text(encoding="utf-8").strip()
        except OSError:
            return candidates(self.state)[0]
        return Path(recorded)

    @property
    def api_socket(self) -> Path:
        """The HTTP API."""
        return self.run / "api.sock"

    @property
    def xds_socket(self) -> Path:
        """Envoy's configuration."""
        return self.run / "xds.sock"

    @property
    def admin_socket(self) -> Path:
        """Envoy's admin interface."""
        return self.run / "envoy.sock"

    def read_installation(self) -> str | None:
        """The installation's id, or None before the first `prepare`."""
        try:
            return self.installation_file.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None


def prepare(paths: Paths) -> str:
    """Create what is missing, all of it private, and return the installation's id. Raises `PathError`."""
    own_directory(paths.state)
    own_directory(paths.tls)
    _record_run(paths)
    installation = paths.read_installation()
    if installation is None:
        installation = uuid.uuid4().hex[:12]
        write_private(paths.installation_file, installation + "\n")
    return installation


def read_api_token(paths: Paths) -> str:
    """The token that the TCP API asks for; made at the first call."""
    try:
        token = paths.api_token_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = secrets.token_urlsafe(32)
        write_private(paths.api_token_file, token + "\n")
    return token


def own_directory(path: Path) -> None:
    """Make sure that `path` is a directory of ours with mode 0700. Raises `PathError`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise PathError(
            f"Cannot use the directory {path}: {error.strerror}. "
            "Choose another with --state-dir, or mend its permissions."
        ) from error
    if stat.S_ISLNK(found.st_mode):
        found = path.stat()
    if found.st_uid != os.getuid():
        raise PathError(f"{path} belongs to user {found.st_uid}, not to you: choose another with --state-dir.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)


def own_run_directory(path: Path) -> None:
    """As `own_directory`, for a place that others can write next to: refuse what is not plainly ours."""
    for directory in (path.parent, path):
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PathError(f"{directory} is not a directory of yours: remove it, or set XDG_RUNTIME_DIR.")
        if stat.S_IMODE(found.st_mode) & 0o022:
            raise PathError(f"{directory} can be written by others: run `chmod 700 {directory}`.")
    path.chmod(0o700)


def candidates(state: Path) -> tuple[Path, ...]:
    """Where the sockets may be, best first: beside the state if short enough, else a run-time directory.

    The state directory outlives a logout, `$XDG_RUNTIME_DIR` does not, and Envoy outlives Headgate.
    """
    digest = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    places = [
        state / "run",
        *([Path(runtime) / "headgate" / digest] if runtime else []),
        Path(f"/tmp/headgate-{os.getuid()}") / digest,  # noqa: S108 (owner and mode are checked)
    ]
    return tuple(place for place in places if _is_short(place))


def _is_short(directory: Path) -> bool:
    return all(len(os.fsencode(directory / name)) <= MAX_SOCKET_PATH for name in SOCKETS)


def _record_run(paths: Paths) -> None:
    """Choose the directory of the sockets, the recorded one if it still serves, and record it."""
    recorded = (paths.run,) if paths.run_record.exists() else ()
    failures = []
    for place in (*recorded, *candidates(paths.state)):
        try:
            own_run_directory(place)
        except (PathError, OSError) as error:
            failures.append(f"{place}: {error}")
            continue
        if place not in recorded:
            write_private(paths.run_record, f"{place}\n")
        return
    raise PathError("There is no directory for Headgate's sockets: " + "; ".join(failures))


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file so that a reader sees the old content or the new, never a part. Raises `PathError`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise PathError(f"Cannot write {path}: {error.strerror}. {NO_ROOM}") from error
