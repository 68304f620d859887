"""Why a release could not be prepared, typed by whose fault it is."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.replica import Blame, Preparation, Stage
from spec.errors import HeadgateError, StalledError, TransientError


class ReleaseError(StalledError):
    """The release's content is wrong; `reason` is CamelCase: `EnvironmentBuildFailed`."""

    blame = Blame.RELEASE

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WorldError(TransientError):
    """Network, disk or registry are away; `reason` is CamelCase: `RegistryUnavailable`."""

    blame = Blame.WORLD

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def as_failed(fault: HeadgateError) -> Preparation:
    """What `ReleaseSeen` says of a failure; an untyped error counts by its class."""
    blame = Blame.WORLD if isinstance(fault, TransientError) else Blame.RELEASE
    reason = getattr(fault, "reason", "PreparationFailed")
    return Preparation(Stage.FAILED, message=str(fault), reason=reason, blame=blame)


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where there is no room: no space, no quota, or the file may not be that large."""
FULL_ADVICE = "the disk is full: free some space, or raise the quota; it is tried again by itself"


@contextmanager
def disk(what: str) -> Iterator[None]:
    """Type an `OSError` of writing below the state directory as the world's fault; `what` begins its message."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise WorldError("DiskFull", f"{what}: {FULL_ADVICE}") from error
        raise WorldError("StateUnwritable", f"{what}: {error}; mend the state directory's disk or rights") from error
