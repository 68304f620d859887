"""Checks of this machine: each says what was found and, where it matters, what to do."""

import contextlib
import os
import platform
import re
import resource
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from console import screen
from console.lock import find_holder
from console.paths import Paths
from console.settings import Settings
from console.versions import envoy_version
from spec.errors import HeadgateError

GIB = 2**30
MIN_PYTHON, MIN_GIT = (3, 11), (2, 32)
MIN_FILES, MIN_DISK, LOW_DISK = 4096, 1 * GIB, 5 * GIB
REGISTRY_SECONDS = 30


class Level(StrEnum):
    """How bad."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `advice` is empty where nothing need be done."""

    name: str
    level: Level
    found: str
    advice: str = ""

    def as_data(self) -> dict[str, str]:
        """As JSON has it."""
        return {"name": self.name, "level": self.level.value, "found": self.found, "advice": self.advice}


def examine(settings: Settings) -> tuple[Check, ...]:
    """Every check, in the order that a person would mend things in."""
    paths = Paths(settings.state_dir)
    checks: tuple[Callable[[], Check], ...] = (
        check_python,
        check_git,
        lambda: check_envoy(settings),
        lambda: check_port(settings, paths),
        lambda: check_state(paths),
        lambda: check_memory(paths),
        lambda: check_disk(paths),
        check_files,
        lambda: check_clock(paths),
        check_registry,
    )
    return tuple(check() for check in checks)


def print_checks(checks: tuple[Check, ...]) -> None:
    """A line each, with what to do below it."""
    rows = [(check.level.value, check.name, "\n".join(filter(None, (check.found, check.advice)))) for check in checks]
    screen.print_table(("", "CHECK", "FOUND"), rows)
    bad = sum(check.level is not Level.OK for check in checks)
    screen.say("\nAll is well." if not bad else f"\n{bad} of {len(checks)} need a look.")


def check_python() -> Check:
    """Headgate needs Python 3.11."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < MIN_PYTHON:
        return Check("python", Level.FAIL, found, "Headgate needs Python 3.11 or newer.")
    return Check("python", Level.OK, found)


def check_git() -> Check:
    """Headgate reads repositories with Git."""
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", Level.FAIL, f"does not run: {error}", "Install Git 2.32 or newer.")
    number = re.search(r"(\d+)\.(\d+)", done.stdout)
    found = done.stdout.strip()
    if number is None or (int(number[1]), int(number[2])) < MIN_GIT:
        return Check("git", Level.FAIL, found, "Install Git 2.32 or newer.")
    return Check("git", Level.OK, found)


def check_envoy(settings: Settings) -> Check:
    """Envoy must run on this platform."""
    from router.binary import find_binary

    try:
        binary = find_binary(settings.envoy_bin)
        return Check("envoy", Level.OK, f"{envoy_version(binary)} at {binary}")
    except HeadgateError as error:
        return Check("envoy", Level.FAIL, "none found", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        advice = "Its wheel needs glibc 2.31; else set ENVOY_BIN to an Envoy 1.40 that runs here."
        return Check("envoy", Level.FAIL, f"does not run: {error}", advice)


def check_port(settings: Settings, paths: Paths) -> Check:
    """The endpoints' port must be free, or in use by this installation."""
    where = f"{settings.address}:{settings.port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in settings.address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.address, settings.port))
    except PermissionError:
        return Check("port", Level.FAIL, f"{where} is not allowed to you", "Choose a port above 1023 with --port.")
    except OSError as error:
        if paths.admin_socket.exists():
            return Check("port", Level.OK, f"{where} is in use, by this installation's own Envoy as it seems")
        return Check("port", Level.FAIL, f"{where}: {error.strerror}", "Choose another with --port.")
    return Check("port", Level.OK, f"{where} is free")


def check_state(paths: Paths) -> Check:
    """The state directory holds keys: it must be ours alone."""
    if not paths.state.exists():
        parent = next(folder for folder in paths.state.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return Check("state", Level.OK, f"{paths.state} will be created")
        return Check("state", Level.FAIL, f"{parent} cannot be written", "Choose another with --state-dir.")
    found = paths.state.stat()
    if found.st_uid != os.getuid() or not os.access(paths.state, os.W_OK):
        return Check("state", Level.FAIL, f"{paths.state} is not yours to write", "Choose another with --state-dir.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        return Check("state", Level.WARN, f"{paths.state} is open to others", f"Run: chmod 700 {paths.state}")
    holder = find_holder(paths.lock_file)
    return Check(
        "state", Level.OK, f"{paths.state}, " + (f"Headgate runs (pid {holder.pid})" if holder else "not in use")
    )


def check_memory(paths: Paths) -> Check:
    """Endpoints' keys and what is live are in the database alone."""
    if paths.memory_lost:
        advice = "Restore it from a backup before `headgate up`; else every endpoint gets new keys and starts anew."
        return Check("memory", Level.FAIL, f"{paths.database} is gone", advice)
    if not paths.database.exists():
        return Check("memory", Level.OK, f"{paths.database} will be created")
    damage = _damage(paths.database)
    if damage:
        advice = (
            "Put a backup of it in its place, or move it away: then every endpoint gets new keys and starts anew."
        )
        return Check("memory", Level.FAIL, f"{paths.database} is damaged: {damage}", advice)
    return Check("memory", Level.OK, f"{paths.database}, {paths.database.stat().st_size / 2**20:.1f} MiB")


def _damage(database: Path) -> str:
    """Why the file is no database; empty: it is one, or somebody else has it for the moment."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchall()
    except sqlite3.OperationalError:
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def check_disk(paths: Paths) -> Check:
    """Environments are large."""
    folder = next(folder for folder in (paths.state, *paths.state.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free at {folder}"
    if free < MIN_DISK:
        return Check(
            "disk", Level.FAIL, found, "Environments need 1 GiB at the very least: free some, or move state."
        )
    if free < LOW_DISK:
        return Check("disk", Level.WARN, found, "A large environment (PyTorch, say) takes 5 GiB.")
    return Check("disk", Level.OK, found)


def check_files() -> Check:
    """Envoy holds a file descriptor per connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = f"{soft} open files allowed"
    if soft >= MIN_FILES:
        return Check("limits", Level.OK, found)
    enough = hard in (-1, resource.RLIM_INFINITY) or hard >= MIN_FILES
    return Check(
        "limits",
        Level.WARN,
        found,
        f"Run before Headgate: ulimit -n {MIN_FILES if enough else hard}; busy endpoints need it.",
    )


def check_clock(paths: Paths) -> Check:
    """Certificates and tokens are only as right as the clock."""
    now = time.time()
    if now < Path(__file__).stat().st_mtime - 86400:
        return Check(
            "clock", Level.FAIL, f"{time.ctime(now)} is before Headgate was installed", "Set the clock (NTP)."
        )
    state = [path for path in (paths.installation_file, paths.lock_file) if path.exists()]
    if any(path.stat().st_mtime > now + 300 for path in state):
        return Check("clock", Level.WARN, "files of the state directory are from the future", "Set the clock (NTP).")
    return Check("clock", Level.OK, time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))


def check_registry() -> Check:
    """Environments are installed from a package registry: resolve one requirement as a build would."""
    from uv import find_uv_bin

    from runtime.uv import child_environment

    call = [
        find_uv_bin(),
        "pip",
        "compile",
        "-",
        "--no-deps",
        "--quiet",
        "--refresh-package",
        "azureml-inference-server-http",
    ]
    advice = "Check the network, the proxy variables, or UV_DEFAULT_INDEX if you use a mirror."
    try:
        done = subprocess.run(
            call,
            input="azureml-inference-server-http\n",
            capture_output=True,
            text=True,
            timeout=REGISTRY_SECONDS,
            env=child_environment(os.environ),
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check("registry", Level.WARN, f"no answer: {error}", advice)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["uv said nothing"]
        return Check("registry", Level.WARN, lines[0].strip(), advice)
    found = next((line for line in done.stdout.splitlines() if "==" in line), "reachable")
    return Check("registry", Level.OK, f"offers {found.strip()}")
