"""What `rollout status`, `rollout watch` and `explain` print for people."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.gist import gist
from console.pages import CLOCK, print_event
from console.progress import HOST_NOTES
from console.rollout_view import duration
from console.rollouts import Explanation, RolloutShape, StepShape
from console.screen import brief, out, percent, prose, say, shares, tone

MARKS = {"done": ("✓", "green"), "now": ("▶", "bold cyan"), "planned": ("·", "dim")}
PLAIN = {"✓": "x", "▶": ">", "·": "-"}
VERDICTS = {"good": "green", "bad": "bold red", "inconclusive": "yellow", "error": "yellow"}
AS_ASKED = frozenset({"AsAsked", "Watched"})
"""Why a settled split stays, where it is the one that Git asks for."""
STATES = {"settled": "green", "reverting": "bold yellow", "paused": "yellow"}


def print_rollout(found: RolloutShape) -> None:
    """All of it, once."""
    console = out()
    console.print(render(found, ascii_only=not console.encoding.lower().startswith("utf")))


def render(found: RolloutShape, *, ascii_only: bool = False) -> RenderableType:
    """Where the move is: steps, split now and planned, gates, replicas, time left, and why it waits."""
    parts: list[RenderableType] = [_head(found)]
    if found.steps:
        parts += [Text(), _steps(found, ascii_only=ascii_only)]
    if found.gates:
        parts += [Text(), _gates(found)]
    if found.replicas:
        parts += [Text(), _replicas(found)]
    parts += [Text(), *(_foot(found))]
    return Group(*parts)


def _head(found: RolloutShape) -> RenderableType:
    state = Text(found.state, STATES.get(found.state, "cyan"))
    title = Text.assemble((found.endpoint, "bold"), "  ", state, f"  {_progress(found)}")
    lines = [title, Text(f"live   {shares(found.split)}")]
    if found.state not in ("settled", "removing"):
        lines.append(Text(f"moves  {shares(found.source)} -> {shares(found.to)}"))
    where = f" ({found.policy_file})" if found.policy_file else ""
    lines.append(Text(f"policy {found.policy}{where}, {found.strategy}", "dim"))
    return Group(*lines)


def _progress(found: RolloutShape) -> str:
    if found.state == "settled":
        return "watched" if found.watch else "nothing moves"
    if not found.steps:
        return ""
    if not found.step:
        return f"before the first of {len(found.steps)} steps"
    return f"step {found.step} of {len(found.steps)}, {percent(found.moved)} of the move"


def _table(*columns: str, head: bool = True) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=head)
    for index, column in enumerate(columns):
        found.add_column(column, overflow="fold", no_wrap=index < len(columns) - 1)
    return found


def _steps(found: RolloutShape, *, ascii_only: bool) -> RenderableType:
    table = _table("", "STEP", "SPLIT")
    for step in found.steps:
        mark, style = MARKS[step.state]
        now = step.state == "now"
        told = Text(
            step.text + (f", {_left(found, step)}" if now and _left(found, step) else ""), style if now else ""
        )
        table.add_row(Text(PLAIN[mark] if ascii_only else mark, style), told, Text(shares(step.split)))
    return table


def _left(found: RolloutShape, step: StepShape) -> str:
    if found.step_ends is None or found.at is None:
        return "" if step.kind != "pause" else "until somebody promotes"
    seconds = max(0, round((found.step_ends - found.at).total_seconds()))
    word = "expires in" if step.kind == "pause" and step.seconds is None else "left"
    return f"{word} {duration(seconds)}" if word != "left" else f"{duration(seconds)} left"


def _gates(found: RolloutShape) -> RenderableType:
    table = _table("GATE", "RELEASE", "VERDICT", "SAMPLES", "WHY")
    for gate in found.gates:
        verdict = Text(gate.verdict, VERDICTS[gate.verdict])
        dry = " (reports only)" if gate.dry_run else ""
        table.add_row(gate.gate, brief(gate.release), verdict, str(gate.samples or "-"), Text(gate.message + dry))
    return table


def _replicas(found: RolloutShape) -> RenderableType:
    table = _table("RELEASE", "REPLICAS READY")
    for one in found.replicas:
        short_of = one.ready < one.wanted
        ready = f"{one.ready} of {one.wanted}" if one.wanted else f"{one.ready}, ending"
        table.add_row(brief(one.release), Text(ready, "yellow" if short_of else ""))
    return table


def _foot(found: RolloutShape) -> Iterator[RenderableType]:
    last = found.because[-1] if found.because else None
    if last and not (last.reason == "AsAsked" and found.refused):
        word = "because" if found.state == "settled" else "waits"
        yield _entry(f"{word}: ", f"{last.reason}: {gist(last.message)}")
    if found.watch:
        yield _entry("warm: ", f"{shares(found.watch.previous)} until {_clock(found.watch.until)}{_undo(found)}")
    for copies in found.mirrored:
        codes = ", ".join(f"{count} x {code}" for code, count in sorted(copies.codes.items()))
        counted = f"{copies.answers} answers, {copies.failed} of them not 200 ({codes})" if codes else "no answer yet"
        yield _entry("mirrored: ", f"{brief(copies.release)}: {counted}")
    if found.unproven or (found.watch and found.watch.unproven):
        yield Text("unproven: there was no traffic to judge by", "yellow")
    if found.earliest_finish is not None and found.started is not None:
        yield Text(f"started {_clock(found.started)}, finishes at {_clock(found.earliest_finish)} at the earliest")
    if found.approvals:
        yield Text(f"approvals to come: {found.approvals} (headgate rollout promote {found.endpoint})")
    for refusal in found.refused:
        names = ", ".join(map(brief, refusal.releases)) or shares(refusal.to)
        said = f"{names}: {refusal.reason}: {gist(refusal.message)} (headgate rollout retry {found.endpoint})"
        yield _entry("refused: ", said, "bold red")


def _undo(found: RolloutShape) -> str:
    return f" (headgate rollout undo {found.endpoint})"


def _entry(head: str, body: str, style: str = "") -> RenderableType:
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(head, style), Text(body, style))
    return table


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():{CLOCK}}"


def is_as_asked(found: RolloutShape) -> bool:
    """Whether what is settled is what Git asks for: nothing refused, held or wrong stands against it."""
    return is_over(found) and found.because[-1].reason in AS_ASKED


def is_over(found: RolloutShape) -> bool:
    """Whether a decision has found that nothing moves: until Envoy and replicas have answered, there is none."""
    return found.state == "settled" and bool(found.because) and found.because[-1].reason != "Unobserved"


def line(found: RolloutShape) -> str:
    """The rollout on one line, for where there is no terminal."""
    why = f"  {found.because[-1].reason}: {gist(found.because[-1].message)}" if found.because else ""
    return f"{found.endpoint}  {found.state}  {_progress(found)}  {shares(found.split)}{why}"


def watch(items: Iterable[RolloutShape], *, goes_on: bool) -> RolloutShape | None:
    """Show the rollout as it changes until it has settled, or for ever; return the last one."""
    console = out()
    if not console.is_terminal:
        return _watch_lines(items, goes_on=goes_on)
    from rich.live import Live

    last = None
    ascii_only = not console.encoding.lower().startswith("utf")
    with Live(console=console, auto_refresh=False) as live:
        for last in items:
            live.update(Padding(render(last, ascii_only=ascii_only), (0, 0, 1, 0)), refresh=True)
            if not goes_on and is_over(last):
                break
    return last


def _watch_lines(items: Iterable[RolloutShape], *, goes_on: bool) -> RolloutShape | None:
    told, last = "", None
    for last in items:
        text = line(last)
        if text != told:
            told = text
            say(text)
        if not goes_on and is_over(last):
            break
    return last


def print_explanation(found: Explanation) -> None:
    """The chain: what Git asks for, what is live, why they differ, and what led there."""
    rollout = found.rollout
    say(f"Git asks for  {shares(found.asked)}  (commit {found.commit[:7] or 'none'})")
    say(f"Live is       {shares(rollout.split)}")
    prose(f"Ready is      {found.ready.reason}: {gist(found.ready.message)}", style=tone(found.ready.reason))
    say("")
    print_rollout(rollout)
    if len(rollout.because) > 1:
        say("\nThe last decision, step by step:", "bold")
        for reason in rollout.because:
            prose(f"{reason.reason}: {gist(reason.message)}", 2)
    told = [event for event in found.events if event.type == "Warning" or event.reason not in ROUTINE]
    if told:
        say("\nWhat led there:", "bold")
    for event in told:
        print_event(event)
        if event.because and event.reason in EXPLAINED:
            prose("; ".join(f"{reason}: {gist(fact)}" for reason, fact in event.because.items()), 10)


ROUTINE = HOST_NOTES | {
    "Preparing",
    "Prepared",
    "ReplicaStarting",
    "ReplicaReady",
    "ReplicaStopping",
    "ReplicaStopped",
    "KeyRotated",
}
"""Events that explain nothing while all goes well."""
EXPLAINED = frozenset(
    {"RolloutStarted", "TrafficShifting", "TrafficSettled", "RolloutPaused", "RolloutReverting", "ReleaseRefused"}
)
"""Events whose facts are worth a line of their own."""
