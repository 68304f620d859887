"""What of a file a problem may repeat: nothing that is likely to be a secret."""

import re
from collections.abc import Hashable, Iterable

_VARIABLES = re.compile(
    r"var[a-z]*bl|\benv(?:ironment)?[-_ ]?vars?\b|\benv['\"]?\s*:|^values\s*:|^kind\s*:\s*['\"]?values\b",
    re.IGNORECASE,
)
"""What opens a part whose values may be secrets, misspelt or not."""
_OTHER = re.compile(
    r"(?:endpoint_name|name|description|model|environment|code_configuration|type|instance_type|instance_count|"
    r"app_insights_enabled|model_mount_path|scale_settings|request_settings|liveness_probe|readiness_probe|"
    r"data_collector|auth_mode|traffic|mirror_traffic|compute|identity|resources|tags|dependencies|channels)\s*:"
)
"""A key at the top of a file that ends such a part."""
_SECRET = re.compile(
    r"secret|token|passw|pwd|passphrase|credential|authori[sz]ation|bearer|private[-_ ]?key|api[-_]?key|sig=",
    re.IGNORECASE,
)
_KEYLIKE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
"""Longer than words are, and as long as keys are."""


def is_private(path: Iterable[Hashable]) -> bool:
    """Whether the value at this path of a document may be a secret."""
    return any(part == "environment_variables" or (isinstance(part, str) and _SECRET.search(part)) for part in path)


def redact(text: str) -> str:
    """The text without the credentials that URLs in it have."""
    bare = re.sub(r"://[^/\s]+@", "://***@", text)
    return re.sub(
        r"([?&][^=&\s]+=)[^&\s]+", lambda found: f"{found[1]}***" if _SECRET.search(found[1]) else found[0], bare
    )


def quotable(text: str, line: int) -> str:
    """Line `line`, from 1, of a file that does not parse; nothing where it may hold a secret."""
    lines = text.splitlines()
    if not 0 < line <= len(lines) or _is_among_variables(lines[:line]):
        return ""
    found = lines[line - 1].strip()
    return "" if _SECRET.search(found) or _KEYLIKE.search(found) else found


def _is_among_variables(lines: Iterable[str]) -> bool:
    is_among = False
    for line in lines:
        if _VARIABLES.search(line):
            is_among = True
        elif _OTHER.match(line):
            is_among = False
    return is_among
