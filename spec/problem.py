"""What is wrong in a repository, said so that a person can mend it."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem stops: an error keeps the last good spec, a warning stops nothing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding in one file; `line` and `column` count from 1 (0: the file as a whole)."""

    file: str
    line: int
    column: int
    field: str
    """Dotted path of the field, `traffic.blue`; empty where no field is meant."""
    message: str
    """What is wrong and what to do next, as one sentence or two."""
    found: str = ""
    allowed: str = ""
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether the endpoint concerned keeps its last good spec."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        found = f" Found: {self.found}." if is_unsaid(self.found, self.message) else ""
        return f"{where}:{field} {self.message}{found}"


NOT_SHOWN = "(not shown)"
"""What is found where it may be a secret."""


def is_unsaid(found: str, message: str) -> bool:
    """Whether a person who reads the message does not know yet what was found: a whole word of it does not say it."""
    return found not in ("", NOT_SHOWN) and not re.search(rf"(?<!\w){re.escape(found)}(?!\w)", message)
