"""Checking a folder of specs without a running Headgate."""

import json
from pathlib import Path

from console import screen
from console.hints import paste
from console.pages import print_problems
from console.shapes import Problems
from spec.catalog import Catalog
from spec.errors import HeadgateError


def load(path: Path, *, conda: bool = False) -> Catalog:
    """What the folder asks for, with every problem; `conda`: whether the installation has one.

    Raises `HeadgateError` if it is no folder.
    """
    from forge.directory import open_directory
    from forge.pointers import with_pointers
    from spec.loader import load as load_catalog

    if not path.is_dir():
        raise HeadgateError(f"{path} is not a folder: give the root of the repository, or a folder in it.")
    files = open_directory(path)
    return with_pointers(load_catalog("", files, conda=conda).catalog, files, path)


def print_catalog(catalog: Catalog, path: Path) -> None:
    """Every problem below its file, a summary, and last whether the folder is only a part of a repository."""
    found = Problems.of(catalog.problems).problems
    print_problems(found)
    errors = sum(problem.severity == "error" for problem in found)
    if not found:
        return screen.say(f"No problems: {_declared(catalog)}.", "green" if catalog.endpoints else "yellow")
    counts = [screen.count(errors, "error")] if errors else []
    counts += [screen.count(len(found) - errors, "warning")] if len(found) > errors else []
    screen.say(f"\n{', '.join(counts)}. {_good(catalog)}.", "bold red" if errors else "yellow")
    return _print_part(path.resolve())


def _print_part(folder: Path) -> None:
    """What lies above a folder of a working copy is missed by its files, which are right together with the rest."""
    from forge.peek import find_top

    top = find_top(folder)
    if top is not None and top != folder:
        whole = paste("validate", str(top))
        screen.say(f"Only this folder was read, as with `--path`. For the whole repository: {whole}")


def _declared(catalog: Catalog) -> str:
    deployments = sum(len(endpoint.deployments) for endpoint in catalog.endpoints.values())
    if not catalog.endpoints:
        return "but no endpoint is declared here"
    return f"{screen.count(len(catalog.endpoints), 'endpoint')}, {screen.count(deployments, 'deployment')}"


def _good(catalog: Catalog) -> str:
    """How many endpoints have no error."""
    total = len({*catalog.endpoints, *catalog.broken})
    if not total:
        return "No endpoint is declared"
    return f"{len(catalog.endpoints)} of {screen.count(total, 'endpoint')} can be served"


def print_schemas(name: str | None, output: Path | None) -> None:
    """List the schemas, print the one named, or write them to a folder. Raises `HeadgateError`."""
    from spec.schema import schemas as make_schemas

    schemas = make_schemas()
    if name is not None and name not in schemas:
        raise HeadgateError(f"There is no schema {name!r}; there are: {', '.join(sorted(schemas))}.")
    chosen = {name: schemas[name]} if name else schemas
    if output is not None:
        return _write(chosen, output)
    if name is None:
        return screen.say("\n".join(sorted(schemas)))
    return screen.print_data(schemas[name])


def _write(schemas: dict[str, dict[str, object]], output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas.items():
            path = output / f"{name}.schema.json"
            path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
            screen.say(str(path))
    except OSError as error:
        raise HeadgateError(f"Cannot write to {output}: {error.strerror}.") from error
