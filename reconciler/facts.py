"""What a transition may depend on, from want, observation and memory. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from observability.verdict import Verdict
from reconciler import scale
from reconciler.calendar import opening
from reconciler.conditions import trouble
from reconciler.ladder import Looks
from reconciler.plan import Seen, Want
from reconciler.refusals import active, against, digest_of_checks, effective
from reconciler.routing import project
from reconciler.run import Run, Said
from reconciler.split import Split, describe
from reconciler.state import Memory, Removing, run_of, split_of, trial_of
from reconciler.target import target_split
from reconciler.transition import Facts
from router.shield import shielded
from runtime.replica import Blame, ReleaseSeen, Stage
from spec.catalog import EndpointSpec
from spec.policy import BUILT_IN, Weight

LEAST_SILENCE = timedelta(seconds=5)
CHECKS, WARMUP = "checks", "warmup"
"""Names of the examinations that belong to no gate."""


def asked(want: Want, memory: Memory) -> EndpointSpec | None:
    """The spec that holds now; None if the endpoint shall go (or never had a good one)."""
    if removal(want):
        return None
    return memory.spec


def removal(want: Want) -> bool:
    """Whether Git, unmistakably, does not ask for the endpoint."""
    return want.spec is None and not want.problems and not want.held


def facts(want: Want, seen: Seen, memory: Memory, now: datetime) -> Facts:
    """Everything that the next transition depends on."""
    spec = asked(want, memory)
    policy = spec.policy if spec else BUILT_IN
    run = run_of(memory.phase)
    return Facts(
        target=None if removal(want) else target(memory, spec),
        ready=scale.ready(memory, seen),
        live=frozenset(name for name, release in (seen.releases or {}).items() if release.ready),
        acknowledged=acknowledged(want, seen, memory),
        now=now,
        since=seen.since,
        policy=policy,
        opening=opening(policy, now),
        looks=_looks(memory, seen, run, now),
        excused=frozenset(name for name, release in (seen.releases or {}).items() if _is_excused(release)),
        troubles={name: found[1] for name, one in (seen.releases or {}).items() if (found := trouble(one))},
        checked=_checked(memory, seen, run) if run is not None and not run.begun else {},
        checks=digest_of_checks(spec),
        patience=patience(memory, run),
        shielded=_shielded(want, seen, memory),
        standing=_standing(want, memory, spec),
    )


def _standing(want: Want, memory: Memory, spec: EndpointSpec | None) -> tuple[str, str] | None:
    """Why a settled split is not what Git asks for; None: nothing stands in the way."""
    if want.problems:
        return ("InvalidSpec", f"{want.problems[0]}; the last good spec goes on")
    if want.held:
        return ("RemovalHeld", want.held)
    asked = target_split(spec)
    if spec is None or split_of(memory.phase) == asked:
        return None
    refusal = against(asked, active(memory, spec.policy))
    if refusal is None:
        return None
    whom = ", ".join(refusal.guilty) or describe(asked)
    return (refusal.reason, f"{whom} was refused: {refusal.told_of(whom)}")


def target(memory: Memory, spec: EndpointSpec | None) -> Split:
    """T, without what was refused."""
    policy = spec.policy if spec else BUILT_IN
    return effective(target_split(spec), memory, policy)


def acknowledged(want: Want, seen: Seen, memory: Memory) -> bool:
    """Whether Envoy confirmed the split of the present phase, with no newer push in flight."""
    if seen.route is None or not seen.route.settled:
        return False
    if isinstance(memory.phase, Removing) or seen.route.route is None:
        return seen.route.route is None and not split_of(memory.phase)
    route = project(memory, seen, want.auth)
    shown = seen.route.route
    return (shown.split, shown.preview) == (route.split, route.preview)


def patience(memory: Memory, run: Run | None) -> timedelta:
    """How long a request to a candidate may be in progress."""
    known = (memory.known(name) for name in (run.candidates if run else ()))
    return max((scale.longest(one) for one in known if one is not None), default=timedelta())


def _shielded(want: Want, seen: Seen, memory: Memory) -> bool:
    """Whether whatever the releases on trial fail is answered by another one, as the route is now."""
    judged = trial_of(memory.phase)
    if judged is None or not judged.policy.shield or isinstance(memory.phase, Removing):
        return False
    route = project(memory, seen, want.auth)
    covered = shielded(route)
    return bool(route.trial) and all(release in covered for release in route.trial)


def _looks(memory: Memory, seen: Seen, run: Run | None, now: datetime) -> Looks:
    counting = seen.reading is not None
    trial = trial_of(memory.phase)
    if run is None:
        return Looks(trial.said, counting) if trial is not None else Looks()
    quiet = quiet_until(run)
    silent = counting and run.evidence.is_silent and quiet is not None and now >= quiet
    warmed = _warmed(run, seen)
    return Looks(run.said, counting, silent, warmed is not None, "; ".join(warmed or ()))


def quiet_until(run: Run) -> datetime | None:
    """When an endpoint without requests has been silent long enough; None: not counted, or not on a step.

    As long as the present step lasts, counted without a gap: a Headgate that has just come back has seen nothing yet.
    """
    since, entered = run.evidence.since, run.entered
    if since is None or entered is None:
        return None
    rung = run.rung
    length = rung.for_s if isinstance(rung, Weight) else 0
    return max(since, entered) + max(LEAST_SILENCE, timedelta(seconds=length))


def _warmed(run: Run, seen: Seen) -> tuple[str, ...] | None:
    """What warming up came to, by candidate; None: it did not end for all of them."""
    since = run.entered
    found = [seen.examined.get((WARMUP, release)) for release in run.candidates]
    said = tuple(one.message for one in found if one is not None and since is not None and one.at >= since)
    return said if since is not None and len(said) == len(found) else None


def _is_excused(release: ReleaseSeen) -> bool:
    stage = release.preparation.stage
    if stage in (Stage.PENDING, Stage.PREPARING):
        return True
    return stage is Stage.FAILED and release.preparation.blame is Blame.WORLD


def _checked(memory: Memory, seen: Seen, run: Run) -> Mapping[str, Said]:
    """What the checks in Git say of the candidates, before their first share."""
    found = {}
    for release in checked_releases(memory, run):
        one = seen.examined.get((CHECKS, release))
        if one is None or one.at < run.started:
            found[release] = Said(CHECKS, release, Verdict.INCONCLUSIVE, "Checking", f"{release}: its checks run")
        else:
            found[release] = Said(CHECKS, release, one.verdict, "Checked", one.message)
    return found


def checked_releases(memory: Memory, run: Run) -> tuple[str, ...]:
    """The candidates whose deployment has checks for exactly this release."""
    deployments = memory.spec.deployments if memory.spec else ()
    having = {found.release.name for found in deployments if found.checks is not None}
    return tuple(release for release in run.candidates if release in having)
