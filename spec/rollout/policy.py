"""`kind: rollout_policy` files to policies, and to whom they belong."""

import re
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from spec.document import Document
from spec.fields import Bool, Facts, Str, choice, reject
from spec.findings import Findings, Scope
from spec.pairs import pairs
from spec.policy import BUILT_IN, IMMEDIATE, Attachment, RolloutPolicy, Sticky
from spec.problem import Problem
from spec.rollout import calendar, gates, steps
from spec.rollout.calendar import FreezeFields, WindowFields, Zone
from spec.rollout.gates import GateFields
from spec.rollout.steps import StepsField
from spec.rollout.words import DAY, Cookie, HeaderName, Own, duration, proportion
from spec.validation import validate

_PATTERN = re.compile(r"[a-z0-9*?-]{1,64}")
_MAX_NAME = 64


def _name(value: str) -> str:
    if not value.strip() or len(value) > _MAX_NAME or not value.isprintable():
        message = f"must be 1 to {_MAX_NAME} printable characters."
        raise reject(message, f"1 to {_MAX_NAME} characters", "headgate")
    return value.strip()


def _pattern(value: str) -> str:
    if not _PATTERN.fullmatch(value.lower()):
        message = "must be an endpoint's name, or a pattern of it with `*` and `?`."
        raise reject(message, "letters, digits, hyphens, * and ?", "headgate")
    return value.lower()


class StickyFields(Own):
    """Keep a client on its release by a cookie or by a header."""

    cookie: Cookie | None = Field(default=None, description="The name of a cookie that the router sets.")
    header: HeaderName | None = Field(default=None, description="The name of a header that tells clients apart.")
    ttl: Annotated[float, duration(1, 400 * DAY)] | None = Field(
        default=None, description="How long the cookie lasts. Default: 1d."
    )


class PolicyFile(Own):
    """How traffic moves; attached to endpoints by name, by tags, or to all that no other policy names."""

    dropped = ("$schema",)

    kind: Literal["rollout_policy"] = Field(description="Says that this is a rollout policy.")
    name: Annotated[Str, AfterValidator(_name)] = Field(description="Its name, as status and events show it.")
    endpoints: list[Annotated[Str, AfterValidator(_pattern)]] | None = Field(
        default=None, description="Names of endpoints, and patterns with `*` and `?`."
    )
    tags: Facts | None = Field(default=None, description="Endpoints with all of these tags.")
    strategy: Annotated[Literal["stepwise", "immediate"], choice("stepwise", "immediate")] = Field(
        default="stepwise", description="`immediate`: one step, unwatched, as Azure does it."
    )
    steps: StepsField | None = Field(
        default=None, description="A list of steps or a ladder; the rest of the move follows. Default: 5, 25, 50."
    )
    gates: list[GateFields] | None = Field(
        default=None, description="What must hold to go on. Default: error rate against the stable release."
    )
    false_alarm_rate: Annotated[float, proportion(0.0001, 0.5)] = Field(
        default=0.01, description="How often a candidate that is no worse may be refused, per rollout."
    )
    windows: list[WindowFields] = Field(default=[], description="Times in which steps may be taken. Default: always.")
    freezes: list[FreezeFields] = Field(default=[], description="Times in which none is taken.")
    time_zone: Zone = Field(default="UTC", description="Of windows and freezes: `Europe/Berlin`.")
    progress_deadline: Annotated[float, duration(10, 7 * DAY)] | None = Field(
        default=None, description="Without progress for so long the move is given up. Default: 10m."
    )
    surge: Annotated[Literal["full", "proportional"], choice("full", "proportional")] = Field(
        default="full", description="`proportional`: the candidate has replicas for its share, not all of them."
    )
    sticky: StickyFields | None = Field(default=None, description="Keep each client on its release.")
    shield: Bool = Field(
        default=False, description="Let the stable release answer what a candidate fails; scoring is then repeated."
    )
    keep_previous: Annotated[float, duration(0, 7 * DAY)] | None = Field(
        default=None, description="How long the replaced release stays warm. Default: 10m, or `watch` if longer."
    )
    watch: Annotated[float, duration(0, 7 * DAY)] | None = Field(
        default=None,
        description="How long a promoted release is judged. Default: 10m, or `keep_previous` if shorter.",
    )


def read_policy(document: Document) -> tuple[Attachment | None, tuple[Problem, ...]]:
    """The policy in a file, and to whom it belongs.

    With problems it is to whom a policy that cannot be used would belong; None: the file does not tell.
    """
    fields, problems = validate(PolicyFile, document, document.data)
    wrong = (*document.problems, *problems)
    if fields is None or wrong:
        return guess(document), wrong
    findings = Findings()
    found = _attachment(Scope(document, findings), fields)
    return (guess(document) if findings.problems else found), tuple(findings.problems)


def guess(document: Document) -> Attachment | None:
    """To whom a policy that is wrong belongs, as far as its fields can be read."""
    data = document.mapping
    names, tags = data.get("endpoints", []), data.get("tags", {})
    if not data or not isinstance(names, list) or not isinstance(tags, dict):
        return None
    patterns = tuple(name.lower() if isinstance(name, str) else "" for name in names)
    if not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
        return None
    is_meant_otherwise = ("endpoints" in data and not names) or ("tags" in data and not tags)
    return None if is_meant_otherwise else Attachment(BUILT_IN, patterns, pairs(tags))


def _attachment(scope: Scope, fields: PolicyFile) -> Attachment:
    if fields.endpoints is not None and fields.tags is not None:
        scope.error("A policy has `endpoints` or `tags`, not both: delete one.", "tags")
    for key, value in (("endpoints", fields.endpoints), ("tags", fields.tags)):
        if value is not None and not value:
            message = (
                f"`{key}` is empty: name endpoints, or delete the key and the policy is the repository's default."
            )
            scope.error(message, key)
    return Attachment(_policy(scope, fields), tuple(fields.endpoints or ()), pairs(fields.tags or {}))


def _policy(scope: Scope, fields: PolicyFile) -> RolloutPolicy:
    base = IMMEDIATE if fields.strategy == "immediate" else BUILT_IN
    if fields.strategy == "immediate":
        _check_immediate(scope, fields)
    found_gates = base.gates if fields.gates is None else gates.resolve(scope.below("gates"), fields.gates)
    keep, watch = _afterwards(scope, fields, base)
    return RolloutPolicy(
        name=fields.name,
        file=scope.document.file,
        strategy=fields.strategy,
        steps=base.steps if fields.steps is None else steps.resolve(scope.below("steps"), fields.steps, found_gates),
        gates=found_gates,
        false_alarm_rate=fields.false_alarm_rate,
        windows=calendar.windows(scope.below("windows"), fields.windows),
        freezes=calendar.freezes(scope.below("freezes"), fields.freezes),
        time_zone=fields.time_zone,
        progress_deadline_s=base.progress_deadline_s
        if fields.progress_deadline is None
        else fields.progress_deadline,
        surge=fields.surge,
        sticky=_sticky(scope.below("sticky"), fields.sticky),
        shield=fields.shield,
        keep_s=keep,
        watch_s=watch,
    )


def _check_immediate(scope: Scope, fields: PolicyFile) -> None:
    """One step, unwatched: nothing may be asked for that only steps have."""
    for key in ("steps", "gates", "watch"):
        if getattr(fields, key):
            message = f"`{key}` has no meaning with `strategy: immediate`: delete it, or write `strategy: stepwise`."
            scope.error(message, key)


def _afterwards(scope: Scope, fields: PolicyFile, base: RolloutPolicy) -> tuple[float, float]:
    """How long the replaced release is kept and the new one watched, each made to fit the other."""
    keep, watch = fields.keep_previous, fields.watch
    if keep is not None and watch is not None and watch > keep:
        message = "`watch` must not be longer than `keep_previous`: there would be nothing to return to."
        scope.error(message, "watch", allowed="at most `keep_previous`")
    found_keep = max(base.keep_s, watch or 0) if keep is None else keep
    return found_keep, min(base.watch_s, found_keep) if watch is None else watch


def _sticky(scope: Scope, fields: StickyFields | None) -> Sticky | None:
    if fields is None:
        return None
    if (fields.cookie is None) == (fields.header is None):
        scope.error("`sticky` must have exactly one of `cookie` and `header`.", allowed="cookie, header")
    if fields.ttl is not None and fields.cookie is None:
        scope.error("`ttl` goes only with `cookie`: a header has no end.", "ttl")
    found = Sticky(cookie=fields.cookie or "", header=fields.header or "")
    return found if fields.ttl is None else replace(found, ttl_s=round(fields.ttl))
