"""What happens to a rollout under load: each scene is one, and notes what it saw."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.installation import Ask, Installation
from benchmarks.steady import Answer, Steady

RUNGS = (10, 25, 50, 75)
MODEL_FAILED = 424
"""What clients get where the model failed."""
PAUSE_S = 5.0
"""Of the scene in which Headgate is killed at its start."""
_AFTERWARDS_S = 1.0
"""What is watched after the end of a scene."""


@dataclass
class Stage:
    """An installation with load on it, and what its scenes noted."""

    home: Installation
    load: Steady
    rung_s: float
    """How long each step of the ladder lasts at least."""
    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bad: int = 0
    """Requests that bad releases failed."""
    live: str = ""
    """The release that has all traffic."""
    _made: int = 0

    def ask(self, steps: Sequence[dict[str, Any]], *, bad: bool = False) -> tuple[str, float]:
        """Commit a new release; return its name, and when the ref changed."""
        self._made += 1
        release = f"r{self._made}"
        return release, self.home.commit(Ask(release, policy(steps), bad))

    def note(self, what: str, value: float) -> None:
        """Keep a figure."""
        self.taken[what].append(value)

    def last(self, release: str, since: float) -> float:
        """When that release's last answer came, at the earliest `since`."""
        return max((answer.at for answer in self.load.where(lambda one: one.release == release)), default=since)

    def lost(self) -> Counter[int]:
        """The failed requests so far that no bad release answered, by status (0: no answer)."""
        return Counter(one.status for one in self.load.where(lambda one: one.status not in (200, MODEL_FAILED)))

    def spoilt(self, since: float) -> list[Answer]:
        """The requests since then that a bad release failed."""
        return self.load.where(lambda answer: answer.status == MODEL_FAILED and answer.sent >= since)


def policy(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The policy of every scene but for its steps: judged as the built-in one does."""
    return {
        "kind": "rollout_policy",
        "name": "ladder",
        "steps": [*steps],
        "gates": [{"name": "errors", "metric": "error_rate", "compare": "stable"}],
        "keep_previous": "0s",
    }


def begin(stage: Stage) -> None:
    """The first release, which needs no steps."""
    stage.live, at = stage.ask(_rungs(stage))
    stage.home.up()
    stage.home.told("TrafficSettled", at)


def good(stage: Stage) -> None:
    """A good release climbs the ladder."""
    release, at = stage.ask(_rungs(stage))
    first = stage.home.told("TrafficShifting", at).at.timestamp()
    stage.home.told("TrafficSettled", first)
    time.sleep(_AFTERWARDS_S)
    end, pauses = stage.last(stage.live, at), stage.rung_s * len(RUNGS)
    stage.note(
        "good: failed", len([answer for answer in stage.load.where(bool) if answer.failed and answer.sent >= at])
    )
    stage.note("good: over", end - at - pauses)
    stage.note("good: step", (end - first - pauses) / len(RUNGS))
    stage.live = release


def bad(stage: Stage) -> None:
    """A release that fails every request, on the ladder."""
    _, at = stage.ask(_rungs(stage), bad=True)
    _taken_back(stage, at, "bad")


def bad_at_half(stage: Stage) -> None:
    """The same with half of the traffic at once, so that there are more than ten failures."""
    _, at = stage.ask([_rung(50, stage.rung_s)], bad=True)
    _taken_back(stage, at, "half")


def killed_in_a_pause(stage: Stage) -> None:
    """Headgate gets SIGKILL at the start of a pause, and is started again at once; the end is what clients see."""
    release, at = stage.ask([_rung(RUNGS[0], stage.rung_s), {"pause": f"{PAUSE_S:g}s"}])
    paused = stage.home.told("RolloutPaused", at).at.timestamp()
    stage.note("pause: back", _kill_and_start(stage))
    stage.home.told("TrafficSettled", paused)
    time.sleep(_AFTERWARDS_S)
    stage.note("pause: lasted", stage.last(stage.live, at) - paused)
    stage.live = release


def killed_with_a_bad_release(stage: Stage) -> None:
    """Headgate gets SIGKILL just after a bad release has its first share, and is started again at once."""
    _, at = stage.ask(_rungs(stage), bad=True)
    stage.home.reached(lambda rollout: rollout.state == "shifting" and len(rollout.split) > 1)
    stage.note("killed: back", _kill_and_start(stage))
    _taken_back(stage, at, "killed")
    shifts = [event for event in stage.home.events(at) if event.reason == "TrafficShifting"]
    stage.note("killed: further", len(shifts) - 1)


def superseded(stage: Stage) -> None:
    """A newer release comes while one has half of the traffic, and is aborted when it has half itself."""
    older, at = stage.ask(_to_half())
    stage.home.told("RolloutPaused", at)
    time.sleep(_AFTERWARDS_S)
    newer, at = stage.ask(_to_half())
    decided = stage.home.told("RolloutReverting", at).at.timestamp()
    stage.home.told("RolloutStarted", decided)
    begun = stage.home.reached(lambda rollout: rollout.state == "shifting" and len(rollout.split) > 1)
    stage.home.told("RolloutPaused", decided)
    end = stage.last(older, at)
    stage.note("superseded: from ref", end - at)
    stage.note("superseded: from decision", end - decided)
    stage.note("superseded: first", min(begun.split.values()))
    early = stage.load.where(lambda answer: answer.release == newer and answer.sent < end)
    stage.note("superseded: early", len(early))
    _aborted(stage, newer)


def _aborted(stage: Stage, release: str) -> None:
    time.sleep(_AFTERWARDS_S)
    began, returned = stage.home.order("abort")
    decided = stage.home.told("RolloutReverting", began).at.timestamp()
    stage.home.told("TrafficSettled", decided)
    time.sleep(_AFTERWARDS_S)
    end = stage.last(release, began)
    stage.note("abort: from call", end - began)
    stage.note("abort: from order", end - decided)
    stage.note("abort: from return", end - returned)


def _kill_and_start(stage: Stage) -> float:
    """SIGKILL, and start at once; return how long it took until Headgate answers again."""
    killed = stage.home.kill()
    stage.home.up()
    stage.home.reached(lambda _: True)
    return time.time() - killed


def _taken_back(stage: Stage, at: float, name: str) -> None:
    refused = stage.home.told("ReleaseRefused", at).at.timestamp()
    stage.home.told("TrafficSettled", refused)
    time.sleep(_AFTERWARDS_S)
    spoilt = stage.spoilt(at)
    stage.bad += len(spoilt)
    stage.note(f"{name}: bad", len(spoilt))
    if spoilt:
        stage.note(f"{name}: seconds", spoilt[-1].at - spoilt[0].at)
    if len(spoilt) >= 10:
        stage.note(f"{name}: after tenth", spoilt[-1].at - spoilt[9].at)


def _rung(weight: int, seconds: float) -> dict[str, Any]:
    return {"weight": weight, "for": f"{seconds:g}s"}


def _rungs(stage: Stage) -> list[dict[str, Any]]:
    return [_rung(weight, stage.rung_s) for weight in RUNGS]


def _to_half() -> list[dict[str, Any]]:
    return [_rung(10, 2), _rung(25, 1), _rung(50, 0), {"pause": "approval"}]


Scene = Callable[[Stage], None]
SCENES: tuple[Scene, ...] = (good, bad, bad_at_half, killed_in_a_pause, killed_with_a_bad_release, superseded)
