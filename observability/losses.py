"""Whether what was sent arrived: the sender's counter held against the receiver's, now and then. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Both counters at one moment; each counts from when its side began."""

    sent: int
    received: int


@dataclass(slots=True)
class Losses:
    """What looks have shown. What was sent before one look must be here at the next: let seconds lie between."""

    deaf: bool = False
    """Nothing has arrived for two looks and longer, though something was sent before the last of them."""
    lost: int = 0
    """Found lost since both sides were first met."""
    _first: Look | None = None
    _before: Look | None = None
    _last: Look | None = None

    def compare(self, look: Look) -> int:
        """Return how many are newly found lost. A side that began anew is met afresh."""
        first, last = self._first, self._last
        if first is None or last is None or look.sent < last.sent or look.received < last.received:
            self._first = self._before = self._last = look
            self.lost, self.deaf = 0, False
            return 0
        missing = (last.sent - first.sent) - (look.received - first.received)
        found = max(0, missing - self.lost)
        self.lost += found
        self.deaf = look.received == last.received and (self.deaf or self._unheard(last, look))
        self._before, self._last = last, look
        return found

    def _unheard(self, last: Look, look: Look) -> bool:
        before = self._before
        return before is not None and before.received == look.received and before.sent < last.sent
