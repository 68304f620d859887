"""The two keys of an endpoint, both valid at once, as Azure names and shapes them. Pure but for `new_keys`' bytes."""

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from spec.errors import StalledError

_KEY_BYTES = 48
"""64 characters, all of them fit for a header and a URL."""
_UNREADABLE = (
    "The stored keys of an endpoint cannot be read: they are not the two texts primaryKey and secondaryKey. "
    "Restore the state directory from a backup, or rotate both keys with `headgate keys rotate`."
)

_DUMP = re.compile(r"goo\.gle/debug.*\n: ", re.DOTALL)
_NAMED_KEY = re.compile(r"""(\bkey: )(?:"[^"\n]*"|'.*')""")

Random = Callable[[int], bytes]
"""Returns that many unguessable bytes."""


class KeyType(StrEnum):
    """Which key, in Azure's words (`regenerate_keys(key_type=...)`)."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


@dataclass(frozen=True, slots=True)
class Keys:
    """What clients of one endpoint send as `Authorization: Bearer <key>`; its repr shows neither."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)

    def as_json(self) -> dict[str, str]:
        """Azure's credentials document."""
        return {"primaryKey": self.primary, "secondaryKey": self.secondary}


def new_keys(random: Random = secrets.token_bytes) -> Keys:
    """Return two fresh keys."""
    return Keys(primary=_new_key(random), secondary=_new_key(random))


def rotate(keys: Keys, which: KeyType, random: Random = secrets.token_bytes) -> Keys:
    """Return the keys with one of them made anew; clients move to the other one first."""
    match which:
        case KeyType.PRIMARY:
            return replace(keys, primary=_new_key(random))
        case KeyType.SECONDARY:
            return replace(keys, secondary=_new_key(random))


def redact(message: str, secrets: Iterable[str] = ()) -> str:
    """Return Envoy's reason for refusing a configuration without the configuration, which it repeats keys and all."""
    message = _DUMP.sub("", message)
    message = _NAMED_KEY.sub(r"\1(hidden)", message)
    for secret in filter(None, secrets):
        message = message.replace(secret, "(hidden)")
    return message.strip()


def dump(keys: Keys) -> str:
    """Return the text to store; as secret as the keys."""
    return json.dumps(keys.as_json())


def load(text: str) -> Keys:
    """Read what `dump` wrote. Raises `StalledError`, which shows nothing of the text, if it is something else."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    match document:
        case {"primaryKey": str(primary), "secondaryKey": str(secondary)} if primary and secondary:
            return Keys(primary, secondary)
    # Raised outside the handler: the chained error would carry the text.
    raise StalledError(_UNREADABLE)


def _new_key(random: Random) -> str:
    return base64.urlsafe_b64encode(random(_KEY_BYTES)).decode("ascii").rstrip("=")
