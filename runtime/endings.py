"""Why a replica's process ended, in Kubernetes' words."""

import signal
from dataclasses import dataclass

_INIT_FAILED = frozenset({3, 4})
"""Gunicorn's codes for a worker that did not boot and an application that did not load."""


@dataclass(frozen=True, slots=True)
class End:
    """One end; `counts` towards the back-off, `gently`: it is asked to stop before it is killed."""

    reason: str
    message: str
    gently: bool = True
    counts: bool = True


def after(code: int | None, tail: str, *, adopted: bool = False) -> End:
    """The end that an exit code (negative: a signal; None: unknown) and the last lines of the log tell of."""
    said = f" Its log ends with:\n{tail}" if tail else " Its log is empty."
    if code is None:
        whose = "it was started by an earlier Headgate, so its exit code is unknown" if adopted else "no exit code"
        return End("Error", f"The process ended ({whose}).{said}")
    if code in _INIT_FAILED:
        return End("InitFailed", f"The model server gave up: init() failed, or run() is missing.{said}")
    if code == 0:
        return End("Completed", f"The process ended by itself with exit code 0.{said}")
    if code < 0:
        return End("Error", f"The process was ended by {_signal(-code)}.{said}")
    return End("Error", f"The process ended with exit code {code}.{said}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
