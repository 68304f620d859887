"""What the reconciler needs of the world; adapters fit these shapes without knowing them."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from forge.snapshot import Difference, SourceSeen
from observability.evidence import Reading
from observability.examination import Examination, Outcome
from router.table import EndpointRoute, RouterSeen
from runtime.replica import ReleaseSeen, ReleaseWant
from spec.release import ReleaseRef


class Source(Protocol):
    """Where specs come from."""

    def watch(self) -> AsyncIterator[Difference]:
        """Yield the newest commit at once and then each newer one, for ever.

        A source that is away raises nothing here: `seen()` says so instead.
        """
        ...

    async def sync(self) -> str:
        """Look now; return the commit of the ref, once `watch` has yielded it (or had before).

        Raises `TransientError` if the source is away.
        """
        ...

    def seen(self) -> SourceSeen:
        """How the last look went."""
        ...


class Router(Protocol):
    """Who moves requests."""

    def put(self, route: EndpointRoute) -> int:
        """Make this the endpoint's route (make-before-break inside); return its generation. No-op if equal."""
        ...

    def drop(self, endpoint: str) -> int:
        """Take the endpoint's route out; return the generation whose acknowledgement means it is gone."""
        ...

    def seen(self) -> RouterSeen | None:
        """Routes and in-flight counts; None until Envoy has answered."""
        ...

    async def refresh(self) -> None:
        """Read in-flight counts from Envoy now."""
        ...

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(endpoint)` on the event loop after an acknowledgement, a rejection or a reconnect."""
        ...


class Runtime(Protocol):
    """Who runs replicas. Restarts, back-off and probes are its own; how many there are is not."""

    async def apply(self, want: ReleaseWant) -> None:
        """Accept a target and return; progress shows in `seen`. Raises `TransientError` if it cannot be reached."""
        ...

    async def forget(self, release: ReleaseRef) -> None:
        """Stop all replicas of the release (they are drained) and remove what is kept of it."""
        ...

    def seen(self) -> Mapping[ReleaseRef, ReleaseSeen] | None:
        """Every release the runtime has; None until it has looked."""
        ...

    def subscribe(self, changed: Callable[[ReleaseRef], None]) -> None:
        """Call `changed(release)` on the event loop whenever `seen` differs for it."""
        ...


class Metrics(Protocol):
    """What live requests show."""

    def reading(self, endpoint: str) -> Reading | None:
        """Counters of the endpoint's attempts by release; None: metrics are gone, which is not silence.

        Only attempts while the endpoint's route had releases on trial are counted.
        """
        ...

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(endpoint)` on the event loop, at most every 0.25 s, when there are new attempts."""
        ...


class Examiner(Protocol):
    """Who asks a release, or a server that a gate names, on Headgate's behalf."""

    async def examine(self, examination: Examination) -> Outcome:
        """Find out; what cannot be found out is an outcome too."""
        ...
