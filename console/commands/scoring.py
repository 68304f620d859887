"""The command that scores: invoke."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from console.exits import Exit
from console.options import takes_state


@takes_state
def invoke(
    name: Annotated[str, typer.Argument(metavar="ENDPOINT")],
    *,
    data: Annotated[
        str | None, typer.Option("-d", "--data", metavar="JSON|@FILE", help="The body; @- reads standard input.")
    ] = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", metavar="D", help="Ask this deployment, whatever the traffic says.")
    ] = None,
    include: Annotated[bool, typer.Option("-i", "--include", help="Print status and headers too.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, help="Give up after so long.")] = 310,
    **flags: object,
) -> None:
    """Score one request, by default the endpoint's sample-request.json, and print the answer."""
    from console import screen
    from console.score import ask, explain
    from console.session import connect
    from spec.errors import HeadgateError

    with connect(flags) as client:
        access = client.access(name)
        body = read_body(data) if data is not None else client.sample(name)
        state = client.paths.state
    if body is None:
        raise HeadgateError(f"The folder of {name} has no sample-request.json: give a body with -d JSON or -d @FILE.")
    reply = ask(access, body, deployment=deployment, timeout=timeout)
    if include:
        screen.say("\n".join([f"{reply.status} {reply.phrase}", *(f"{k}: {v}" for k, v in reply.headers), ""]))
    sys.stdout.buffer.write(reply.body + (b"" if reply.body.endswith(b"\n") else b"\n"))
    sys.stdout.flush()
    if not reply.is_success:
        screen.err().print(explain(reply, name, deployment, state), style="red", soft_wrap=True)
        raise typer.Exit(Exit.PROBLEM)


def read_body(data: str) -> bytes:
    """The body of `-d`: text as it is, `@FILE`, or `@-` for standard input."""
    if data in ("-", "@-"):
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {data[1:]}: {error.strerror}", param_hint="-d") from error
