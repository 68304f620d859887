"""The steps of a policy: a list, or a ladder that is generated."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from spec.durations import seconds
from spec.fields import STEPS, Float, Int, Str, between, choice, reject
from spec.findings import Scope
from spec.near import near
from spec.policy import WHOLE, AwaitGate, Gate, Mirror, Pause, Preview, Step, WarmUp, Weight
from spec.rollout.words import DAY, MONTH, HeaderName, HeaderValue, Own, Pace, Period, Share, duration, whole_percent

MAX_STEPS = 100
APPROVAL = "approval"
_START, _EVERY, _TOP = 100, 1000, 5000
"""What a ladder does if its fields are not given, in hundredths of a percent."""


def _pause(value: object) -> float | None:
    if isinstance(value, str) and value.strip().lower() == APPROVAL:
        return None
    found = None if isinstance(value, bool) or not isinstance(value, int | float | str) else seconds(str(value))
    if found is None or not 0 < found <= MONTH:
        message = "must be `approval`, or a duration of 31 days at most such as 10m."
        raise reject(message, "approval, a duration", "headgate")
    return found


def _some(value: dict[str, str]) -> dict[str, str]:
    if not value:
        raise reject("must have at least one header.", "header: value", "headgate")
    return value


class WeightStep(Own):
    """Move so far, and stay for a time."""

    shape: ClassVar[str] = "<weight>"
    weight: Share = Field(description="Percent of the move; each is above the one before.")
    for_s: Annotated[float, duration(0, MONTH)] = Field(default=0, alias="for", description="Stay at least so long.")


class PauseStep(Own):
    """Stay for a time, or until somebody approves."""

    shape: ClassVar[str] = "<pause>"
    pause: Annotated[
        float | None,
        BeforeValidator(_pause),
        WithJsonSchema({"type": ["string", "number"], "examples": [APPROVAL, "10m"]}),
    ] = Field(description="`approval`, or a duration.")
    expires: Annotated[float, duration(1, 3 * MONTH)] | None = Field(
        default=None, description="With `approval`: if none has come by then, traffic returns. Not given: it waits."
    )

    @field_validator("expires")
    @classmethod
    def check_approval(cls, value: float | None, info: ValidationInfo) -> float | None:
        """Only an approval can expire."""
        if info.data.get("pause", None) is not None:
            raise reject("goes only with `pause: approval`: delete it.", "", "headgate")
        return value


class GateStep(Own):
    """Stay until a gate is good."""

    shape: ClassVar[str] = "<gate>"
    gate: Str = Field(description="The name of one of the policy's gates.")
    for_s: Annotated[float, duration(0, MONTH)] = Field(default=0, alias="for", description="Stay at least so long.")


class MirrorStep(Own):
    """Copy requests to the candidate, whose answers nobody sees."""

    shape: ClassVar[str] = "<mirror>"
    mirror: Annotated[int, whole_percent(1, 50)] = Field(description="Percent of live requests that are copied.")
    for_s: Annotated[float, duration(1, MONTH)] = Field(alias="for", description="How long.")


class WarmUpStep(Own):
    """Send the deployment's checks to each replica of the candidate."""

    shape: ClassVar[str] = "<warmup>"
    warmup: Annotated[Int, between(1, 100_000, kind="headgate")] = Field(
        description="At most so many requests to each replica; it ends when latency is steady."
    )
    for_s: Annotated[float, duration(1, DAY)] = Field(default=60, alias="for", description="At most so long.")


class PreviewStep(Own):
    """Send requests with these headers to the candidate, whatever its share."""

    shape: ClassVar[str] = "<headers>"
    headers: Annotated[dict[HeaderName, HeaderValue], AfterValidator(_some)] = Field(
        description="Header → exact value; a request must have all of them."
    )
    for_s: Annotated[float, duration(0, MONTH)] = Field(default=0, alias="for", description="Stay at least so long.")


def _word(value: object) -> str | None:
    """The tag of a step: the one word in it that says what it does, or one much like it."""
    if not isinstance(value, dict):
        return None
    found = [word for word in STEPS if word in value]
    guesses = found or [word for word in (near(str(key), STEPS) for key in value) if word is not None]
    return f"<{guesses[0]}>" if len(found) <= 1 and guesses else None


_LISTED = ", ".join(STEPS)
StepFields = Annotated[
    Annotated[WeightStep, Tag("<weight>")]
    | Annotated[PauseStep, Tag("<pause>")]
    | Annotated[GateStep, Tag("<gate>")]
    | Annotated[MirrorStep, Tag("<mirror>")]
    | Annotated[WarmUpStep, Tag("<warmup>")]
    | Annotated[PreviewStep, Tag("<headers>")],
    Discriminator(
        _word,
        custom_error_type="headgate",
        custom_error_message=f"must be a mapping with exactly one of: {_LISTED}.",
    ),
]


class Ladder(Own):
    """Steps that are generated: `linear` adds `every`, `exponential` multiplies by `factor`."""

    shape: ClassVar[str] = "<ladder>"
    ladder: Annotated[Literal["linear", "exponential"], choice("linear", "exponential")] = Field(
        description="How the shares grow."
    )
    start: Share | None = Field(
        default=None, description="The first share in percent; not given: `every` (linear), 1 (exponential)."
    )
    every: Pace | None = Field(
        default=None,
        description="Linear: so many percent more at each step (10). A duration is `for` by another name.",
    )
    factor: Float | None = Field(default=None, description="Exponential: so many times more; 2 if not given.")
    max: Share | None = Field(
        default=None, description="The last share before the rest of the move: 50 if not given."
    )
    for_s: Annotated[float, duration(0, MONTH)] | None = Field(
        default=None, alias="for", description="Stay at least so long on each; required, unless `every` says it."
    )

    @property
    def grows(self) -> int | None:
        """Hundredths of a percent more at each step, where that is said."""
        return self.every if isinstance(self.every, int) else None

    @property
    def lasts(self) -> float | None:
        """Seconds on each step."""
        return self.every.seconds if isinstance(self.every, Period) else self.for_s


def _form(value: object) -> str | None:
    match value:
        case list():
            return "<steps>"
        case dict():
            return "<ladder>"
        case _:
            return None


_FORM = "must be a list of steps, or a mapping with `ladder`."
StepsField = Annotated[
    Annotated[list[StepFields], Tag("<steps>")] | Annotated[Ladder, Tag("<ladder>")],
    Discriminator(_form, custom_error_type="headgate", custom_error_message=_FORM),
]


def resolve(scope: Scope, fields: list[Any] | Ladder, gates: tuple[Gate, ...]) -> tuple[Step, ...]:
    """The steps, with problems where they contradict each other or the policy's gates."""
    if isinstance(fields, Ladder):
        return _climb(scope, fields)
    if not 1 <= len(fields) <= MAX_STEPS:
        message = f"`steps` must have 1 to {MAX_STEPS} steps; to move at once write `strategy: immediate` instead."
        scope.error(message, allowed=f"1 to {MAX_STEPS} steps")
    steps = tuple(_step(one) for one in fields)
    _check_growth(scope, steps)
    _check_order(scope, steps)
    _check_gates(scope, steps, gates)
    return steps


def _step(fields: object) -> Step:
    match fields:
        case WeightStep():
            return Weight(fields.weight, fields.for_s)
        case PauseStep():
            return Pause(fields.pause, fields.expires)
        case GateStep():
            return AwaitGate(fields.gate, fields.for_s)
        case MirrorStep():
            return Mirror(fields.mirror, fields.for_s)
        case WarmUpStep():
            return WarmUp(fields.warmup, fields.for_s)
        case PreviewStep():
            return Preview(tuple(sorted(fields.headers.items())), fields.for_s)
        case _:
            raise TypeError(f"no step: {fields!r}")


def _check_growth(scope: Scope, steps: tuple[Step, ...]) -> None:
    weights = [(index, step.weight) for index, step in enumerate(steps) if isinstance(step, Weight)]
    for (_, before), (index, weight) in pairwise(weights):
        if weight <= before:
            message = f"`{scope.name(index, 'weight')}` must be above {_percent(before)}, the weight before it."
            scope.error(message, index, "weight", found=_percent(weight), allowed=f"above {_percent(before)}")


def _check_order(scope: Scope, steps: tuple[Step, ...]) -> None:
    """Refuse what needs a candidate without a share after the first weight."""
    first = next((index for index, step in enumerate(steps) if isinstance(step, Weight)), len(steps))
    for index, step in enumerate(steps):
        if index > first and isinstance(step, Mirror | Preview):
            message = (
                f"`{step.kind}` must come before the first `weight`: from then on the candidate has live requests."
            )
            scope.error(message, index, step.kind)


def _check_gates(scope: Scope, steps: tuple[Step, ...], gates: tuple[Gate, ...]) -> None:
    by_name = {gate.name: gate for gate in gates}
    first = next((index for index, step in enumerate(steps) if isinstance(step, Weight)), len(steps))
    for index, step in enumerate(steps):
        if not isinstance(step, AwaitGate):
            continue
        gate = by_name.get(step.gate)
        if gate is None:
            scope.unknown("the gate", step.gate, by_name, index, "gate")
        elif gate.dry_run:
            message = f"The gate `{gate.name}` only reports (`dry_run`), so no step can wait for it."
            scope.error(message, index, "gate", found=gate.name)
        elif index < first and gate.metric in ("error_rate", "latency"):
            message = (
                f"The gate `{gate.name}` judges live requests, and before the first `weight` the candidate has none: "
                "put this step after it, or wait for a gate with `metric: checks` or `http`."
            )
            scope.error(message, index, "gate", found=gate.name)


def _climb(scope: Scope, fields: Ladder) -> tuple[Step, ...]:
    is_linear = fields.ladder == "linear"
    alien, given = ("factor", fields.factor) if is_linear else ("every", fields.grows)
    if fields.lasts is None:
        scope.error("A ladder needs `for`: how long each of its steps lasts, 2m for one.", "ladder")
        return ()
    if isinstance(fields.every, Period) and fields.for_s is not None:
        scope.error("`every` with a duration and `for` say the same: delete one.", "every")
    if given is not None:
        scope.error(f"`{scope.name(alien)}` has no meaning in a ladder that is {fields.ladder}: delete it.", alien)
    if fields.factor is not None and fields.factor <= 1:
        scope.error("`factor` must be above 1.", "factor", found=fields.factor, allowed="above 1")
        return ()
    shares = list(_rungs(fields, is_linear=is_linear))
    if len(shares) > MAX_STEPS:
        scope.error(f"This ladder has more than {MAX_STEPS} steps: let it grow faster.", "ladder")
    return tuple(Weight(share, fields.lasts) for share in shares)


def _rungs(fields: Ladder, *, is_linear: bool) -> Iterator[int]:
    """Shares below `max`, each above the one before, and `max`; one more than `MAX_STEPS` at most."""
    top, every, factor = fields.max or _TOP, fields.grows or _EVERY, Decimal(str(fields.factor or 2))
    exact = Decimal(fields.start or (every if is_linear else _START))
    last = 0
    for _ in range(MAX_STEPS):
        share = max(round(exact), last + 1)
        if share >= top:
            break
        yield share
        last, exact = share, (exact + every if is_linear else exact * factor)
    yield top


def _percent(share: int) -> str:
    return f"{share * 100 / WHOLE:g}"
