"""Policies as users write them: what they become, and every problem with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.document import parse
from spec.policy import (
    BUILT_IN,
    IMMEDIATE,
    WHOLE,
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
    Window,
)
from spec.problem import Problem
from spec.rollout.policy import read_policy

HEAD = "kind: rollout_policy\nname: p\n"

CAREFUL = """\
kind: rollout_policy
name: careful
endpoints: ["fraud-*"]            # or tags: {tier: gold}; neither: the repository's default
strategy: stepwise                # or immediate
steps:
  - {weight: 1, for: 30s}
  - {weight: 10, for: 2m}
  - {pause: approval, expires: 24h}
  - {weight: 50, for: 5m}
gates:
  - {name: errors, metric: error_rate, max: 2%}
  - {name: not-worse, metric: error_rate, compare: stable}
"""


def policy(text: str) -> RolloutPolicy:
    found, problems = read_policy(parse("p.yml", (HEAD + text).encode()))
    assert problems == ()
    assert found is not None
    return found.policy


def problems(text: str) -> tuple[Problem, ...]:
    return read_policy(parse("p.yml", (HEAD + text).encode()))[1]


def test_the_simple_case() -> None:
    found, wrong = read_policy(parse("policies/careful.yml", CAREFUL.encode()))
    assert wrong == ()
    assert found is not None
    assert (found.endpoints, found.tags) == (("fraud-*",), ())
    assert (found.policy.name, found.policy.file) == ("careful", "policies/careful.yml")
    assert found.policy == RolloutPolicy(
        steps=(Weight(100, 30), Weight(1000, 120), Pause(None, 86_400), Weight(5000, 300)),
        gates=(Gate("errors", max=0.02), Gate("not-worse", compare_stable=True)),
    )


def test_nothing_but_a_name_is_the_built_in_policy() -> None:
    assert policy("") == BUILT_IN


def test_immediate_is_azures_behaviour() -> None:
    assert policy("strategy: immediate\n") == IMMEDIATE


def test_every_kind_of_step() -> None:
    text = """\
steps:
  - {warmup: 50, for: 1m}
  - {mirror: 10, for: 1m}
  - {headers: {X-Beta: "1", x-b: 2}, for: 5m}
  - {weight: 0.5%}
  - {pause: 10m}
  - {pause: approval}
  - {gate: errors, for: 30}
  - {weight: 99.99, for: PT30S}
gates: [{name: errors, max: 1%}]
"""
    assert policy(text).steps == (
        WarmUp(50, 60),
        Mirror(10, 60),
        Preview((("x-b", "2"), ("x-beta", "1")), 300),
        Weight(50),
        Pause(600),
        Pause(None, None),
        AwaitGate("errors", 30),
        Weight(9999, 30),
    )


@pytest.mark.parametrize(
    ("ladder", "weights"),
    [
        ("{ladder: exponential, for: 30s}", [100, 200, 400, 800, 1600, 3200, 5000]),
        ("{ladder: exponential, start: 5, factor: 3, max: 100, for: 30s}", [500, 1500, 4500, 10_000]),
        ("{ladder: exponential, start: 0.01, factor: 1.1, max: 0.04, for: 30s}", [1, 2, 3, 4]),
        ("{ladder: linear, for: 30s}", [1000, 2000, 3000, 4000, 5000]),
        ("{ladder: linear, start: 1, every: 20, max: 50, for: 30s}", [100, 2100, 4100, 5000]),
        ("{ladder: linear, start: 60, for: 30s}", [5000]),
        ("{ladder: linear, max: 20, every: 30s}", [1000, 2000]),
        ("{ladder: exponential, max: 2, every: 30s}", [100, 200]),
    ],
)
def test_ladders(ladder: str, weights: list[int]) -> None:
    assert policy(f"steps: {ladder}\n").steps == tuple(Weight(weight, 30) for weight in weights)


SHARES = st.integers(1, WHOLE)


@given(form=st.sampled_from(["linear", "exponential"]), start=SHARES, every=SHARES, top=SHARES,
       factor=st.floats(1.01, 100))  # fmt: skip
def test_a_ladder_grows_to_its_maximum(form: str, start: int, every: int, top: int, factor: float) -> None:
    growth = f"every: {every / 100}" if form == "linear" else f"factor: {factor}"
    text = f"steps: {{ladder: {form}, start: {start / 100}, {growth}, max: {top / 100}, for: 1s}}\n"
    found, wrong = read_policy(parse("p.yml", (HEAD + text).encode()))
    if wrong:
        assert [problem.field for problem in wrong] == ["steps.ladder"]
        return
    assert found is not None
    weights = [step.weight for step in found.policy.steps if isinstance(step, Weight)]
    assert weights == sorted(set(weights))
    assert weights[0] >= 1
    assert weights[-1] == top


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("{name: a, max: 0.02}", Gate("a", max=0.02)),
        ("{name: a, compare: stable, tolerance: 1%}", Gate("a", compare_stable=True, tolerance=0.01)),
        ("{name: a, max: 2%, outcomes: [5xx, 408, reset, 4xx]}", Gate("a", max=0.02,
                                                                     outcomes=("5xx", "408", "reset", "4xx"))),
        ("{name: a, metric: latency_p95, max: 250ms}", Gate("a", "latency", 0.95, 250)),
        ("{name: a, metric: latency_p50, max: 1.5s, compare: stable, tolerance: 20%}",
         Gate("a", "latency", 0.5, 1500, compare_stable=True, tolerance=0.2)),
        ("{name: a, max: 1%, test: threshold, interval: 1m, failure_limit: 2, success_limit: 3, error_limit: 1}",
         Gate("a", max=0.01, test="threshold", interval_s=60, failure_limit=2, success_limit=3, error_limit=1)),
        ("{name: a, max: 1%, min_requests: 50, not_enough_traffic: proceed, dry_run: true}",
         Gate("a", max=0.01, min_requests=50, starved="proceed", dry_run=True)),
        ("{name: a, metric: http, url: 'https://x.example/ok', interval: 5s, timeout: 3s}",
         Gate("a", "http", url="https://x.example/ok", interval_s=5, timeout_s=3)),
        ("{name: a, metric: checks, failure_limit: 1}", Gate("a", "checks", failure_limit=1)),
    ],
)  # fmt: skip
def test_gates(text: str, gate: Gate) -> None:
    assert policy(f"gates: [{text}]\n").gates == (gate,)


def test_windows_and_freezes() -> None:
    found = policy(
        """\
time_zone: Europe/Berlin
windows:
  - {days: [mon-fri], from: "09:00", to: "17:00"}
  - {days: [Saturday, sun-mon], from: "22:00", to: "6:00"}
  - {}
freezes:
  - {from: 2026-12-20, to: 2027-01-02, reason: Holidays}
  - {from: 2026-11-27 08:00:00, to: 2026-11-27T20:30}
"""
    )
    assert found.time_zone == "Europe/Berlin"
    assert found.windows == (Window((0, 1, 2, 3, 4), 540, 1020), Window((0, 5, 6), 1320, 360), Window())
    assert found.freezes == (
        Freeze("2026-12-20T00:00:00", "2027-01-03T00:00:00", "Holidays"),
        Freeze("2026-11-27T08:00:00", "2026-11-27T20:30:00"),
    )


def test_the_rest() -> None:
    found = policy(
        "progress_deadline: 1h\nsurge: proportional\nshield: true\nfalse_alarm_rate: 5%\nkeep_previous: 2h\n"
        "watch: 30m\nsticky: {cookie: lane, ttl: 2d}\n"
    )
    assert (found.progress_deadline_s, found.surge, found.shield, found.false_alarm_rate) == (
        3600, "proportional", True, 0.05,
    )  # fmt: skip
    assert (found.keep_s, found.watch_s) == (7200, 1800)
    assert found.sticky == Sticky(cookie="lane", ttl_s=172_800)
    assert policy("sticky: {header: X-User}\n").sticky == Sticky(header="x-user")


@pytest.mark.parametrize(("text", "times"), [("watch: 1h", (3600, 3600)), ("keep_previous: 1m", (60, 60))])
def test_keeping_and_watching_fit_each_other(text: str, times: tuple[float, float]) -> None:
    found = policy(text + "\n")
    assert (found.keep_s, found.watch_s) == times


PROBLEMS = [
    ("endpoints: []", "3:12", "endpoints", "is empty"),
    ("endpoints: ['a/b']", "3:13", "endpoints.0", "a pattern of it with `*` and `?`"),
    ("endpoints: [a]\ntags: {a: b}", "4:7", "tags", "`endpoints` or `tags`, not both"),
    ("tags: {}", "3:7", "tags", "is empty"),
    ("strategy: imediate", "3:11", "strategy", "Did you mean `immediate`?"),
    ("strategy: immediate\nsteps: [{weight: 5}]", "4:8", "steps", "no meaning with `strategy: immediate`"),
    ("strategy: immediate\ngates: [{name: a, max: 1%}]", "4:8", "gates", "no meaning with `strategy: immediate`"),
    ("strategy: immediate\nwatch: 5m", "4:8", "watch", "no meaning with `strategy: immediate`"),
    ("steps: 5", "3:8", "steps", "a list of steps, or a mapping with `ladder`"),
    ("steps: []", "3:8", "steps", "1 to 100 steps"),
    ("steps: [{weight: 5}, {weight: 5}]", "3:31", "steps.1.weight", "must be above 5, the weight before it"),
    ("steps: [{weight: 0}]", "3:18", "steps.0.weight", "above 0, at most 100"),
    ("steps: [{weight: 100.5}]", "3:18", "steps.0.weight", "above 0, at most 100"),
    ("steps: [{weight: 1.234}]", "3:18", "steps.0.weight", "two decimals at most"),
    ("steps: [{weight: .nan}]", "3:18", "steps.0.weight", "must be a percentage"),
    ("steps: [{weight: 5, for: 32d}]", "3:26", "steps.0.for", "from 0s to 31d"),
    ("steps: [{weight: 5, for: soon}]", "3:26", "steps.0.for", "a duration such as"),
    ("steps: [{weight: 5, expires: 1h}]", "3:21", "steps.0.expires", "Known keys in `steps.0`: for, weight."),
    ("steps: [{weight: 5, pause: 1h}]", "3:9", "steps.0", "exactly one of: weight, pause, gate"),
    ("steps: [{for: 1h}]", "3:9", "steps.0", "exactly one of: weight, pause, gate"),
    ("steps: [{pause: 1m, expires: 1h}]", "3:30", "steps.0.expires", "only with `pause: approval`"),
    ("steps: [{pause: aproval}]", "3:17", "steps.0.pause", "Did you mean `approval`?"),
    ("steps: [{pause: 0}]", "3:17", "steps.0.pause", "must be `approval`, or a duration"),
    ("steps: [{mirror: 51, for: 1m}]", "3:18", "steps.0.mirror", "from 1 to 50"),
    ("steps: [{mirror: 5}]", "3:9", "steps.0.for", "missing and required"),
    ("steps: [{weight: 5}, {mirror: 5, for: 1m}]", "3:31", "steps.1.mirror", "before the first `weight`"),
    ("steps: [{weight: 5}, {headers: {a: b}}]", "3:32", "steps.1.headers", "before the first `weight`"),
    ("steps: [{gate: erors}]", "3:16", "steps.0.gate", "Did you mean `errors`?"),
    ("steps: [{weight: 1}, {gate: a}]\ngates: [{name: a, max: 1%, dry_run: true}]", "3:29", "steps.1.gate",
     "only reports"),
    ("steps: [{gate: a}, {weight: 1}]\ngates: [{name: a, max: 1%}]", "3:16", "steps.0.gate", "has none"),
    ("steps: [{headers: {}}]", "3:19", "steps.0.headers", "at least one header"),
    ("steps: [{headers: {Host: x}}]", "3:20", "steps.0.headers.Host", "a meaning of its own"),
    ("steps: [{headers: {Authorization: x}}]", "3:20", "steps.0.headers.Authorization", "a meaning of its own"),
    ("steps: [{headers: {azureml-model-deployment: x}}]", "3:20", "steps.0.headers.azureml-model-deployment",
     "a meaning of its own"),
    ("steps: [{headers: {':path': x}}]", "3:20", "steps.0.headers.:path", "not the name of a header"),
    ("steps: [{headers: {a: é}}]", "3:23", "steps.0.headers.a", "printable ASCII"),
    ("steps: {ladder: linear, factor: 2, for: 1s}", "3:33", "steps.factor", "a ladder that is linear"),
    ("steps: {ladder: exponential, every: 2, for: 1s}", "3:37", "steps.every", "a ladder that is exponential"),
    ("steps: {ladder: exponential, factor: 1, for: 1s}", "3:38", "steps.factor", "above 1"),
    ("steps: {ladder: linear, every: 0.1, for: 1s}", "3:17", "steps.ladder", "more than 100 steps"),
    ("steps: {ladder: linear}", "3:17", "steps.ladder", "A ladder needs `for`"),
    ("steps: {ladder: linear, every: 2m, for: 1s}", "3:32", "steps.every", "delete one"),
    ("steps: {ladder: linear, every: 40d}", "3:32", "steps.every", "must be from 0s to"),
    ("steps: {ladder: linaer, for: 1s}", "3:17", "steps.ladder", "Did you mean `linear`?"),
    ("steps: {lader: linear, for: 1s}", "3:9", "steps.lader", "Did you mean `ladder`?"),
    ("steps: {for: 1s, factor: 2}", "3:8", "steps.ladder", "missing and required"),
    ("gates: [{name: a}]", "3:9", "gates.0", "needs `max`, or `compare: stable`"),
    ("gates: [{name: a, max: 2}]", "3:24", "gates.0.max", "a proportion below 1"),
    ("gates: [{name: a, max: -1}]", "3:24", "gates.0.max", "a proportion below 1"),
    ("gates: [{name: a, metric: latency_p95, max: 250}]", "3:45", "gates.0.max", "a time with its unit"),
    ("gates: [{name: a, metric: latency_p95, max: 2%}]", "3:45", "gates.0.max", "a time with its unit"),
    ("gates: [{name: a, max: 2%, tolerance: 1%}]", "3:39", "gates.0.tolerance", "only with `compare: stable`"),
    ("gates: [{name: a, max: 2%}, {name: a, max: 3%}]", "3:36", "gates.1.name", "Two gates have the name `a`"),
    ("gates: [{name: a b, max: 2%}]", "3:16", "gates.0.name", "must start with a letter"),
    ("gates: [{name: a, metric: eror_rate, max: 2%}]", "3:27", "gates.0.metric", "Did you mean `error_rate`?"),
    ("gates: [{name: a, max: 2%, outcomes: [ok]}]", "3:39", "gates.0.outcomes.0", "one of: 5xx, 408, reset, 4xx"),
    ("gates: [{name: a, max: 2%, outcomes: []}]", "3:38", "gates.0.outcomes", "is empty"),
    ("gates: [{name: a, max: 2%, interval: 5s}]", "3:38", "gates.0.interval", "without `test: threshold`"),
    ("gates: [{name: a, max: 2%, url: 'http://x'}]", "3:33", "gates.0.url", "with `metric: error_rate`"),
    ("gates: [{name: a, metric: http}]", "3:9", "gates.0", "needs `url`"),
    ("gates: [{name: a, metric: http, url: 'ftp://x'}]", "3:38", "gates.0.url", "http:// or https://"),
    ("gates: [{name: a, metric: http, url: 'http:///x'}]", "3:38", "gates.0.url", "http:// or https://"),
    ("gates: [{name: a, metric: http, url: 'http://x:99999/'}]", "3:38", "gates.0.url", "http:// or https://"),
    ("gates: [{name: a, metric: http, url: 'http://u:p@x/'}]", "3:38", "gates.0.url", "holds a password"),
    ("gates: [{name: a, metric: checks, max: 1%}]", "3:40", "gates.0.max", "with `metric: checks`"),
    ("gates: [{name: a, metric: latency_p50, max: 1s, outcomes: [5xx]}]", "3:59", "gates.0.outcomes", "no meaning"),
    ("windows: [{days: [mo]}]", "3:19", "windows.0.days.0", "a day or a span of days"),
    ("windows: [{days: []}]", "3:18", "windows.0.days", "is empty"),
    ("windows: [{from: 17:00}]", "3:18", "windows.0.from", "in quotes"),
    ("windows: [{to: '25:00'}]", "3:16", "windows.0.to", "a time of day"),
    ("freezes: [{from: 2026-12-20, to: 2026-12-19}]", "3:34", "freezes.0.to", "must be after `from`"),
    ("freezes: [{from: 2026-12-20T00:00:00Z, to: 2026-12-21}]", "3:18", "freezes.0.from", "without offset"),
    ("freezes: [{from: tomorrow, to: 9999-12-31}]", "3:18", "freezes.0.from", "must be a date"),
    ("time_zone: Europe/Berln", "3:12", "time_zone", "Did you mean `Europe/Berlin`?"),
    ("time_zone: ../../etc/passwd", "3:12", "time_zone", "the name of a time zone"),
    ("time_zone: Europe", "3:12", "time_zone", "the name of a time zone"),
    ("sticky: {}", "3:9", "sticky", "exactly one of `cookie` and `header`"),
    ("sticky: {cookie: a, header: b}", "3:9", "sticky", "exactly one of `cookie` and `header`"),
    ("sticky: {cookie: a b}", "3:18", "sticky.cookie", "not the name of a cookie"),
    ("sticky: {header: Content-Length}", "3:18", "sticky.header", "a meaning of its own"),
    ("sticky: {header: X-User, ttl: 1d}", "3:31", "sticky.ttl", "only with `cookie`"),
    ("keep_previous: 1m\nwatch: 2m", "4:8", "watch", "must not be longer than `keep_previous`"),
    ("false_alarm_rate: 0", "3:19", "false_alarm_rate", "a proportion from"),
    ("false_alarm_rate: 5", "3:19", "false_alarm_rate", "a proportion from"),
    ("progress_deadline: 1s", "3:20", "progress_deadline", "from 10s to 7d"),
    ("surge: half", "3:8", "surge", "one of: full, proportional"),
    ("shield: maybe", "3:9", "shield", "true or false"),
    ("step: []", "3:1", "step", "Did you mean `steps`?"),
    ("keep_s: 5", "3:1", "keep_s", "not a key that is known here"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "field", "words"), PROBLEMS)
def test_each_problem_has_its_place(text: str, where: str, field: str, words: str) -> None:
    extra = "\ngates: [{name: errors, max: 2%}]\n" if "gate: erors" in text else "\n"
    found = [problem for problem in problems(text + extra) if problem.field == field]
    (problem,) = found
    assert f"{problem.line}:{problem.column}" == where
    assert words in problem.message


def test_a_policy_has_a_name() -> None:
    (problem,) = read_policy(parse("p.yml", b"kind: rollout_policy\n"))[1]
    assert str(problem) == "p.yml:1:1: name: `name` is missing and required: add it."


@pytest.mark.parametrize(
    "text",
    ["steps: [{weight: 5}]", "gates: []", "shield: true", "surge: proportional", "watch: 1m", "sticky: {cookie: a}",
     "windows: [{}]", "freezes: [{from: 2026-12-20, to: 2026-12-20}]", "time_zone: Europe/Berlin",
     "false_alarm_rate: 2%", "progress_deadline: 1m", "keep_previous: 1h", "strategy: immediate"],
)  # fmt: skip
def test_each_field_makes_another_policy(text: str) -> None:
    assert policy(text + "\n") != BUILT_IN


FRAGMENTS = st.sampled_from(
    ["steps:\n", "  - {weight: 5}\n", "  - weight: [\n", "gates:\n", "  - {name: a, max: 1%}\n", "tags: {a: b}\n",
     "name: x\n",
     "endpoints: [a, 'b*']\n", "endpoints:\n- a\n", "sticky: {cookie: x}\n", "windows: [{from: 9:00}]\n", "5: 6\n",
     "freezes: [{from: 2026-02-30, to: x}]\n", "steps: {ladder: linear, for: 1}\n", "  - null\n", "watch: 1e9\n",
     "  - {5: 6}\n", "  - {weight: 1, weight: 2}\n", "shield:\n"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=6))
def test_no_text_raises(fragments: list[str]) -> None:
    found, wrong = read_policy(parse("p.yml", (HEAD + "".join(fragments)).encode()))
    assert wrong or found is not None
    assert all(problem.message for problem in wrong)
