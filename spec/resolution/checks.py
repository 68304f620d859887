"""A deployment's checks file to checks, or to every problem in it."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from spec import artifacts
from spec.catalog import DeploymentSpec
from spec.checks import Check, Checks
from spec.digest import DIGITS
from spec.document import Document, Path
from spec.findings import Findings, Scope
from spec.release import Artifact
from spec.repository import LFS, Repository
from spec.rollout.checks import CheckFields, ChecksFile
from spec.salvage import read

MAX_CHECKS = 1000
MAX_BODY = 1024 * 1024
MAX_TOTAL = 4 * MAX_BODY
"""Of all bodies and schemas of one file."""
_JSON_HEADER = ("content-type", "application/json")
_BODILESS = ("GET", "DELETE")


def attach(
    repository: Repository, findings: Findings, paths: tuple[str, ...], found: list[DeploymentSpec], names: list[str]
) -> list[DeploymentSpec]:
    """The deployments with their checks; `names` are all that the endpoint declares, good or not.

    An empty one is a name that is told wrongly, or not at all: whose the checks are cannot be said then.
    """
    by_name: dict[str, Checks] = {}
    first: dict[str, str] = {}
    for path in paths:
        document = repository.document(path)
        checks = _read(repository, findings, document)
        name = str(document.mapping.get("deployment", "")).lower()
        scope = Scope(document, findings)
        if name and name not in names and all(names):
            scope.unknown("the deployment", name, names, "deployment")
        elif name in first:
            _clash(repository, findings, (first[name], path), name)
        first.setdefault(name, path)
        by_name |= {name: checks} if checks is not None else {}
    return [replace(one, checks=by_name.get(one.name)) for one in found]


def _clash(repository: Repository, findings: Findings, paths: tuple[str, str], name: str) -> None:
    for path, other in (paths, paths[::-1]):
        message = f"The deployment `{name}` has its checks in this file and in `{other}`: join them, or delete one."
        scope = Scope(repository.document(path), findings)
        scope.error(message, "deployment", found=name, allowed="one file of checks for each deployment")


def _read(repository: Repository, findings: Findings, document: Document) -> Checks | None:
    findings.paths.add(document.file)
    before = len(findings.problems)
    reading = read(ChecksFile, document)
    findings.problems.extend(reading.problems)
    fields = reading.fields
    if fields is None:
        return None
    scope = Scope(document, findings, doubtful=reading.doubtful)
    _check(scope, fields)
    checks = tuple(_resolve(repository, scope.below("checks", index), one) for index, one in enumerate(fields.checks))
    if sum(len(one.body) + len(one.schema) + len(one.expect) for one in checks) > MAX_TOTAL:
        scope.error(f"The requests and answers here have more than {MAX_TOTAL} characters in all.", "checks")
    if len(findings.problems) > before:
        return None
    return Checks(document.file, checks, _digest(checks, fields.max_changed), fields.max_changed)


def _check(scope: Scope, fields: ChecksFile) -> None:
    if not 1 <= len(fields.checks) <= MAX_CHECKS:
        scope.error(f"`checks` must have 1 to {MAX_CHECKS} checks.", "checks", allowed=f"1 to {MAX_CHECKS}")
    first: dict[str, int] = {}
    for index, one in enumerate(fields.checks):
        if first.setdefault(one.name, index) != index:
            message = f"Two checks have the name `{one.name}`: rename one."
            scope.error(message, "checks", index, "name", found=one.name, allowed="a name of its own")
    known = not any("max_difference" in path for path in scope.doubtful)
    if fields.max_changed is not None and known and all(one.max_difference is None for one in fields.checks):
        message = (
            "`max_changed` counts answers that differ by more than `max_difference`, and no check has one: add it."
        )
        scope.error(message, "max_changed")


def _resolve(repository: Repository, scope: Scope, fields: CheckFields) -> Check:
    headers = dict((_JSON_HEADER, *fields.headers.items()))
    return Check(
        name=fields.name,
        body=_body(repository, scope, fields),
        method=fields.method,
        path=fields.path,
        headers=tuple(sorted(headers.items())),
        status=fields.status,
        schema=_schema(repository, scope, fields),
        expect=_json(scope, "expect") if _has(scope, "expect") else "",
        tolerance=fields.tolerance,
        max_difference=fields.max_difference,
        timeout_s=fields.timeout,
    )


def _body(repository: Repository, scope: Scope, fields: CheckFields) -> str:
    has_inline = _has(scope, "request")
    if has_inline and fields.request_file is not None:
        scope.error("A check has `request` or `request_file`, not both: delete one.", "request_file")
        return ""
    if fields.method in _BODILESS:
        if has_inline or fields.request_file is not None:
            scope.error(f"A {fields.method} request has no body: delete it, or choose another `method`.", "method")
        return ""
    if fields.request_file is not None:
        return _text(repository, scope, fields.request_file, "request_file")
    if not has_inline:
        if any(scope.doubts(key) for key in ("method", "request", "request_file")):
            return ""
        scope.error(f"The check `{fields.name}` needs `request` or `request_file`.", allowed="request, request_file")
        return ""
    return _json(scope, "request")


def _schema(repository: Repository, scope: Scope, fields: CheckFields) -> str:
    if _has(scope, "schema") and fields.schema_file is not None:
        scope.error("A check has `schema` or `schema_file`, not both: delete one.", "schema_file")
        return ""
    if fields.schema_file is None:
        key, text = "schema", _json(scope, "schema") if _has(scope, "schema") else ""
    else:
        key, text = "schema_file", _text(repository, scope, fields.schema_file, "schema_file")
    return _sound(scope, key, text) if text else ""


def _sound(scope: Scope, key: str, text: str) -> str:
    """The schema in canonical form; what is no JSON Schema, or needs another document, is a problem."""
    from spec.rollout.schemas import fault

    schema: object = None
    try:
        schema = json.loads(text)
        found = fault(schema)
    except json.JSONDecodeError as error:
        found = f"it is not JSON ({error})"
    except RecursionError:
        found = "it is nested too deeply"
    if found is not None:
        scope.error(f"`{scope.name(key)}` is not a JSON Schema that can be used: {found}.", key)
        return ""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))


def _text(repository: Repository, scope: Scope, path: str, key: str) -> str:
    """A file of the repository as text; empty with a problem if it cannot be had."""
    artifact = artifacts.find(repository, scope, path, key)
    if artifact is None:
        return ""
    text, why = _contents(repository, artifact)
    if why:
        scope.error(f"`{scope.name(key)}` names `{artifact.path}`, {why}.", key, found=path)
    return text


def _contents(repository: Repository, artifact: Artifact) -> tuple[str, str]:
    if artifact.kind == "directory":
        return "", "which is a folder: name a file"
    text = repository.text(artifact.path)
    if text is None:
        return "", f"which is not UTF-8 text of {MAX_BODY} bytes at most"
    if text.startswith(LFS.decode()):
        return "", "which is a Git LFS pointer: keep it out of LFS, or set up git-lfs"
    return ("", "which is empty") if not text.strip() else (text, "")


def _has(scope: Scope, key: str) -> bool:
    member = _member(scope.document, scope.prefix)
    return isinstance(member, dict) and key in member


def _member(document: Document, path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    found: Any = document.data
    for part in path:
        found = found[part]
    return found


def _json(scope: Scope, key: str) -> str:
    """The value at the key as JSON text, in the order written; empty with a problem where JSON has no such value."""
    value = _member(scope.document, scope.prefix)[key]
    try:
        text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        scope.error(f"`{scope.name(key)}` cannot be written as JSON: {error}. Quote what is text.", key)
        return ""
    if len(text.encode()) > MAX_BODY:
        scope.error(f"`{scope.name(key)}` has more than {MAX_BODY} bytes.", key, allowed=f"{MAX_BODY} bytes")
    return text


def _plain(value: object) -> object:
    """The value, if it holds only what JSON has; raises `TypeError`."""
    match value:
        case dict():
            alien = next((key for key in value if not isinstance(key, str)), None)
            if alien is not None:
                raise TypeError(f"the key {alien!r} is not text")
            return {key: _plain(member) for key, member in value.items()}
        case list():
            return [_plain(member) for member in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"{str(value)[:40]!r} is a {type(value).__name__}")


def _digest(checks: tuple[Check, ...], max_changed: int | None) -> str:
    facts = [[getattr(one, name) for name in Check.__slots__] for one in checks]
    text = json.dumps([facts, max_changed], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
