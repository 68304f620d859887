"""Exit codes, and the one place where an error becomes a message and a code."""

import errno
import os
import sys
from collections.abc import Callable
from enum import IntEnum

from spec.errors import HeadgateError, TransientError


class Exit(IntEnum):
    """What a script can tell from `$?`."""

    OK = 0
    PROBLEM = 1
    """A problem was found, or something is not ready; the output names it."""
    USAGE = 2
    """Wrong flags, or a wrong setting."""
    NOT_RUNNING = 3
    """No Headgate runs on that state directory."""
    TIMEOUT = 4
    """The outcome was not known within --timeout."""
    INTERRUPTED = 130
    """Ctrl-C (but `up` and `demo` end with 0)."""


EPILOG = (
    "Exit codes: 0 ok; 1 a problem was found or something is not ready; 2 wrong usage or setting; "
    "3 Headgate is not running; 4 timed out."
)


def code_of(error: HeadgateError) -> Exit:
    """The exit code of an error."""
    from console.client import NotRunningError
    from console.settings import SettingsError

    match error:
        case SettingsError():
            return Exit.USAGE
        case NotRunningError():
            return Exit.NOT_RUNNING
        case _:
            return Exit.PROBLEM


def run(call: Callable[[], object]) -> int:
    """Run the command line; print a `HeadgateError` as its message alone and return the exit code."""
    try:
        call()
    except HeadgateError as error:
        from console.screen import err

        hint = " (it may help to try again)" if isinstance(error, TransientError) else ""
        err().print(f"headgate: {error}{hint}", style="red", soft_wrap=True)
        return code_of(error)
    except OSError as error:
        return _end(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.OK


def _end(error: OSError) -> int:
    """What an error of the system's is to whoever called; one that is not known is a bug, and shown as that."""
    if isinstance(error, BrokenPipeError):
        # The reader left (`headgate events | head`); what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        raise error
    from console.screen import err

    where = f" at {error.filename}" if error.filename else ""
    message = f"{error.strerror}{where}. Free some space there; endpoints that serve go on without Headgate."
    err().print(f"headgate: {message}", style="red", soft_wrap=True)
    return Exit.PROBLEM
