"""The command line: `headgate COMMAND …`."""

import sys

import typer

from console import exits
from console.commands import checking, credentials, reading, rollout, scoring, serving, steering

RUN, LOOK, ACT, CHECK = "Run", "Look", "Act", "Check"

app = typer.Typer(
    name="headgate",
    help="A Git repository says which model endpoints should exist; Headgate makes it so.",
    epilog=exits.EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

keys = typer.Typer(help="Show or rotate an endpoint's keys.", no_args_is_help=True)
keys.command("show", epilog=exits.EPILOG)(credentials.show)
keys.command("rotate", epilog=exits.EPILOG)(credentials.rotate)

rollouts = typer.Typer(help="Watch and steer how traffic moves to a new release.", no_args_is_help=True)
for order in (
    rollout.status,
    rollout.watch,
    rollout.promote,
    rollout.pause,
    rollout.resume,
    rollout.abort,
    rollout.retry,
    rollout.undo,
):
    rollouts.command(order.__name__, epilog=exits.EPILOG)(order)

for panel, name, function in (
    (RUN, "up", serving.up),
    (RUN, "down", serving.down),
    (RUN, "demo", serving.demo),
    (LOOK, "status", reading.status),
    (LOOK, "plan", reading.plan),
    (LOOK, "events", reading.events),
    (LOOK, "logs", reading.logs),
    (LOOK, "explain", rollout.explain),
    (ACT, "sync", steering.sync),
    (ACT, "confirm", steering.confirm),
    (ACT, "invoke", scoring.invoke),
    (ACT, "token", credentials.token),
    (CHECK, "validate", checking.validate),
    (CHECK, "schema", checking.schema),
    (CHECK, "doctor", checking.doctor),
    (CHECK, "version", checking.version),
):
    app.command(name, rich_help_panel=panel, epilog=exits.EPILOG)(function)
app.add_typer(keys, name="keys", rich_help_panel=ACT)
app.add_typer(rollouts, name="rollout", rich_help_panel=ACT)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(exits.run(app))
