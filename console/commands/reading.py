"""Commands that look: status, plan, events, logs."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.exits import Exit
from console.options import JsonOption, takes_state

if TYPE_CHECKING:
    from console.client import Client
    from console.plans import PlanShape

ExitCodeOption = Annotated[bool, typer.Option("--exit-code", help="Exit 1 unless all is well.")]
FollowOption = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is new until Ctrl-C.")]


class Container(StrEnum):
    """Azure's two containers of a replica."""

    SERVER = "inference-server"
    STORAGE = "storage-initializer"


@takes_state
def status(
    name: Annotated[str | None, typer.Argument(metavar="ENDPOINT", help="Only this endpoint, in detail.")] = None,
    *,
    as_json: JsonOption = False,
    exit_code: ExitCodeOption = False,
    **flags: object,
) -> None:
    """Show every endpoint: what is live, and what is not as Git asks and why."""
    from console import pages, screen
    from console.session import connect

    with connect(flags) as client:
        found = client.endpoint(name) if name else client.status()
    if as_json:
        screen.print_json(found)
    else:
        pages.print_status(found)
    if exit_code and not pages.is_well(found):
        raise typer.Exit(Exit.PROBLEM)


@takes_state
def plan(
    *,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="REV", help="Of this commit, branch, tag or refs/pull/N/head.")
    ] = None,
    path: Annotated[Path | None, typer.Option("--path", metavar="DIR", help="Of a folder on this machine.")] = None,
    as_json: JsonOption = False,
    exit_code: ExitCodeOption = False,
    **flags: object,
) -> None:
    """Show what would change, and why; change nothing.

    By default of the uncommitted edits of the working copy that Headgate follows, if there are some, else of the
    newest commit. Where no Headgate runs, of the repository in the settings or the one around the shell.
    """
    from console import plan_page, screen
    from console.session import connect

    with connect(flags) as client, screen.waiting("Planning …"):
        found = _plan(client, flags, revision, path)
        state = client.paths.state
    if as_json:
        screen.print_json(found)
    else:
        plan_page.print_plan(found, state)
    wrong = any(problem.severity == "error" for problem in found.problems)
    if exit_code and (wrong or any(entry.action != "none" for entry in found.endpoints)):
        raise typer.Exit(Exit.PROBLEM)


def _plan(client: "Client", flags: Mapping[str, object], revision: str | None, path: Path | None) -> "PlanShape":
    """The plan of a running Headgate; where none runs, what can be said without one."""
    from datetime import UTC, datetime

    from console.client import NotRunningError

    try:
        if path is None:
            return client.plan(revision, edits=revision is None)
        conda = client.status().source.conda
    except NotRunningError:
        from console import offline

        return offline.plan(flags, revision, path, datetime.now(UTC))
    from console.desired import of_folder
    from console.plans import Proposal

    desired = of_folder(path, revision, conda=conda)
    return client.propose(Proposal(catalog=desired.catalog, subject=desired.subject))


@takes_state
def events(
    name: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Only this endpoint's.")] = "",
    *,
    limit: Annotated[int, typer.Option("-n", "--limit", metavar="N", min=0, max=10_000, help="How many.")] = 50,
    follow: FollowOption = False,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Show what happened, oldest first."""
    from console import pages, screen
    from console.session import connect

    with connect(flags) as client:
        if follow:
            for event in client.follow_events(name, limit):
                pages.print_line(event) if as_json else pages.print_event(event)
            return None
        found = client.events(name, limit)
    if as_json:
        return screen.print_json(found)
    for event in found.events:
        pages.print_event(event)
    return None


@takes_state
def logs(  # noqa: PLR0913 (each is a flag of its own)
    target: Annotated[str, typer.Argument(metavar="ENDPOINT/DEPLOYMENT", help="Whose log.")],
    *,
    follow: FollowOption = False,
    lines: Annotated[
        int,
        typer.Option("-l", "--lines", "--tail", metavar="N", min=0, max=1_000_000, help="How many of each replica."),
    ] = 100,
    release: Annotated[
        str, typer.Option("--release", metavar="NAME", help="Only this release: its name or digest, or a beginning.")
    ] = "",
    replica: Annotated[
        str, typer.Option("--replica", metavar="ID", help="Only this replica: its id, or an end of it.")
    ] = "",
    access: Annotated[
        bool, typer.Option("--access/--no-access", help="With or without a line for each request.")
    ] = True,
    previous: Annotated[
        bool, typer.Option("-p", "--previous", help="Only the life before the newest start of each replica.")
    ] = False,
    container: Annotated[Container, typer.Option("--container", help="Which part of a replica.")] = Container.SERVER,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Show the log of a deployment's replicas, or (storage-initializer) of what prepared them."""
    from console import pages
    from console.log_page import print_logs
    from console.session import connect

    if follow and previous:
        raise typer.BadParameter("--previous is over: it cannot be followed")
    endpoint, slash, deployment = target.partition("/")
    if not (endpoint and slash and deployment):
        raise typer.BadParameter(f"{target!r} is not of the form ENDPOINT/DEPLOYMENT, such as iris/blue")
    query = {"container": container.value, "lines": lines, "follow": follow, "release": release, "replica": replica}
    with connect(flags) as client:
        found = client.logs(endpoint, deployment, {**query, "access": access, "previous": previous})
        if not as_json:
            return print_logs(found, follow=follow and not replica)
        for line in found:
            pages.print_line(line)
    return None
