"""What the reading commands print for people: the worst first to find, 80 columns wide."""

import sys
from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from console.gist import LOG, gist
from console.screen import count, entry, nearest, out, print_table, prose, say, shares, short, tone
from console.shapes import (
    Condition,
    DeploymentDetail,
    DeploymentStatus,
    EndpointDetail,
    EndpointStatus,
    EventShape,
    ProblemShape,
    ReplicaShape,
    Shape,
    Status,
    SyncOutcome,
)
from spec.problem import is_unsaid

CLOCK = "%H:%M:%S"
MOST_NAMED = 5
MANY, NEAREST = 12, 5
"""More allowed words than the first are not listed; only so many of them are."""


def print_line(item: Shape) -> None:
    """One JSON object on a line of its own."""
    sys.stdout.write(item.model_dump_json(by_alias=True) + "\n")
    sys.stdout.flush()


def is_well(found: Status | EndpointStatus) -> bool:
    """Whether everything is as Git asks."""
    if isinstance(found, EndpointStatus):
        return found.ready
    source = found.source
    clean = not source.problem and not source.held and not any(p.severity == "error" for p in source.problems)
    return clean and all(endpoint.ready for endpoint in found.endpoints)


def print_status(found: Status | EndpointStatus) -> None:
    """All endpoints as a table and then what is not well, or one endpoint in detail."""
    if isinstance(found, EndpointDetail):
        return _print_detail(found)
    if isinstance(found, EndpointStatus):
        return None
    _print_source(found)
    if found.endpoints:
        say("")
        print_table(("ENDPOINT", "STATE", "READY", "LIVE TRAFFIC"), map(_row, found.endpoints))
    else:
        say("\nNo endpoints: the commit declares none, or it was not read yet.")
    for endpoint in found.endpoints:
        if not endpoint.ready:
            _print_trouble(endpoint)
    print_problems(found.source.problems)
    return None


def _row(endpoint: EndpointStatus) -> tuple[str, str, str, str]:
    counts = "\n".join(map(_counts, endpoint.deployments))
    return endpoint.name, state_of(endpoint), counts or "none", shares(endpoint.split, "\n")


def _counts(deployment: DeploymentStatus) -> str:
    """Ready replicas of what is live, and beside it of the new release that is not."""
    asked = f"{deployment.ready}/{deployment.instance_count}"
    live = deployment.live
    return (
        f"{deployment.name} {live.ready}/{live.instance_count}, new {asked}" if live else f"{deployment.name} {asked}"
    )


def state_of(endpoint: EndpointStatus) -> str:
    """Ready, Held, or Azure's word for what it is instead."""
    if endpoint.ready:
        return "Ready"
    found = endpoint.condition("Ready")
    return "Held" if found and found.reason == "RemovalHeld" else endpoint.provisioning_state


def _print_source(found: Status) -> None:
    source = found.source
    where = source.repository + (f", branch {source.branch}" if source.branch else "")
    where += f", folder {source.path}" if source.path else ""
    checked = f", last looked at {source.checked_at.astimezone():{CLOCK}}" if source.checked_at else ""
    say(f"Source   {where}{checked}")
    prose(f"Commit   {_commits(found)}")
    if source.problem:
        prose(f"Problem  {source.problem}", style="bold red")
    if source.held:
        _print_held(source.held.commit, source.held.removes)
    for condition in source.conditions:
        if condition.status != "True":
            prose(f"{condition.type}: {condition.reason}: {condition.message}", style="bold red")


def _commits(found: Status) -> str:
    source = found.source
    if source.attempted_commit is None:
        return "none read yet"
    if source.attempted_commit == source.applied_commit and all(one.ready for one in found.endpoints):
        return f"{short(source.applied_commit)} is live"
    known = source.applied_commit not in (None, source.attempted_commit)
    before = f" Fully live was last {short(source.applied_commit)}." if known else ""
    return f"{short(source.attempted_commit)} {_progress(found)}{before}"


def _progress(found: Status) -> str:
    """How far the newest commit is, and what to do where waiting does not help."""
    errors = sum(problem.severity == "error" for problem in found.source.problems)
    failed = [one for one in found.endpoints if state_of(one) == "Failed"]
    if errors:
        return f"has {count(errors, 'error')}, shown below: mend the files and commit."
    if failed:
        named = ", ".join(one.name for one in failed[:MOST_NAMED])
        return f"failed for {named}: see below, then commit a mend or revert it."
    if found.source.held:
        return "is held, since it removes so much."
    ready = sum(one.ready for one in found.endpoints)
    return f"is being applied: {ready} of {len(found.endpoints)} endpoints are Ready."


def _print_held(commit: str, removes: Iterable[str]) -> None:
    prose(f"Held     commit {short(commit)} would remove {', '.join(removes)}.", style="bold yellow")
    say("         Nothing is removed until: headgate confirm", "bold yellow")


def _print_trouble(endpoint: EndpointStatus) -> None:
    found = endpoint.condition("Stalled") or endpoint.condition("Ready")
    if found is None:
        return
    say("")
    say(f"{endpoint.name}: {found.reason}", tone(state_of(endpoint)))
    prose(_told(found.reason, found.message), 2)
    if LOG in found.message:
        say(f"  all of it: headgate status {endpoint.name}")


def _told(reason: str, message: str) -> str:
    """The gist of a condition; what is wrong in files is listed with its place elsewhere, and not said twice."""
    if reason != "InvalidSpec":
        return gist(message)
    return f"its files have errors, listed below; {message.rpartition('; ')[2]}"


def _print_detail(endpoint: EndpointDetail) -> None:
    facts = [
        ("Endpoint", endpoint.name),
        ("State", state_of(endpoint)),
        ("URL", endpoint.scoring_uri),
        ("By path", endpoint.path_scoring_uri if endpoint.path_scoring_uri != endpoint.scoring_uri else ""),
        ("OpenAPI", endpoint.openapi_uri),
        ("Auth", endpoint.auth_mode),
        ("File", endpoint.file),
        ("Asked", shares(endpoint.traffic)),
        ("Live", shares(endpoint.split)),
        ("Mirror", shares(endpoint.mirror_traffic) if endpoint.mirror_traffic else ""),
    ]
    for name, value in facts:
        if value:
            out().print(Text(f"{name:<9}") + Text(value, tone(value)), soft_wrap=True)
    _print_conditions(endpoint.conditions)
    for deployment in endpoint.deployments:
        _print_deployment(deployment)


def _print_conditions(conditions: Iterable[Condition]) -> None:
    rows = [(c.type, c.status, _because(c.reason if c.reason != c.type else "", gist(c.message))) for c in conditions]
    if rows:
        say("")
        print_table(("CONDITION", "STATUS", "WHY"), rows)


def _print_deployment(deployment: DeploymentDetail) -> None:
    say("")
    ready = f"{deployment.ready} of {deployment.instance_count} replicas ready"
    say(f"Deployment {deployment.name}: {deployment.provisioning_state}, {deployment.release}, {ready}", "bold")
    if live := deployment.live:
        say(f"  live meanwhile: {live.release}, {live.ready} of {live.instance_count} replicas ready")
    if checks := deployment.checks:
        prose(f"checks, {checks.at.astimezone():{CLOCK}}: {checks.verdict}: {checks.message}", 2)
    present = {deployment.release, deployment.live.release if deployment.live else ""}
    rows = [
        (replica.id, replica.state, str(replica.restarts), _why(replica, former=replica.release not in present))
        for replica in deployment.replicas
    ]
    if rows:
        print_table(("REPLICA", "STATE", "RESTARTS", "WHY"), rows)
    for condition in deployment.conditions:
        prose(f"{condition.reason}: {condition.message}", 2)


def _why(replica: ReplicaShape, *, former: bool) -> str:
    said = _because(replica.reason, gist(replica.message))
    return said or (f"{replica.release} was replaced; kept warm for a while, or ending" if former else "")


def _because(reason: str, message: str) -> str:
    return ": ".join(part for part in (reason, message) if part)


def print_problems(problems: Iterable[ProblemShape]) -> None:
    """Problems, file by file, each below its `file:line:column`."""
    file = None
    for problem in problems:
        if problem.file != file:
            file = problem.file
            say("")
        head = Text.assemble(
            (problem.where or "repository", "bold"), "  ", (problem.severity, tone(problem.severity))
        )
        out().print(head + Text(f"  {problem.field}" if problem.field else ""), soft_wrap=True)
        prose(problem.message, 4)
        if is_unsaid(problem.found, problem.message):
            prose(f"found: {problem.found}", 4)
        if problem.allowed and problem.allowed not in problem.message:
            prose(f"allowed: {_allowed(problem)}", 4)


def _allowed(problem: ProblemShape) -> str:
    """What is allowed: all of a short list, and of a long one what is most like what was found."""
    options = problem.allowed.split(", ")
    if len(options) <= MANY:
        return problem.allowed
    near = nearest(problem.found.strip("'\""), options, NEAREST)
    more = len(options) - len(near)
    return f"{', '.join(near)} and {more} more (headgate validate --format json lists all)"


def print_outcome(outcome: SyncOutcome) -> None:
    """What became of a commit: one line if all is well, else what is not and why."""
    total = len(outcome.endpoints)
    waiting = [endpoint for endpoint in outcome.endpoints if endpoint.state != "Ready"]
    say(
        f"{outcome.outcome}: commit {short(outcome.commit)}, {total - len(waiting)} of {total} endpoints are Ready.",
        tone(outcome.outcome),
    )
    if outcome.held:
        _print_held(outcome.held.commit, outcome.held.removes)
    for one in waiting:
        say(f"\n{one.name}: {one.state}, {one.reason}", tone(one.state))
        prose(_told(one.reason, one.message), 2)
    print_problems(outcome.problems)


def print_event(event: EventShape) -> None:
    """One event as a line: the time (with its date unless it is today's), whose, what."""
    at = event.at.astimezone()
    head = Text(f"{at:{CLOCK if at.date() == datetime.now(at.tzinfo).date() else f'%Y-%m-%d {CLOCK}'}}  ")
    reason = (event.reason, "yellow" if event.type == "Warning" else "cyan")
    whose = (f"{event.endpoint or 'headgate':<16} ", "bold")
    entry(out(), head, Text.assemble(whose, reason, f"  {gist(event.message)}"))
