"""Near matches for a misspelt word."""

import difflib
from collections.abc import Iterable


def near(word: str, words: Iterable[str]) -> str | None:
    """The word most like `word`, or None if none is close."""
    folded = {known.lower(): known for known in words}
    matches = difflib.get_close_matches(word.lower()[:200], folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(word: str, words: Iterable[str]) -> str:
    """` Did you mean X?`, or nothing; starts with a space."""
    match = near(word, words)
    return f" Did you mean `{match}`?" if match else ""


def listing(words: Iterable[str], limit: int = 20) -> str:
    """The words, sorted and separated by commas; those beyond the limit are only counted."""
    known = sorted(words)
    rest = f" and {len(known) - limit} more" if len(known) > limit else ""
    return ", ".join(known[:limit]) + rest if known else "none"
