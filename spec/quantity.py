"""Kubernetes' notation of amounts: `500m` cores, `2Gi` of memory."""

import re

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2}))?\s*([A-Za-z]*)\Z")
_SUFFIXES = {
    "": 1.0, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
    "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}  # fmt: skip


def amount(text: str) -> float | None:
    """The amount that the text spells, or None; never negative."""
    found = _AMOUNT.match(text.strip()[:64])
    if found is None or found[3] not in _SUFFIXES:
        return None
    return float(found[1]) * 10.0 ** int(found[2] or 0) * _SUFFIXES[found[3]]


def cores(text: str) -> float | None:
    """Cores above zero, or None: `1`, `0.5`, `500m`."""
    found = amount(text)
    return found or None


def size(text: str) -> int | None:
    """Bytes, at least one, or None: `512Mi`, `2Gi`."""
    found = amount(text)
    return int(found) if found and found >= 1 else None
