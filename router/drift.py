"""Whether Envoy's routes are as they were pushed, by what it shows of them: everything but the keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from router.messages import message, plain
from router.resources import Resource

REDACTED: Final = "[redacted]"
"""What Envoy shows instead of a key."""


@dataclass(slots=True)
class Comparison:
    """Compares scopes again and again; a difference that pushing again did not mend is not told again."""

    _judged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Scope → version wanted and digest of what was shown, as last compared."""

    def differing(self, shown: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Resource]) -> list[str]:
        """Return the scopes that both sides have with different content; slow, so for a thread."""
        return [name for name in shown.keys() & wanted.keys() if self._differs(name, shown[name], wanted[name])]

    def _differs(self, name: str, shown: Mapping[str, Any], wanted: Resource) -> bool:
        judged = (wanted.version, sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest())
        if self._judged.get(name) == judged:
            return False
        self._judged[name] = judged
        return not equal(shown, content(wanted))


def content(resource: Resource) -> dict[str, Any]:
    """A resource's own fields, as Envoy would show them."""
    wrapped = message("envoy.service.discovery.v3.Resource").FromString(resource.body)
    return plain(message(resource.type_url).FromString(wrapped.resource.value))


def equal(shown: object, wanted: object) -> bool:
    """Whether what Envoy shows may be what was pushed: a redacted text may be any text."""
    match shown, wanted:
        case dict(), dict():
            return shown.keys() == wanted.keys() and all(equal(shown[key], wanted[key]) for key in shown)
        case list(), list():
            return len(shown) == len(wanted) and all(map(equal, shown, wanted))
        case str(), str():
            return shown in (REDACTED, wanted)
        case _:
            return shown == wanted
