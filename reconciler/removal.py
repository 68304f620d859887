"""The default hold against mass removal: who may go, and who waits for an operator's word."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet

FEW = 4
"""Below this many endpoints only the removal of all of them is held."""


def held(
    live: Collection[str], kept: Collection[str], share: float, confirmed: AbstractSet[str], *, unreadable: bool
) -> dict[str, str]:
    """Which live endpoints stay although Git no longer asks for them, and why.

    `live` are the endpoints that exist, `kept` those that Git asks for (broken ones too); `share` is the largest
    part of all that one commit may remove; `confirmed` are removals that an operator has confirmed. While
    `unreadable` files cannot be attributed, nothing is removed.
    """
    gone = set(live) - set(kept)
    if unreadable:
        return dict.fromkeys(gone, "a file that may belong to it cannot be read; mend or remove that file")
    waiting = gone - confirmed
    if not waiting or not _too_many(len(waiting), len(live), share):
        return {}
    message = (
        f"the commit removes {len(waiting)} of {len(live)} endpoints; "
        "confirm with `headgate confirm`, or bring the files back"
    )
    return dict.fromkeys(waiting, message)


def _too_many(removed: int, live: int, share: float) -> bool:
    return removed == live or (live >= FEW and removed > share * live)
