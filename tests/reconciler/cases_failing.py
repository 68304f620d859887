"""What happens when something fails, is refused or comes back, and which policy holds (rows as in `cases.py`)."""

from cases import AT_5, AT_25, PROMOTED, SETTLED, TWO, Case

FAILING = [
    Case(
        "never-ready-refuses",
        "`init()` raising and never ready *refuse* the release.",
        SETTLED
        + "push blue=2x2 : blue 100\nstep\nfails blue@2 InitFailed\nwait 599s\nstep\n= warming\nwait 2s\nstep\n"
        "= settled on blue@1 100%\nwait 3600s\nstep\n= settled on blue@1 100%\n= ready    False DeadlineExceeded",
    ),
    Case(
        "bad-verdict-refuses",
        "A bad verdict *refuses* the release: Git still asking for it does not start it again.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 5xx 10\ncalm\nwait 3600s\ncalm\n= settled on blue@1 100%\n"
        "= runs     blue@1 2/2 (ready, ready)\n= ready    False GateFailed",
    ),
    *(
        Case(
            f"the-world-{reason}",
            "Network, disk, quota and a registry that is away *retry* for ever and refuse nothing.",
            SETTLED + f"push blue=2x2 : blue 100\nstep\nbuild blue@2 {reason}\nwait 90000s\nstep\n= warming\n"
            "wait 90000s\nstep\n= warming\n~ False",
        )
        for reason in ("RegistryUnavailable",)
    ),
    Case(
        "guilty-in-another-target",
        "A different T is a new move, with the guilty release replaced by its deployment's last good one.",
        TWO + "push blue=2x2 green=1x2 : blue 100\ncalm\nsaw blue@1 ok 600\nsaw blue@2 5xx 10\ncalm\n"
        "= settled on blue@1 100%\npush blue=2x2 green=1x2 : blue 50 green 50\ncalm\n"
        "= to blue@1 50%, green@1 50%: step 1 of 3 at 5%\n~ blue@2",
    ),
    Case(
        "probe-changed",
        "A changed probe (new digest) clears it.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 5xx 10\ncalm\npush blue=3x2 : blue 100\ncalm\n"
        "= to blue@3 100%: step 1 of 3 at 5%",
    ),
    Case(
        "policy-changed",
        "A changed policy clears it.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 5xx 10\ncalm\n= ready    False GateFailed\npolicy brief\n"
        "push blue=2x2 : blue 100\ncalm\n= to blue@2 100%: step 1 of 1 at 10%",
    ),
    Case(
        "retry",
        "`retry` clears it, and starts afresh.",
        AT_5
        + "saw blue@1 ok 600\nsaw blue@2 5xx 10\ncalm 6\norder retry\ncalm\n= to blue@2 100%: step 1 of 3 at 5%\n"
        "saw blue@1 ok 600\nsaw blue@2 ok 40\nwait 16s\ncalm 2\n= step 2 of 3 at 25%",
    ),
    Case(
        "undo-refuses",
        "`undo` refuses the release that it leaves.",
        PROMOTED + "order undo\ncalm\nwait 3600s\ncalm\n= settled on blue@1 100%\n= ready    False Undone",
    ),
    Case(
        "candidate-lost",
        "The candidate loses all replicas: abort.",
        AT_25 + "dies blue@2\nstep\n= step 2 of 3 at 25%\ndies blue@2 all\nstep\n"
        "= reverting to blue@1 100% (CandidateLost)\ncalm 6\nwait 3600s\ncalm\n= settled on blue@1 100%\n"
        "= ready    False CandidateLost",
    ),
    Case(
        "stable-lost",
        "S loses all replicas: hold, evidence stops, and its share goes to ready releases until it is back.",
        AT_25 + "dies blue@1 all\nstep\n= route to blue@2 100%\nack\nsaw blue@2 5xx 100\nwait 7200s\nstep\n"
        "= step 2 of 3 at 25%\n= ready    Unknown StableLost\nready blue@1\nstep\n"
        "= route to blue@1 75%, blue@2 25%\nack\nsaw blue@1 ok 600\nsaw blue@2 ok 200\nstep\n= step 3 of 3 at 50%",
    ),
    Case(
        "not-to-a-bad-one",
        "S's share goes to ready releases *without a bad verdict*.",
        AT_25 + "saw blue@1 ok 600\nsaw blue@2 5xx 20\nstep\n= reverting\ndies blue@1 all\nstep\nack\n"
        "= serves   blue@1 100%",
    ),
    Case(
        "bad-verdict-does-not-wait",
        "A bad verdict returns to S at once, even if S is short for the moment.",
        AT_25 + "dies blue@1\nsaw blue@1 ok 600\nsaw blue@2 5xx 20\nstep\n= reverting to blue@1 100% (GateFailed)\n"
        "= route to blue@1 100%",
    ),
    *(
        Case(
            f"{name}-waits",
            "A revert, a newer commit and a manual abort wait until S can carry the load.",
            AT_25 + f"dies blue@1\n{what}\nstep\n= which is not ready yet ({reason})\n= blue@1 75%, blue@2 25%\n"
            "wait 60s\nstep\n= which is not ready yet\nready blue@1\nstep\n= route to blue@1 100%\n"
            f"= reverting to blue@1 100% ({reason})",
        )
        for name, what, reason in (
            ("revert", "push blue=1x2 : blue 100", "Reverted"),
            ("newer-commit", "push blue=3x2 : blue 100", "Superseded"),
            ("abort", "order abort", "Aborted"),
        )
    ),
    Case(
        "nack",
        "NACK: the endpoint's condition; at the deadline, abort.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 ok 40\nwait 16s\nstep\n= step 2 of 3 at 25%\nnack no such cluster\n"
        "step\n= ready    False RouteRejected\nwait 601s\nstep\n= reverting to blue@1 100% (DeadlineExceeded)",
    ),
    Case(
        "freeze-never-holds-a-return",
        "Freezes and closed windows stop steps forward only, never a return.",
        SETTLED.replace("stepwise", "frozen") + "push blue=2x2 : blue 100\ncalm\nwait 300s\nsaw blue@1 ok 600\n"
        "saw blue@2 ok 40\nstep\n= step 1 of 3 at 5%\n= ready    Unknown WindowClosed\nsaw blue@2 5xx 40\nstep\n"
        "= reverting to blue@1 100% (GateFailed)",
    ),
    Case(
        "approval-expires",
        "An approval that expires returns to S.",
        SETTLED.replace("stepwise", "careful") + "push blue=2x2 : blue 100\ncalm\nsaw blue@1 ok 600\n"
        "saw blue@2 ok 60\nwait 11s\ncalm 2\n= paused\nwait 3590s\nstep\n= paused\nwait 10s\nstep\n"
        "= reverting to blue@1 100% (ApprovalExpired)",
    ),
    Case(
        "removal",
        "Removal: routes out, acknowledged, drained, stopped, memory last.",
        AT_25 + "request blue@1\npush nothing\nstep\n= did      drop the route\n= removing, route still there\nack\n"
        "step\n= removing, route gone\n= blue@1 2/2\nwait 1s\nstep\n= blue@1 2/2\n~ blue@2 2/2\nfinish\nstep\n"
        "= forget blue@1\nstep\nstep\n= gone",
    ),
    Case(
        "draining-taken-back",
        "A draining release may be taken back.",
        PROMOTED + "wait 61s\nstep\nrequest blue@1\n= route to blue@2 100% on 2 hosts and 2 draining\n"
        "push blue=1x2 : blue 100\nstep\n= on 4 hosts\ncalm\n= to blue@1 100%: step 1 of 3 at 5%\n~ restarts",
    ),
]

POLICY = [
    Case(
        "minimum",
        "`for` is a minimum.",
        AT_5
        + "saw blue@1 ok 60000\nsaw blue@2 ok 6000\nwait 10s\nstep\n= step 1 of 3 at 5%\n= StepRunning\nwait 6s\n"
        "step\n= step 2 of 3 at 25%",
    ),
    Case(
        "replanned",
        "Editing the policy in mid-run re-plans from the present f, never jumps, and says so.",
        AT_25
        + "policy brief\npush blue=2x2 : blue 100\nstep\n= step 1 of 1 at 25%\n= serves   blue@1 75%, blue@2 25%\n"
        "= did      nothing",
    ),
    Case(
        "replanned-to-less",
        "Editing the policy in mid-run re-plans from the present f: also to one whose steps are all further on.",
        AT_5 + "policy careful\npush blue=2x2 : blue 100\nstep\n= step 0 of 4 at 5%\n= blue@1 95%, blue@2 5%\n"
        "saw blue@1 ok 600\nsaw blue@2 ok 40\ncalm 2\n= step 1 of 4 at 10%",
    ),
    Case(
        "kept-while-broken",
        "A policy that cannot be read leaves a running move its own.",
        AT_25 + "policy immediate\npush nonsense\nstep\n= step 2 of 3 at 25%",
    ),
]
