"""What `plan` prints for people."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from console.gist import gist
from console.pages import print_problems
from console.plans import Change, PlanEntry, PlanShape, RolloutPlan, RolloutStop
from console.rollout_view import duration
from console.screen import brief, count, prose, say, shares, short

RELEASE = re.compile(r"[\w-]+@[0-9a-f]{8,}")
MOST_NAMED = 5
"""More edited files than these are counted and not named."""
SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "delete": ("-", "red"),
    "held": ("!", "bold yellow"),
    "broken": ("x", "bold red"),
}
WORDS = {
    "create": "to create",
    "update": "to change",
    "delete": "to remove",
    "held": "held",
    "broken": "broken",
    "none": "unchanged",
}


def print_plan(plan: PlanShape, state: Path) -> None:
    """What the plan is of, what would change, endpoint by endpoint, and how much that is."""
    for line in _head(plan, state):
        prose(line.lstrip(), len(line) - len(line.lstrip()))
    for entry in plan.endpoints:
        if entry.action != "none":
            _print_entry(entry)
    print_problems(plan.problems)
    counts = Counter[str](entry.action for entry in plan.endpoints)
    if counts.keys() <= {"none"} and not plan.problems:
        return say(_nothing(plan))
    parts = [f"{counts[action]} {word}" for action, word in WORDS.items() if counts[action]]
    return say(f"\n{', '.join(parts) or 'No endpoints'}. Nothing was changed.")


def _nothing(plan: PlanShape) -> str:
    if plan.against == "nothing":
        return "Nothing to do: no endpoint is declared there."
    seen = "what is live" if plan.against == "live" else "what is remembered"
    asks = {"edits": "the edits ask", "commit": "Git asks"}.get(plan.subject.kind, "it asks")
    return f"Nothing to change: {seen} is what {asks} for."


def _head(plan: PlanShape, state: Path) -> Iterator[str]:
    subject = plan.subject
    match subject.kind:
        case "edits":
            yield f"Plan for the uncommitted edits in {subject.name}{_base(plan)}"
        case "directory":
            edits = ", with its uncommitted edits" if subject.edited else ""
            yield f"Plan for the folder {subject.name}{_base(plan)}{edits}"
        case "revision":
            yield f"Plan for {subject.name}, which is commit {short(plan.commit)}"
        case "commit":
            yield (
                f"Plan for commit {short(plan.commit)}, the newest one" if plan.commit else "No commit was read yet."
            )
    if subject.edited:
        more = subject.edited_count - MOST_NAMED
        named = ", ".join(subject.edited[:MOST_NAMED])
        yield f"  edited: {named}{f' and {more} more' if more > 0 else ''}"
    if plan.against == "memory":
        yield f"No Headgate runs on {state}: this is compared with what the last one there remembers."
    if plan.against == "nothing":
        yield f"No Headgate runs on {state}: this is what a fresh installation would do."


def _base(plan: PlanShape) -> str:
    return f", on top of commit {short(plan.subject.base)}" if plan.subject.base else ""


def _print_entry(entry: PlanEntry) -> None:
    sign, style = SIGNS.get(entry.action, (" ", ""))
    say(f"\n{sign} {entry.endpoint}: {entry.action}", style)
    if entry.action == "broken":
        errors = count(len(entry.problems), "error")
        meanwhile = "the last good spec goes on" if entry.traffic.was or entry.replicas else "nothing is served yet"
        prose(f"{errors} in its files, below; {meanwhile}", 4)
    if entry.waits:
        prose(f"waits: {entry.waits}", 4, style if entry.action == "held" else "yellow")
    for failure in entry.failed:
        prose(f"{brief(failure.release)} has failed: {failure.reason}: {gist(failure.message)}", 4, "bold red")
    for change in sorted(entry.changes, key=lambda change: change.what == "traffic"):
        _print_change(change)
    if entry.traffic.was != entry.traffic.to and all(change.what != "traffic" for change in entry.changes):
        prose(f"traffic: {shares(entry.traffic.was)} -> {shares(entry.traffic.to)}", 4)
    if entry.replicas:
        prose(f"replicas: {', '.join(f'{brief(r.release)} {r.was} -> {r.to}' for r in entry.replicas)}", 4)
    if entry.rollout is not None:
        _print_rollout(entry.rollout)


def _print_rollout(rollout: RolloutPlan) -> None:
    where = f" ({rollout.policy_file})" if rollout.policy_file else ""
    steps = ", its steps skipped: nothing to compare with" if rollout.skips_steps else f", {rollout.strategy}"
    prose(f"rollout by policy {rollout.policy}{where}{steps}:", 4)
    for stop in _told(rollout):
        after = f"after {duration(stop.after_s)}" if stop.after_s else "at once"
        waits = f"  ({stop.waits_for})" if stop.waits_for not in ("", "acknowledgement") else ""
        prose(f"{after:<10}  {shares(stop.split)}{waits}", 6)
    approvals = f" and {count(rollout.approvals, 'approval')}" if rollout.approvals else ""
    lasts = rollout.earliest_finish_s
    finish = f"{f'{duration(lasts)} after' if lasts else 'as soon as'} its replicas are ready{approvals}"
    prose(f"earliest finish: {finish}; at most {count(rollout.peak_replicas, 'replica')} at once", 6)
    for gate in rollout.gates:
        prose(f"gate {gate}", 6)
    prose(f"on failure: {rollout.on_failure}", 6)
    if rollout.rollback_to:
        prose(f"rollback to: {shares(rollout.rollback_to)}", 6)
    if not rollout.settles:
        prose("it does not come to its end by itself: see its gates and windows", 6, "yellow")


def _told(rollout: RolloutPlan) -> list[RolloutStop]:
    """The stops at which a person sees a difference."""
    told: list[RolloutStop] = []
    for stop in rollout.stops:
        quiet = stop.waits_for in ("", "acknowledgement", "replicas")
        if not (quiet and told and told[-1].split == stop.split) and stop.waits_for != "replicas":
            told.append(stop)
    return told


def _print_change(change: Change) -> None:
    prose(f"{change.what}: {_value(change.was)} -> {_value(change.to)}", 4)
    if change.fields:
        say("      because these fields make another release:")
        for field in change.fields:
            prose(f"{field.field}: {field.was or 'none'} -> {field.to or 'none'}", 8)
    elif change.why:
        prose(f"because {change.why}", 6)


def _value(value: object) -> str:
    match value:
        case None | "" | () | []:
            return "none"
        case bool():
            return str(value).lower()
        case Mapping() if value and all(isinstance(share, int | float) for share in value.values()):
            return shares(value)
        case Mapping():
            return ", ".join(f"{name}={word}" for name, word in value.items()) or "none"
        case str():
            return brief(value) if RELEASE.fullmatch(value) else value
        case _:
            return str(value)
