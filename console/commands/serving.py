"""Commands that run and stop Headgate: up, down, demo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.options import SETTINGS, JsonOption, takes_settings, takes_state

if TYPE_CHECKING:
    from console.settings import Settings

UP = tuple(setting.name for setting in SETTINGS if setting.name != "repo")
DEMO = ("port", "plain_http", "envoy_bin", "envoy_concurrency", "conda", "log_level")


@takes_settings(*UP)
def up(
    repo: Annotated[str | None, typer.Argument(metavar="REPO", help="The repository: a path or a URL.")] = None,
    **flags: object,
) -> None:
    """Serve what a Git repository asks for, in the foreground.

    Ctrl-C or SIGTERM ends Headgate and leaves the endpoints serving; the next `up` takes them over.
    """
    from console.lock import hold
    from console.paths import Paths, prepare
    from console.session import read_settings
    from console.settings import SettingsError

    settings = read_settings({**flags, "repo": repo})
    if settings.repo is None:
        raise SettingsError("REPO: say which repository, as in: headgate up ~/models (or set repo in headgate.toml).")
    paths = Paths(settings.state_dir)
    prepare(paths)
    # The lock comes before the slow imports: from then on a second Headgate is refused, and clients wait.
    with hold(paths.lock_file):
        _serve(settings)


def _serve(settings: "Settings") -> None:
    import asyncio

    from console.foreground import serve
    from console.progress import Progress

    with Progress() as progress:
        goes_on = asyncio.run(serve(settings, progress))
    progress.say(_farewell(settings.state_dir) if goes_on else "Headgate has ended.")


def _farewell(state: Path) -> str:
    import sys

    from console.hints import paste

    return (
        "Headgate has ended. Envoy and every replica go on serving.\n"
        f"  take them over again:  {paste(*sys.argv[1:])}\n"
        f"  stop them:             {paste('down', '--yes', state=state)}"
    )


@takes_state
def down(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=1, help="Wait so long for Headgate.")] = 60,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Stop a running Headgate, then Envoy and every replica; works where none runs."""
    import asyncio
    from dataclasses import asdict

    from console import screen
    from console.down import stop_installation
    from console.session import read_paths

    paths = read_paths(flags)
    if not yes:
        typer.confirm(f"Stop every endpoint of {paths.state}?", abort=True, err=True)
    stopped = asyncio.run(stop_installation(paths, timeout))
    if as_json:
        return screen.print_data(asdict(stopped))
    first = f"Headgate (pid {stopped.headgate})" if stopped.headgate else "No Headgate was running:"
    return screen.say(
        f"{first}{',' if stopped.headgate else ''} {_count(stopped.envoys, 'Envoy')} and "
        f"{_count(stopped.replicas, 'replica')} stopped on {paths.state}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@takes_settings(*DEMO)
def demo(
    *,
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop everything and exit 0 after scoring.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the scratch folder, with its logs.")] = False,
    **flags: object,
) -> None:
    """Bring the example repository up in a scratch folder, score each endpoint, and stop all of it at the end."""
    import asyncio

    from console.demo import run

    raise typer.Exit(asyncio.run(run(flags, exit_after=exit_after, keep=keep)))
