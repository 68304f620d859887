"""What came from outside (a commit's subject, a model's log), made harmless for terminals and for readers."""

import logging
import re

# Everything but line ends and tabs that moves a cursor, colours, or turns the direction of writing.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    r"""The text with each character that a terminal could act on as its escape: `\x1b[31m`."""
    if text.isprintable():
        return text
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class PlainFormatter(logging.Formatter):
    """Log lines that are safe to look at."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        return plain(super().format(record))
