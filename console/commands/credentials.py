"""Commands for credentials: keys show, keys rotate, token."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from console.options import JsonOption, takes_state

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT")]


class KeyType(StrEnum):
    """Azure's word for which key."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


@takes_state
def show(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Show both keys of an endpoint; either is accepted."""
    from console import screen
    from console.session import connect

    with connect(flags) as client:
        found = client.keys(name)
    if as_json:
        return screen.print_json(found)
    return screen.say(f"primaryKey    {found.primary}\nsecondaryKey  {found.secondary}")


@takes_state
def rotate(
    name: EndpointArgument,
    *,
    key_type: Annotated[
        KeyType | None,
        typer.Option("--key-type", "--key", help="Which key to replace; without it you are asked on a terminal."),
    ] = None,
    as_json: JsonOption = False,
    **flags: object,
) -> None:
    """Replace one key, as Azure's regenerate-keys: the other stays, so move callers to that one first."""
    from console import screen
    from console.hints import paste
    from console.session import connect

    key_type = key_type or _ask(name)
    with connect(flags) as client:
        found = client.rotate(name, key_type.value)
        state = client.paths.state
    if as_json:
        return screen.print_json(found)
    return screen.say(
        f"The {key_type.value} key of {name} is new, and the old one is no longer accepted.\n"
        f"Show it with: {paste('keys', 'show', name, state=state)}"
    )


def _ask(name: str) -> KeyType:
    """Which key, from whoever sits there: the old one is refused at once, so it is never guessed."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter("say which key is replaced: primary or secondary", param_hint="--key-type")
    typer.echo(f"Callers of {name} that use the key are refused at once.", err=True)
    return KeyType(typer.prompt("Which one, primary or secondary", type=KeyType, err=True))


@takes_state
def token(name: EndpointArgument, *, as_json: JsonOption = False, **flags: object) -> None:
    """Print a fresh token for an endpoint with auth_mode aml_token."""
    from console import screen
    from console.session import connect

    with connect(flags) as client:
        found = client.token(name)
    if as_json:
        return screen.print_json(found)
    return screen.say(found.access_token)
