"""What one Envoy knows of one type of resource: delta xDS bookkeeping for one stream. Pure.

Versions are content hashes, so an equal version is equal content; what confirms a push is its nonce.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

WILDCARD: Final = "*"


@dataclass(frozen=True, slots=True)
class Request:
    """One delta discovery request, as data."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial: Mapping[str, str] = field(default_factory=dict)
    """Name → version of what Envoy has; only in the first request of a type on a stream."""
    nonce: str = ""
    """Of the response that this one answers; empty: it answers none."""
    error: str | None = None
    """Why Envoy refused that response."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request changed, by resource name."""

    first: bool = False
    subscribed: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(slots=True)
class Subscription:
    """One type on one stream."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    """Name → version that Envoy confirmed."""
    refused: dict[str, str | None] = field(default_factory=dict)
    """Name → version that Envoy refused (None: a removal), until another is pushed."""
    _started: bool = False
    _flights: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """Nonce → name → version (None: removed) of pushes not yet answered."""
    _latest: dict[str, str] = field(default_factory=dict)
    """Name → nonce of its last push, while that is not answered."""

    @property
    def started(self) -> bool:
        """Whether Envoy has asked for this type on this stream."""
        return self._started

    def receive(self, request: Request) -> Outcome:
        """Take in one request: subscriptions first, then the answer to a push."""
        first = not self._started
        self._started = True
        if first:
            self.known.update(request.initial)
        subscribed = self._subscribe(request, first=first)
        if not request.nonce:
            return Outcome(first, subscribed)
        names = self._land(request.nonce, refused=request.error is not None)
        if request.error is not None:
            return Outcome(first, subscribed, rejected=names, reason=request.error)
        return Outcome(first, subscribed, accepted=names)

    def wants(self, name: str) -> bool:
        """Whether Envoy asked for this resource."""
        return self.wildcard or name in self.names

    def in_flight(self, name: str) -> bool:
        """Whether a push of this resource is not answered yet."""
        return name in self._latest

    def differs(self, name: str, version: str | None) -> bool:
        """Whether the last push (else what Envoy has) is not this version; a refused version is not tried again."""
        nonce = self._latest.get(name)
        if nonce is not None:
            return self._flights[nonce][name] != version
        if name in self.refused and self.refused[name] == version:
            return False
        return self.known.get(name) != version

    def settled(self, name: str, version: str | None) -> bool:
        """Whether Envoy confirmed this version and nothing else is on its way; None: that it has none."""
        return name not in self._latest and self.known.get(name) == version

    def push(self, nonce: str, versions: Mapping[str, str | None]) -> None:
        """Note a response that is about to be sent; a version None removes."""
        self._flights[nonce] = dict(versions)
        for name in versions:
            self._latest[name] = nonce
            self.refused.pop(name, None)

    def forgive(self, name: str) -> None:
        """Let a refused version be pushed again."""
        self.refused.pop(name, None)

    def suspect(self, name: str) -> None:
        """Assume that Envoy has some unknown content under this name."""
        self.forget([name])
        self.known[name] = ""

    def forget(self, names: Iterable[str]) -> None:
        """Assume that Envoy has none of these, whatever it still answers to earlier pushes."""
        for name in names:
            self.known.pop(name, None)
            self._latest.pop(name, None)
            for flight in self._flights.values():
                flight.pop(name, None)

    def _subscribe(self, request: Request, *, first: bool) -> frozenset[str]:
        added = set(request.subscribe)
        if WILDCARD in added or (first and not added):
            self.wildcard = True
        if WILDCARD in request.unsubscribe:
            self.wildcard = False
        added.discard(WILDCARD)
        if not first:
            # Envoy asks anew only for what it does not have, whatever it had before.
            self.forget(added)
        self.names |= added
        self.names.difference_update(request.unsubscribe)
        self.forget(request.unsubscribe)
        return frozenset(added)

    def _land(self, nonce: str, *, refused: bool) -> frozenset[str]:
        """Settle one flight; return the names for which it was the last push."""
        versions = self._flights.pop(nonce, {})
        last = frozenset(name for name in versions if self._latest.get(name) == nonce)
        if not refused:
            self._accept(versions.items())
        for name in last:
            del self._latest[name]
            if refused:
                self.refused[name] = versions[name]
        return last

    def _accept(self, versions: Iterable[tuple[str, str | None]]) -> None:
        for name, version in versions:
            if version is None:
                self.known.pop(name, None)
            else:
                self.known[name] = version
