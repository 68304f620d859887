"""The policies that scripts and the simulation name."""

from dataclasses import replace

from spec.policy import (
    IMMEDIATE,
    AwaitGate,
    Freeze,
    Gate,
    Mirror,
    Pause,
    Preview,
    RolloutPolicy,
    Sticky,
    WarmUp,
    Weight,
)

STEPWISE = RolloutPolicy(keep_s=60, watch_s=60)
POLICIES = {
    "immediate": IMMEDIATE,
    "stepwise": STEPWISE,
    "brief": replace(STEPWISE, steps=(Weight(1000, 10),), keep_s=0, watch_s=0),
    "careful": replace(STEPWISE, steps=(Weight(1000, 10), Pause(expires_s=3600), Weight(5000, 20), Pause(for_s=30))),
    "proportional": replace(STEPWISE, surge="proportional"),
    "shield": replace(STEPWISE, shield=True),
    "sticky": replace(STEPWISE, sticky=Sticky(cookie="release")),
    "ungated": replace(STEPWISE, gates=()),
    "patient": replace(STEPWISE, gates=(Gate("errors", compare_stable=True, starved="hold"),)),
    "eager": replace(STEPWISE, gates=(Gate("errors", compare_stable=True, starved="proceed"),)),
    "dry": replace(STEPWISE, gates=(Gate("errors", compare_stable=True, dry_run=True),)),
    "window": replace(STEPWISE, gates=(Gate("errors", max=0.1, test="threshold", interval_s=5, failure_limit=1),)),
    "confirm": replace(STEPWISE, gates=(Gate("confirm", metric="http", url="http://127.0.0.1/ok", interval_s=5),)),
    "confirm-first": replace(
        STEPWISE,
        steps=(AwaitGate("confirm"), Weight(5000, 10)),
        gates=(Gate("confirm", metric="http", url="http://127.0.0.1/ok", interval_s=5),),
    ),
    "shield-alone": replace(STEPWISE, gates=(), shield=True),
    "mirror": replace(STEPWISE, steps=(Mirror(20, 10), Weight(1000, 10))),
    "preview": replace(STEPWISE, steps=(Preview((("x-beta", "1"),), 10), Pause(), Weight(1000, 10))),
    "warmup": replace(STEPWISE, steps=(WarmUp(20, 30), Weight(1000, 10))),
    "until-good": replace(STEPWISE, steps=(Weight(1000), AwaitGate("errors"))),
    "frozen": replace(STEPWISE, freezes=(Freeze("2030-01-01T00:05:00", "2030-01-01T00:10:00", "audit"),)),
    "hasty": replace(STEPWISE, progress_deadline_s=60),
}
