"""Commands on rollouts: rollout status, watch, promote, pause, resume, abort, retry, undo; and explain."""

from typing import TYPE_CHECKING, Annotated

import typer

from console.exits import Exit
from console.options import JsonOption, takes_state

if TYPE_CHECKING:
    from console.rollouts import OrderName

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT")]


@takes_state
def status(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Show where an endpoint's traffic is on its way, what judges it, and why it waits."""
    from console import rollout_page, screen
    from console.session import connect

    with connect(flags) as client:
        found = client.rollout(name)
    if as_json:
        return screen.print_json(found)
    return rollout_page.print_rollout(found)


@takes_state
def watch(
    name: EndpointArgument,
    *,
    goes_on: Annotated[bool, typer.Option("--forever", help="Go on after it has settled, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Watch a rollout until it has settled. Exits 1 if it settled on something else than what Git asks for."""
    from console import pages, rollout_page
    from console.session import connect

    last = None
    with connect(flags) as client:
        items = client.watch(name)
        if not as_json:
            last = rollout_page.watch(items, goes_on=goes_on)
        else:
            for last in items:
                pages.print_line(last)
                if rollout_page.is_over(last) and not goes_on:
                    break
    if last is None or not rollout_page.is_as_asked(last):
        raise typer.Exit(Exit.PROBLEM)


@takes_state
def promote(
    name: EndpointArgument,
    *,
    full: Annotated[bool, typer.Option("--full", help="Skip all further steps and gates.")] = False,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Go on to the next step now: approves a pause, or ends a step before its time."""
    _order(name, "promote-full" if full else "promote", flags, as_json=as_json)


@takes_state
def pause(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Stay at the present split until `resume` or `promote`; a bad verdict still takes traffic back."""
    _order(name, "pause", flags, as_json=as_json)


@takes_state
def resume(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Go on after `pause`."""
    _order(name, "resume", flags, as_json=as_json)


@takes_state
def abort(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Take traffic back to what served before, and do not start this release again."""
    _order(name, "abort", flags, as_json=as_json)


@takes_state
def retry(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Forget what was refused, and try what Git asks for afresh."""
    _order(name, "retry", flags, as_json=as_json)


@takes_state
def undo(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Return to the previous release at once, while it is still warm; needs no steps."""
    _order(name, "undo", flags, as_json=as_json)


@takes_state
def explain(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Say why an endpoint is as it is: what Git asks for, what is live, and each reason between the two."""
    from console import rollout_page, screen
    from console.session import connect

    with connect(flags) as client:
        found = client.explain(name)
    if as_json:
        return screen.print_json(found)
    return rollout_page.print_explanation(found)


def _order(name: str, kind: "OrderName", flags: dict[str, object], *, as_json: bool) -> None:
    from console import screen
    from console.hints import paste
    from console.session import connect

    with connect(flags) as client:
        found = client.order(name, kind, _user())
        state = client.paths.state
    if as_json:
        return screen.print_json(found)
    screen.prose(f"{name}: {found.message}.")
    return screen.say(f"See: {paste('rollout', 'watch', name, state=state)}")


def _user() -> str:
    """Who sits there, for events; a machine without names has a number."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
