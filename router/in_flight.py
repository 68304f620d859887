"""Requests in progress by replica, and how far Envoy's own count can be trusted. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from router.desired import Entry
from router.names import cluster_name
from router.resources import Bundle

_Address = tuple[str, int]


class InFlight:
    """Counts as last read.

    Envoy replaces a cluster whose limits change (its number of replicas does that), and counts requests that began
    before no more. Until they must have ended, a draining replica of such a cluster counts as having one.
    """

    def __init__(self) -> None:
        self._counts: Mapping[_Address, int] | None = None
        self._replaced: dict[tuple[str, str], float] = {}
        """Endpoint and release → until when requests of the replaced cluster may last."""

    def update(self, counts: Mapping[_Address, int]) -> None:
        """Take in what Envoy says now."""
        self._counts = MappingProxyType(dict(counts))

    def note(self, before: Bundle | None, after: Entry, now: float) -> None:
        """Note which clusters a new route replaces; `now` in seconds."""
        if before is None or after.route is None or after.bundle is None:
            return
        for backend in after.route.backends:
            name = cluster_name(after.route.endpoint, backend.release)
            old = before.clusters.get(name)
            if old is not None and old.version != after.bundle.clusters[name].version:
                self._replaced[after.route.endpoint, backend.release] = now + before.linger_ms[name] / 1000

    def counts(self, entries: Mapping[str, Entry], now: float) -> Mapping[_Address, int] | None:
        """Requests in progress by address and port; None: never read."""
        self._replaced = {key: until for key, until in self._replaced.items() if until > now}
        if self._counts is None or not self._replaced:
            return self._counts
        return {**self._counts, **self._uncounted(entries, self._counts)}

    def _uncounted(self, entries: Mapping[str, Entry], counts: Mapping[_Address, int]) -> Mapping[_Address, int]:
        draining = (
            (host.address, host.port)
            for endpoint, release in self._replaced
            if (route := entries[endpoint].route) is not None
            for backend in route.backends
            if backend.release == release
            for host in backend.hosts
            if host.draining
        )
        return {address: max(1, counts[address]) for address in draining if address in counts}
