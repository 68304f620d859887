"""What the answers to checks come to: each check's mark, and the outcome of all of them. Pure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from observability.difference import Difference, compare
from observability.examination import Outcome
from observability.exchange import Answer, Silence, excerpt
from observability.verdict import Verdict
from spec.checks import Check, Checks


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of one check."""

    check: Check
    fault: str = ""
    """How the candidate's answer is wrong; empty: it is not."""
    shared: str = ""
    """How the stable release's answer is wrong too."""
    change: Difference | None = None
    """Against the stable release's answer; None: not compared."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What became of all checks of one deployment that could be asked."""

    checks: Checks
    marks: tuple[Mark, ...]
    """In the order of the checks."""
    stopped: str = ""
    """Why the rest was not asked."""
    uncompared: str = ""
    """Why the stable release was not asked, or no longer."""


def mark(
    check: Check, mine: Answer | Silence, theirs: Answer | Silence | None, by_schema: tuple[str, str] = ("", "")
) -> Mark:
    """Judge the candidate's answer, and hold it against the stable release's where that was asked too.

    `by_schema` is how the two are not as the check's schema says.
    """
    fault = find_fault(check, mine, by_schema[0])
    if theirs is None:
        return Mark(check, fault)
    shared = find_fault(check, theirs, by_schema[1])
    if fault or shared or not (isinstance(mine, Answer) and isinstance(theirs, Answer)):
        return Mark(check, fault, shared)
    return Mark(check, change=_differ(check, mine, theirs))


def has_schema(check: Check, answer: Answer | Silence | None) -> bool:
    """Whether an answer is to be held against its check's schema: it is there, whole, and has the status."""
    return bool(check.schema) and isinstance(answer, Answer) and answer.status == check.status and not answer.broken


def find_fault(check: Check, answer: Answer | Silence, by_schema: str = "") -> str:
    """How an answer is not what its check asks for; empty: it is."""
    if isinstance(answer, Silence):
        return answer.message
    if answer.status != check.status:
        said = f": {answer.excerpt}" if answer.excerpt else ""
        return f"answered {answer.status}, expected {check.status}{said}"
    if answer.broken:
        return f"its answer {answer.broken}"
    if by_schema or not check.expect:
        return by_schema
    return _guarded(partial(_fault_within, check, answer))


def sum_up(found: Marks) -> Outcome:
    """The verdict on all marks, in words: "3 of 50 answers change, at most by 0.4"."""
    failed = [one for one in found.marks if one.fault and not one.shared]
    beyond = [one for one in found.marks if one.change and one.change.beyond]
    changed_too_much = len(beyond) > (found.checks.max_changed or 0)
    parts = [
        "" if changed_too_much and not failed else _failures(found, failed),
        _changes(found),
        _beyond(found, beyond),
        _shared(found),
        f"the rest was not asked: {found.stopped}" if found.stopped else "",
        f"not compared with the stable release: {found.uncompared}" if found.uncompared else "",
    ]
    message = "; ".join(part for part in parts if part)
    if failed or changed_too_much:
        return Outcome(Verdict.BAD, message)
    if found.stopped or found.uncompared:
        return Outcome(Verdict.ERROR, message)
    both = any(one.fault and one.shared for one in found.marks)
    return Outcome(Verdict.INCONCLUSIVE if both else Verdict.GOOD, message)


def _fault_within(check: Check, answer: Answer) -> str:
    return compare(json.loads(check.expect), json.loads(answer.body), check.tolerance).first


def _differ(check: Check, mine: Answer, theirs: Answer) -> Difference:
    """JSON is compared by its values, anything else byte by byte."""
    if mine.body == theirs.body:
        return Difference()
    try:
        return compare(json.loads(theirs.body), json.loads(mine.body), check.max_difference or 0.0)
    except (ValueError, RecursionError):
        first = f"{mine.excerpt or 'nothing'} instead of {theirs.excerpt or 'nothing'}"
        return Difference(is_other=True, beyond=1, first=first)


def _guarded(judge: Callable[[], str]) -> str:
    try:
        return judge()
    except RecursionError:
        return "its answer is nested too deeply"
    except ValueError as error:
        return f"its answer is no JSON ({excerpt(str(error))})"


def _failures(found: Marks, failed: Sequence[Mark]) -> str:
    total = len(found.checks.checks)
    if failed:
        return f"{len(failed)} of {total} checks {_verb('fail', failed)}; first {_name(failed[0])}: {failed[0].fault}"
    passed = [one for one in found.marks if not one.fault]
    if len(passed) < total:
        return f"{len(passed)} of {total} checks {_verb('pass', passed)}"
    return f"all {total} checks pass" if total > 1 else "the only check passes"


def _changes(found: Marks) -> str:
    compared = [one.change for one in found.marks if one.change is not None]
    changed = [one for one in compared if one.is_change]
    if not compared:
        return ""
    if not changed:
        return (
            f"none of {len(compared)} answers changes"
            if len(compared) > 1
            else "the only answer compared does not change"
        )
    largest = max(one.largest for one in changed)
    others = sum(one.is_other for one in changed)
    said = [f"at most by {largest:.3g}"] if largest else []
    said += [f"{others} in more than numbers"] if others else []
    counted = f"{len(changed)} of {len(compared)} answers {_verb('change', changed)}"
    counted = counted if len(compared) > 1 else "the only answer compared changes"
    return f"{counted}, {', '.join(said)}"


def _beyond(found: Marks, beyond: Sequence[Mark]) -> str:
    if not beyond or beyond[0].change is None:
        return ""
    may = f" ({found.checks.max_changed} may)" if found.checks.max_changed else ""
    return f"{len(beyond)} by more than allowed{may}; first {_name(beyond[0])}: {beyond[0].change.first}"


def _shared(found: Marks) -> str:
    """Where the stable release is no measure, since it fails itself."""
    both = [one for one in found.marks if one.shared and one.fault]
    theirs = [one for one in found.marks if one.shared and not one.fault]
    if both:
        said = f"{len(both)} {_verb('fail', both)} on the stable release too, so this is not the candidate's doing"
        return f"{said}; first {_name(both[0])}: {both[0].fault}; stable: {both[0].shared}"
    if theirs:
        first = f"first {_name(theirs[0])}: {theirs[0].shared}"
        return f"{len(theirs)} could not be compared, since the stable release fails them itself; {first}"
    return ""


def _name(mark: Mark) -> str:
    return f"`{excerpt(mark.check.name, 60)}`"


def _verb(word: str, subjects: Sequence[object]) -> str:
    return word if len(subjects) != 1 else f"{word}es" if word.endswith("s") else f"{word}s"
