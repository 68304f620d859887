"""Stopping an installation: a running Headgate first, then Envoy, then every replica."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from console.lock import find_holder, hold
from console.paths import Paths
from spec.errors import HeadgateError

Stopper = Callable[[Paths], Awaitable[int]]
"""Stops one kind of process of an installation; returns how many there were."""


class StillRunningError(HeadgateError):
    """A Headgate did not end."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was running and is not any more."""

    headgate: int | None
    """Its pid."""
    envoys: int
    replicas: int


async def stop_envoy(paths: Paths) -> int:
    """End the installation's Envoy, whoever started it."""
    from router.supervisor import EnvoyProcess, EnvoySettings

    envoy = EnvoyProcess(EnvoySettings(paths.router, paths.admin_socket), {})
    return int(await envoy.stop())


async def stop_replicas(paths: Paths) -> int:
    """End every replica of the installation, whoever started it."""
    from runtime.process import stop_installation as stop_all
    from runtime.records import Records

    installation = paths.read_installation()
    if installation is None:
        return 0
    known = await asyncio.to_thread(Records(paths.runtime / "replicas").read)
    await stop_all(paths.runtime, installation)
    return len(known)


async def stop_installation(
    paths: Paths,
    patience: float,
    envoy: Stopper = stop_envoy,
    replicas: Stopper = stop_replicas,
) -> Stopped:
    """Stop everything of an installation and hold its lock meanwhile; works where nothing runs.

    Raises `StillRunningError` if a Headgate has not ended after `patience` seconds.
    """
    if not paths.state.is_dir():
        return Stopped(None, 0, 0)
    paths.down_mark.touch()
    try:
        pid = await stop_headgate(paths, patience)
        with hold(paths.lock_file):
            return Stopped(pid, await envoy(paths), await replicas(paths))
    finally:
        paths.down_mark.unlink(missing_ok=True)


async def stop_headgate(paths: Paths, patience: float) -> int | None:
    """Ask the Headgate that holds the lock to end and wait until it has; return its pid, None if none ran."""
    holder = find_holder(paths.lock_file)
    process = holder.process() if holder else None
    if process is None:
        return None
    try:
        process.terminate()
        async with asyncio.timeout(patience):
            await _ended(process)
    except psutil.NoSuchProcess:
        pass
    except TimeoutError as error:
        raise StillRunningError(
            f"Headgate (pid {process.pid}) has not ended {patience:g} s after SIGTERM, so nothing else was stopped. "
            f"Look at its log, or end it with `kill -9 {process.pid}` and run `headgate down --yes` again."
        ) from error
    except psutil.AccessDenied as error:
        raise StillRunningError(f"Headgate (pid {process.pid}) belongs to another user: stop it there.") from error
    return process.pid


async def _ended(process: psutil.Process) -> None:
    """Return once the process is over; one that its parent has not reaped yet is."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.05)
