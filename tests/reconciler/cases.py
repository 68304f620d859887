"""What happens when: what moves, what changes at once, whom requests reach, and what evidence says.

A row quotes the rule, and tells a story in the commands of `script.py`. A line that begins with `=` is what the
world must now show, one with `~` what it must not.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    line: str
    story: str


SETTLED = """
policy stepwise
push blue=1x2 : blue 100
calm
= settled on blue@1 100%
"""
AT_5 = (
    SETTLED
    + """
push blue=2x2 : blue 100
calm
= step 1 of 3 at 5%
"""
)
AT_25 = (
    AT_5
    + """
saw blue@1 ok 600
saw blue@2 ok 30
wait 16s
calm 1
calm 1
= step 2 of 3 at 25%
= serves   blue@1 75%, blue@2 25%
"""
)
PROMOTED = (
    AT_5
    + """
saw blue@1 ok 600
saw blue@2 ok 30
order promote-full
calm
= settled on blue@2 100%, blue@1 100% warm
"""
)
TWO = """
policy stepwise
push blue=1x2 green=1x2 : blue 100
calm
= settled on blue@1 100%
"""

MOVES = [
    Case(
        "one-commit",
        "Split and release changed in one commit are one T, one move.",
        TWO + "push blue=2x2 green=1x2 : blue 60 green 40\nstep\n= to blue@2 60%, green@1 40%\ncalm\n"
        "= step 1 of 3 at 5%\n= serves   blue@1 95%, blue@2 3%, green@1 2%",
    ),
    Case(
        "traffic-alone",
        "A traffic edit alone is an ordinary move.",
        TWO + "push blue=1x2 green=1x2 : blue 50 green 50\ncalm\n= step 1 of 3 at 5%\n"
        "= serves   blue@1 97.5%, green@1 2.5%",
    ),
    Case(
        "superseded",
        "A commit that changes T in mid-move: first back to S, acknowledged; then S → T' from 0.",
        AT_25 + "push blue=3x2 : blue 100\nstep\n= reverting to blue@1 100% (Superseded)\nready blue@3\nstep\n"
        "= reverting to blue@1 100% (Superseded)\nack\nstep\n= to blue@3 100%: step 1 of 3 at 5%\n~ blue@2 25%",
    ),
    Case(
        "two-commits-in-a-second",
        "A commit that changes T in mid-move: the last one wins, and nothing of the other is ever served.",
        SETTLED + "push blue=2x2 : blue 100\nstep\npush blue=3x2 : blue 100\nstep\n= to blue@3 100%\n"
        "ready blue@2\ncalm\n= serves   blue@1 95%, blue@3 5%\n~ blue@2 2/2",
    ),
    Case(
        "superseded-twice",
        "A commit that changes T while traffic returns is heard when it has returned.",
        AT_25 + "push blue=3x2 : blue 100\nstep\npush blue=4x2 : blue 100\nstep\n= reverting to blue@1 100%\ncalm\n"
        "= to blue@4 100%: step 1 of 3 at 5%",
    ),
    Case(
        "back-and-forth",
        "A commit that leaves T equal changes nothing: also one that asks for it again after another.",
        AT_25 + "push blue=1x2 : blue 100\npush blue=2x2 : blue 100\nstep\n= step 2 of 3 at 25%\n= did      nothing",
    ),
    Case(
        "first-deployment",
        "S empty (first deployment): one step, once ready.",
        "policy stepwise\npush blue=1x2 : blue 100\nstep\n= serves   not at all\nready blue@1 1\nstep\nack\nstep\n"
        "= serves   no traffic\nready blue@1\nstep\nack\nstep\n= settled on blue@1 100%\n~ warm",
    ),
    Case(
        "first-never-ready",
        "The first release that never becomes ready: 404 for the endpoint, and a condition that says why.",
        "policy stepwise\npush blue=1x2 : blue 100\nstep\nack\nfails blue@1 InitFailed\nstep\nwait 3600s\nstep\n"
        "= warming from no traffic\n= serves   no traffic\n= ready    False InitFailed",
    ),
    Case(
        "traffic-to-nobody",
        "T empty: one step.",
        SETTLED + "push blue=1x2 : \ncalm\n= settled on no traffic\n= serves   no traffic (pins blue->blue@1)\n"
        "= blue@1 2/2",
    ),
    Case(
        "at-zero-percent",
        "A deployment at 0 % keeps its replicas; its new release swaps in by one push, beside any running move.",
        TWO + "push blue=2x2 green=1x2 : blue 100\ncalm\n= step 1 of 3 at 5%\npush blue=2x2 green=2x2 : blue 100\n"
        "step\n= green->green@1\n= step 1 of 3 at 5%\nready green@2\nstep\nack\nstep\n= green->green@2\n"
        "= step 1 of 3 at 5%",
    ),
    Case(
        "mirror-target-alone",
        "A deployment that is only the mirror's target keeps its replicas; its new release swaps in by one push.",
        "policy stepwise\npush blue=1x2 green=1 : blue 100 mirror green 10\ncalm\n= mirror green@1 10%\n"
        "push blue=1x2 green=2 : blue 100 mirror green 10\nstep\n= mirror green@1 10%\nready green@2\nstep\nack\n"
        "= mirror green@2 10%",
    ),
    Case(
        "never-ready-at-zero",
        "Never ready: the old one stays, the deployment is Failed.",
        TWO + "push blue=1x2 green=2x2 : blue 100\nstep\nfails green@2 InitFailed\nwait 3600s\nstep\n"
        "= green->green@1\n= ready    False InitFailed\n= settled on blue@1 100%\n= green@1 2/2",
    ),
    Case(
        "invalid-spec",
        "An invalid spec: T stays what it was; a running move goes on.",
        AT_5 + "push nonsense\nstep\n= ready    False InvalidSpec\n= step 1 of 3 at 5%\nsaw blue@1 ok 600\n"
        "saw blue@2 ok 30\nwait 16s\ncalm 2\n= step 2 of 3 at 25%",
    ),
    Case(
        "held-removal",
        "Default hold against mass removal: what is held serves on.",
        AT_5 + "hold\nstep\n= ready    False RemovalHeld\n= step 1 of 3 at 5%\nsaw blue@1 ok 600\nsaw blue@2 ok 30\n"
        "wait 16s\ncalm 2\n= step 2 of 3 at 25%",
    ),
]

LIVE = [
    Case(
        "count-up",
        "`instance_count` up: at once, for every live release of that deployment, with the current split.",
        AT_5 + "push blue=2x4 : blue 100\nstep\n= did      blue@1 x4, blue@2 x4\n= step 1 of 3 at 5%\n"
        "= serves   blue@1 95%, blue@2 5%",
    ),
    Case(
        "count-down",
        "Down: S shrinks only as its share does.",
        AT_5 + "push blue=2x1 : blue 100\ncalm\n= step 1 of 3 at 5%\n= blue@1 2/2\n= blue@2 1/1",
    ),
    Case(
        "release-and-count",
        "Both releases of a deployment in a move are sized by the policy's surge: `full` at both sides.",
        SETTLED + "push blue=2x3 : blue 100\nstep\n= blue@1 x3, blue@2 x3",
    ),
    Case(
        "scale-while-paused",
        "`instance_count` at once, also while the move pauses; stable's capacity is never below its share.",
        SETTLED.replace("stepwise", "careful")
        + "push blue=2x2 : blue 100\ncalm\nsaw blue@1 ok 600\nsaw blue@2 ok 60\n"
        "wait 11s\ncalm 2\n= paused from blue@1 100%: step 2 of 4 at 10%\npush blue=2x5 : blue 100\nstep\n"
        "= blue@1 x5, blue@2 x5\n= paused from blue@1 100%: step 2 of 4 at 10%",
    ),
    Case(
        "proportional",
        "Surge `proportional`: the candidate sized for the share that comes next, stable for the one acknowledged.",
        "policy proportional\npush blue=1x4 : blue 100\ncalm\npush blue=2x4 : blue 100\ncalm\n= step 1 of 3 at 5%\n"
        "= blue@1 4/4\n= blue@2 1/1\nsaw blue@1 ok 600\nsaw blue@2 ok 30\nwait 16s\ncalm 3\nsaw blue@1 ok 600\n"
        "saw blue@2 ok 200\nwait 16s\ncalm 6\n= step 3 of 3 at 50%\n= blue@1 2/2\n= blue@2 2/2",
    ),
    Case(
        "surge-shrinks-replaced-only",
        "Surge shrinks replaced releases only, never a deployment that Git still declares.",
        "policy proportional\npush blue=1x4 green=1x4 : blue 100\ncalm\npush blue=1x4 green=1x4 : green 100\ncalm\n"
        "= step 1 of 3 at 5%\n= blue@1 4/4\n= green@1 4/4\nsaw blue@1 ok 600\nsaw green@1 ok 60\norder promote-full\n"
        "calm 8\n= settled on green@1 100%\n= blue@1 4/4",
    ),
    Case(
        "abort-then-scale",
        "An aborted candidate does not grow when its deployment does.",
        AT_5 + "dies blue@1\norder abort\nstep\n= which is not ready yet (Aborted)\npush blue=2x5 : blue 100\nstep\n"
        "= did      blue@1 x5\n= blue@2 2/2\ncalm 8\n= settled on blue@1 100%\n= blue@1 5/5\n~ blue@2 5/5",
    ),
]

REQUESTS = [
    Case(
        "pin-is-last-promoted",
        "`azureml-model-deployment: blue` reaches blue's last promoted release.",
        AT_25 + "= (pins blue->blue@1)\nsaw blue@1 ok 600\nsaw blue@2 ok 200\norder promote-full\ncalm\n"
        "= (pins blue->blue@2)",
    ),
    Case(
        "share-ends-mirror",
        "A push that gives a live share to the mirror's release ends its mirror; an abort restores S's mirror.",
        "policy stepwise\npush blue=1x2 green=1 : blue 100 mirror green 10\ncalm\n= mirror green@1 10%\n"
        "push blue=1x2 green=1 : blue 50 green 50\ncalm\n= step 1 of 3 at 5%\n~ mirror\norder abort\ncalm\n"
        "= settled on blue@1 100%\n= mirror green@1 10%",
    ),
]

VERDICTS = [
    Case(
        "capacity",
        "429 holds: it says capacity, not quality.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 ok 20 429 20\nwait 16s\nstep\n= step 1 of 3 at 5%\n"
        "= ready    Unknown AtCapacity\nwait 60s\nstep\n= step 1 of 3 at 5%\n= ready    Unknown AtCapacity",
    ),
    Case(
        "own-4xx",
        "`error_rate` counts not a model's own 4xx.",
        AT_5 + "saw blue@1 ok 600\nsaw blue@2 4xx 40\nwait 16s\nstep\n= step 2 of 3 at 25%",
    ),
    *(
        Case(
            f"counts-{outcome}",
            "`error_rate` counts the model's 5xx, 408, 502/503 and resets.",
            AT_5 + f"saw blue@1 ok 600\nsaw blue@2 {outcome} 10\nstep\n= reverting to blue@1 100% (GateFailed)",
        )
        for outcome in ("5xx", "408", "reset")
    ),
    Case(
        "stable-fails-too",
        "The stable release fails the same gate too: inconclusive.",
        AT_5 + "saw blue@1 ok 60 5xx 540\nsaw blue@2 ok 3 5xx 27\nwait 16s\nstep\n~ reverting",
    ),
    Case(
        "gap",
        "A gap while Headgate was away is no evidence.",
        AT_5 + "saw blue@2 5xx 40\nrestart\nstep\nsaw blue@1 ok 600\nsaw blue@2 ok 40\nwait 16s\nstep\n"
        "= step 2 of 3 at 25%",
    ),
    Case(
        "gap-is-no-silence",
        "A gap while Headgate was away is no evidence, of silence neither.",
        AT_5 + "wait 14s\nrestart\nwait 2s\nstep\n= step 1 of 3 at 5%\nwait 14s\nstep\n= step 1 of 3 at 5%\n"
        "wait 16s\nstep\n= unproven",
    ),
    Case(
        "metrics-gone",
        "Metrics gone: hold, for as long as it takes; never a step on silence that nobody counts.",
        AT_5 + "count off\nwait 7200s\nstep\n= step 1 of 3 at 5%\n= ready    Unknown MetricsUnavailable\ncount on\n"
        "saw blue@1 ok 600\nsaw blue@2 ok 40\nstep\nsaw blue@1 ok 600\nsaw blue@2 ok 40\nstep\n= step 2 of 3 at 25%",
    ),
    Case(
        "not-enough-extends-then-holds",
        "Not enough traffic: extend up to three times, then hold.",
        AT_5 + "saw blue@1 ok 40\nsaw blue@2 ok 2\nwait 16s\nstep\n= 5%, extended\nwait 15s\nstep\n= StepRunning\n"
        "wait 15s\nstep\n= StepRunning\nwait 15s\nstep\n= NotEnoughTraffic\nwait 7200s\nstep\n"
        "= step 1 of 3 at 5%, extended\n= NotEnoughTraffic",
    ),
    Case(
        "no-request-at-all",
        "An endpoint that got no request at all goes on, marked *unproven* ...",
        AT_5 + "wait 16s\ncalm 2\n= step 2 of 3 at 25%, unproven",
    ),
    Case(
        "unproven-is-watched",
        "... and is watched until evidence comes.",
        AT_5 + "wait 16s\ncalm 2\nwait 16s\ncalm 2\nwait 16s\ncalm 2\n= settled on blue@2 100%, blue@1 100% warm\n"
        "wait 7200s\nstep\n= blue@1 100% warm\nsaw blue@2 5xx 40\nstep\n= reverting to blue@1 100% (Regressed)",
    ),
    Case(
        "unproven-then-proven",
        "... and is watched until evidence comes: from the first request on as long as any other.",
        AT_5 + "wait 16s\ncalm 2\nwait 16s\ncalm 2\nwait 16s\ncalm 2\nwait 7200s\nsaw blue@2 ok 40\nstep\n"
        "= blue@1 100% warm\nwait 59s\nstep\n= blue@1 100% warm\nwait 2s\nstep\n~ warm",
    ),
]
