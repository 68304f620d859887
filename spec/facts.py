"""What the loader remembers of each file that is ours: enough to know who is affected by a change."""

import posixpath
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel

from spec.azure.asset import EnvironmentFile, ModelFile
from spec.document import Document
from spec.near import listing, suggestion
from spec.placeholders import is_unfilled
from spec.problem import Problem, Severity
from spec.recognition import (
    Kind,
    is_plausible,
    is_presumable,
    recognise,
    scan_checked,
    scan_claimed,
    scan_endpoint,
    scan_kind,
)
from spec.rollout.choice import Claim
from spec.rollout.policy import read_policy
from spec.settings import KINDS
from spec.validation import validate

FactKind = Kind | Literal["broken", "unread", "presumable"]
"""`presumable`: nothing of ours, unless a deployment makes it an endpoint (see `spec.presumption`)."""

_OWNED = ("endpoint", "deployment", "checks", "broken")


@dataclass(frozen=True, slots=True)
class Fact:
    """One file of ours."""

    path: str
    kind: FactKind
    name: str = ""
    """Its own name: an endpoint's in lower case, an asset's as written."""
    endpoint: str = ""
    """The endpoint that it belongs to, in lower case; empty: its folder must tell."""
    version: str = "1"
    problems: tuple[Problem, ...] = ()
    """Of a file that cannot be read, of an asset, and of a policy."""
    claim: Claim | None = None
    """Of a policy: to whom it belongs."""
    is_presumed: bool = False
    """Whether only a deployment that asks for it makes it an endpoint."""

    @property
    def folder(self) -> str:
        """The folder that it is in."""
        return posixpath.dirname(self.path)

    @property
    def is_loose(self) -> bool:
        """Whether only its folder can tell which endpoint it belongs to."""
        return self.kind in ("deployment", "checks", "broken") and not self.endpoint

    @property
    def is_presumable(self) -> bool:
        """Whether it is an endpoint only if a deployment asks for it."""
        return self.is_presumed or self.kind == "presumable"

    @property
    def is_flagged(self) -> bool:
        """Whether it has something to say on its own."""
        return self.kind in ("settings", "values", "checks", "unknown", "unread") or (
            self.kind in ("model", "environment") and bool(self.problems)
        )

    @property
    def asset(self) -> tuple[str, str] | None:
        """Kind and name, of a model or environment."""
        return (self.kind, self.name) if self.kind in ("model", "environment") else None


def is_yaml(path: str) -> bool:
    """Whether a path is worth a look."""
    return path.lower().endswith((".yml", ".yaml"))


def gather(document: Document, before: Fact | None) -> Fact | None:
    """What a parsed and filled file says of itself; None: nothing of ours. `before` is what it was before."""
    if document.data is None and document.problems:
        return _broken(document, before)
    kind = recognise(document.mapping)
    match kind:
        case None:
            return _presumable(document)
        case "endpoint":
            return _endpoint(document, before)
        case "model" | "environment":
            return _asset(document, kind)
        case _:
            return _fact(document, kind)


def _fact(document: Document, kind: Kind) -> Fact:
    match kind:
        case "deployment":
            return _deployment(document)
        case "rollout_policy":
            return _policy(document)
        case "checks":
            return _checks(document)
        case _:
            return Fact(document.file, kind, problems=_unknown(document) if kind == "unknown" else ())


def _unknown(document: Document) -> tuple[Problem, ...]:
    found = document.mapping.get("kind")
    hint = suggestion(str(found).replace("-", "_"), KINDS)
    message = f"This file's `kind` is not one that is known here ({listing(KINDS)}), so it is not used.{hint}"
    problem = document.problem(("kind",), message, found=found, allowed=", ".join(KINDS))
    return (replace(problem, severity=Severity.WARNING),)


def _endpoint(document: Document, before: Fact | None) -> Fact:
    """An endpoint without a name is a broken file: it could be any endpoint's, or the one that it was."""
    name = _text(document.mapping.get("name")).lower()
    if name and not is_unfilled(name):
        return Fact(document.file, "endpoint", name, name)
    owner = before.endpoint if before is not None and before.kind in _OWNED else ""
    missing = document.problem(("name",), "`name` is missing and required: add it.", allowed="a name")
    return Fact(document.file, "broken", "", owner, problems=document.problems or (missing,))


def _presumable(document: Document) -> Fact | None:
    name = _text(document.mapping.get("name")).lower()
    found = is_presumable(document.mapping, document.file) and not is_unfilled(name)
    return Fact(document.file, "presumable", name) if found else None


def _deployment(document: Document) -> Fact:
    name, endpoint = (_text(document.mapping.get(key)).lower() for key in ("name", "endpoint_name"))
    if is_unfilled(endpoint):
        return Fact(document.file, "broken", name, problems=document.problems)
    return Fact(document.file, "deployment", name, endpoint)


def _asset(document: Document, kind: FactKind) -> Fact:
    data = document.mapping
    model: type[BaseModel] = ModelFile if kind == "model" else EnvironmentFile
    version = _text(data.get("version")) or "1"
    problems = (*document.problems, *validate(model, document, document.data)[1])
    return Fact(document.file, kind, _text(data.get("name")), version=version, problems=problems)


def _checks(document: Document) -> Fact:
    name, endpoint = (_text(document.mapping.get(key)).lower() for key in ("deployment", "endpoint"))
    if is_unfilled(endpoint):
        return Fact(document.file, "broken", name, problems=document.problems)
    return Fact(document.file, "checks", name, endpoint)


def _policy(document: Document) -> Fact:
    found, problems = read_policy(document)
    claim = Claim(document.file, problems=problems, is_known=False)
    if found is not None:
        claim = Claim(document.file, found.policy, found.endpoints, found.tags, problems)
    return Fact(document.file, "rollout_policy", _text(document.mapping.get("name")), problems=problems, claim=claim)


def _broken_policy(document: Document, before: Fact | None) -> Fact:
    """A policy that does not parse: it concerns whom it seems to name now, and whom it concerned before."""
    old = before.claim if before is not None else None
    names = tuple(dict.fromkeys((*scan_claimed(document.text), *(old.names if old is not None else ()))))
    blank = Claim(document.file, is_known=bool(names)) if old is None else old
    claim = replace(blank, names=names, is_known=blank.is_known or bool(names), problems=document.problems)
    return Fact(document.file, "rollout_policy", problems=document.problems, claim=claim)


def _broken(document: Document, before: Fact | None) -> Fact | None:
    """A file that does not parse, if it is ours as far as can be told."""
    if before is not None and before.kind in _OWNED:
        owner = before.endpoint or scan_endpoint(document.text) or scan_checked(document.text)
        return Fact(document.file, "broken", before.name, owner, problems=document.problems)
    if (before is not None and before.kind == "rollout_policy") or scan_kind(document.text) == "rollout_policy":
        return _broken_policy(document, before)
    if before is not None and before.kind in (*KINDS, "model", "environment"):
        return replace(before, problems=document.problems)
    return _newly_broken(document)


def _newly_broken(document: Document) -> Fact | None:
    """A file that does not parse, of which nothing is known from before."""
    if not document.text:
        return Fact(document.file, "unread", problems=document.problems)
    if is_plausible(document.text):
        return Fact(document.file, "broken", "", scan_endpoint(document.text) or "", problems=document.problems)
    kind = scan_kind(document.text)
    if kind == "checks":
        return Fact(document.file, "broken", "", scan_checked(document.text), problems=document.problems)
    return Fact(document.file, kind, problems=document.problems) if kind is not None else None


def _text(value: object) -> str:
    return "" if value is None else str(value)
