"""Commands that check: validate, schema, doctor, version."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.exits import Exit
from console.options import JsonOption, takes_settings


class Format(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"


@takes_settings("conda")
def validate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder with endpoint specs.")],
    *,
    output: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    **flags: object,
) -> None:
    """Check every spec below a folder, all problems at once; exits 1 if there is an error. Needs no Headgate."""
    from console import screen
    from console.session import read_settings
    from console.shapes import Problems
    from console.validation import load, print_catalog

    catalog = load(path, conda=read_settings(flags).conda is not None)
    if as_json or output is Format.JSON:
        screen.print_json(Problems.of(catalog.problems))
    else:
        print_catalog(catalog, path)
    if any(problem.is_error for problem in catalog.problems):
        raise typer.Exit(Exit.PROBLEM)


def schema(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one; without it, list them.")] = None,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write them all (or NAME) to this folder.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the spec files, for an editor."""
    from console import validation

    validation.print_schemas(name, output)


@takes_settings("repo", "state_dir", "port", "address", "envoy_bin")
def doctor(*, as_json: JsonOption = False, **flags: object) -> None:
    """Check this machine: Python, Git, ports, Envoy, disk, package registry, permissions, limits, clock."""
    from console import screen
    from console.doctor import Level, examine, print_checks
    from console.session import read_settings

    checks = examine(read_settings(flags))
    if as_json:
        screen.print_data({"checks": [check.as_data() for check in checks]})
    else:
        print_checks(checks)
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(Exit.PROBLEM)


def version(*, as_json: JsonOption = False) -> None:
    """Print the versions that a report of a fault should name."""
    from console import screen
    from console.versions import versions

    found = versions()
    if as_json:
        return screen.print_json(found)
    return screen.say(
        f"headgate {found.headgate}\npython   {found.python}\nplatform {found.platform}\n"
        f"envoy    {found.envoy or 'none: see `headgate doctor`'}"
    )
