"""Whether an answer is as a JSON Schema says: a process of its own, since both may mean harm. One question a line.

`python -m observability.schema` reads `[schema, answer]`, two JSON texts, and writes what is wrong, all as JSON.
"""

import json
import resource
import sys
import time
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from observability.exchange import excerpt

CPU_SECONDS: Final = 30
"""Processor time of one question: nobody ends the process where Headgate was killed meanwhile."""


def fault_of(schema: str, answer: str) -> str:
    """How a JSON text is not what a schema asks for; empty: it is.

    It may take for ever: a pattern or nested references can be made to.
    """
    try:
        return _fault(schema, json.loads(answer))
    except RecursionError:
        return "its answer is nested too deeply"
    except ValueError as error:
        return f"its answer is no JSON ({excerpt(str(error))})"


def _fault(schema: str, value: Any) -> str:  # noqa: ANN401 - JSON
    asked = json.loads(schema)
    validator = validator_for(asked, default=Draft202012Validator)(asked, registry=Registry())
    try:
        error = next(validator.iter_errors(value), None)
    except Unresolvable as lost:
        return f"its schema refers to {excerpt(str(lost.ref))}, which is not in it"
    except (ArithmeticError, ValueError, TypeError) as unfit:
        # NaN, or a number that no float holds, against `multipleOf` and the like.
        return f"against its schema: it cannot be held against it ({excerpt(str(unfit))})"
    return f"against its schema: at {excerpt(error.json_path, 60)}: {excerpt(error.message)}" if error else ""


def main() -> None:
    """Answer until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    for line in sys.stdin:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + CPU_SECONDS, hard))
        schema, answer = json.loads(line)
        sys.stdout.write(json.dumps(fault_of(schema, answer)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
