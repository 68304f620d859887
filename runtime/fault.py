"""Why a release could not be prepared, typed by whose fault it is."""

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
