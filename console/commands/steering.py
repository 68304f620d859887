"""Commands that steer: sync, confirm."""

from typing import TYPE_CHECKING, Annotated

import typer

from console.exits import Exit
from console.options import JsonOption, takes_state

if TYPE_CHECKING:
    from console.shapes import SyncOutcome


@takes_state
def sync(
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until every endpoint of the newest commit is Ready.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, max=86400, help="Wait so long.")] = 600,
    confirm_removal: Annotated[
        bool, typer.Option("--confirm-removal", help="Let removals happen that this commit has held.")
    ] = False,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Look at the repository now. Exits 0 if the newest commit is Ready (without --wait: has no problem)."""
    from console import awaited, pages, screen
    from console.session import connect

    with connect(flags) as client, awaited.told(client, screen.err(), "Waiting for the newest commit …"):
        found = client.sync(wait=wait and not confirm_removal, timeout=timeout)
        if confirm_removal:
            if found.held:
                client.confirm(found.held.commit)
            found = client.sync(wait=wait, timeout=timeout)
    if as_json:
        screen.print_json(found)
    else:
        pages.print_outcome(found)
    raise typer.Exit(_code(found, wait=wait))


def _code(found: "SyncOutcome", *, wait: bool) -> Exit:
    match found.outcome:
        case "Ready":
            return Exit.OK
        case "TimedOut":
            return Exit.TIMEOUT
        case "Progressing" if not wait:
            return Exit.OK
        case _:
            return Exit.PROBLEM


@takes_state
def confirm(
    commit: Annotated[str | None, typer.Argument(help="The held commit; without it, whichever is held.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Let the removals happen that Headgate has held because one commit removes so much."""
    from console import screen
    from console.session import connect

    with connect(flags) as client:
        held = client.status().source.held
        if held and not yes:
            screen.err().print(f"Commit {screen.short(held.commit)} removes {', '.join(held.removes)}.")
            typer.confirm("Remove them?", abort=True, err=True)
        found = client.confirm(commit or (held.commit if held else None))
    if as_json:
        screen.print_json(found)
    else:
        screen.say(f"Confirmed for {screen.short(found.commit)}: {', '.join(found.removes) or 'nothing'} will go.")
