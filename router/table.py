"""The route table: who gets which share, as data, between what is decided and what Envoy is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TOTAL = 10_000
"""Shares are hundredths of a percent and total this."""


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """Where one replica listens; a draining one gets no new requests and keeps those in flight."""

    address: str
    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Backend:
    """One release behind an endpoint: its replicas and its limits."""

    release: str
    """`blue@3f2a9c41d0e7`: the name within the endpoint."""
    deployment: str
    hosts: tuple[Host, ...]
    """Ready and draining replicas, sorted."""
    timeout_ms: int = 5000
    max_concurrent: int = 1
    """Requests at once per replica (`max_concurrent_requests_per_instance`)."""
    max_queue_wait_ms: int = 500
    paths: tuple[str, str, str] = ("/score", "/swagger.json", "/")
    """The container's scoring path, OpenAPI path, and base for any other path."""


@dataclass(frozen=True, slots=True)
class KeyAuth:
    """Both keys are valid at once."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A signed token whose audience is the endpoint; Envoy checks it against the installation's public keys."""

    audience: str


@dataclass(frozen=True, slots=True)
class Stickiness:
    """Clients keep their release by a cookie that Envoy sets, or by the value of a header of theirs."""

    cookie: str = ""
    header: str = ""
    """One of the two is set; header in lower case."""
    ttl_s: int = 86_400
    settled: tuple[tuple[str, int], ...] = ()
    """The split before the move (sums to `TOTAL`): who stays where while shares move from it to `split`."""


@dataclass(frozen=True, slots=True)
class EndpointRoute:
    """Everything Envoy must know of one endpoint. Equal routes are equal configuration."""

    endpoint: str
    auth: KeyAuth | TokenAuth
    backends: tuple[Backend, ...] = ()
    """Sorted by release; every release named below is among them."""
    split: tuple[tuple[str, int], ...] = ()
    """Release → share; totals `TOTAL`, or is empty (every request is answered 404)."""
    pinned: tuple[tuple[str, str], ...] = ()
    """Deployment → the release that `azureml-model-deployment` reaches."""
    mirror: tuple[str, int] | None = None
    """Release and percent (1 to 50) of live requests copied to it."""
    trial: tuple[str, ...] = ()
    """Releases being judged; where there is one, each live attempt on any release of the endpoint is evidence."""
    shield: str = ""
    """The release that answers a live request which one on trial failed; empty: the failure is the answer."""
    sticky: Stickiness | None = None
    preview: tuple[str, tuple[tuple[str, str], ...]] | None = None
    """A release, and the headers (name in lower case, exact value) that a request must all carry to reach it."""


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """What is known of one endpoint's route: the last push, and the last push that Envoy acknowledged."""

    route: EndpointRoute | None
    """The route last pushed; None: never pushed, or dropped."""
    pushed: int
    """Generation of the last push; grows by one with each."""
    acknowledged: int
    """The newest generation that Envoy confirmed on its current stream; 0: none."""
    rejected: str | None = None
    """Envoy's reason, if it refused the generation last pushed."""

    @property
    def settled(self) -> bool:
        """Whether Envoy serves exactly what was last pushed."""
        return self.rejected is None and self.acknowledged == self.pushed


@dataclass(frozen=True, slots=True)
class RouterSeen:
    """What the router knows; None instead of this means unknown, which is not empty."""

    routes: Mapping[str, RouteSeen]
    in_flight: Mapping[tuple[str, int], int]
    """Requests in progress by replica address and port; a host that Envoy no longer knows is absent."""
