"""Whether an answer is as a JSON Schema says: a process of its own, since both may mean harm. One question a line.

`python -m observability.schema` reads `[schema, answer]`, two JSON texts, and writes what is wrong, all as JSON.
"""

import json
import resource
import sys
from typing import Final

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from observability.exchange import excerpt

CPU_SECONDS: Final = 60
"""Processor time of one process: nobody ends it where Headgate was killed meanwhile."""


def fault_of(schema: str, answer: str) -> str:
    """How a JSON text is not what a schema asks for; empty: it is.

    It may take for ever: a pattern or nested references can be made to.
    """
    try:
        return _fault(schema, answer)
    except RecursionError:
        return "its answer is nested too deeply"
    except ValueError as error:
        return f"its answer is no JSON ({excerpt(str(error))})"


def _fault(schema: str, answer: str) -> str:
    asked = json.loads(schema)
    validator = validator_for(asked, default=Draft202012Validator)(asked, registry=Registry())
    try:
        error = next(validator.iter_errors(json.loads(answer)), None)
    except Unresolvable as lost:
        return f"its schema refers to {excerpt(str(lost.ref))}, which is not in it"
    return f"against its schema: at {excerpt(error.json_path, 60)}: {excerpt(error.message)}" if error else ""


def main() -> None:
    """Answer until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for line in sys.stdin:
        schema, answer = json.loads(line)
        sys.stdout.write(json.dumps(fault_of(schema, answer)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
