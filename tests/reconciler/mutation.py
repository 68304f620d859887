"""Breaks the rollout machine in one small place at a time, and reports which breaks no test notices.

    python tests/reconciler/mutation.py [--files rollout,ladder] [--most 300] [--seed 1] [--skip 0] [--seconds 3600]

Each mutant is judged by the cases, the scripts, the tables of `TABLES`, and, if it is still alive, by 40 examples
of the simulation. Not part of the test suite: it takes a second or two for each mutant that is noticed, and about ten
for one that is not. One line for each survivor goes to standard output.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = ("rollout", "way_back", "gap", "promotion", "ladder", "split", "refusals", "command", "trial", "calendar")
TABLES = (
    "test_rollout.py",
    "test_way_back.py",
    "test_gap.py",
    "test_promotion.py",
    "test_command.py",
    "test_ladder.py",
    "test_trial.py",
    "test_refusals.py",
    "test_forecast.py",
    "test_diagram.py",
)
OWN = {"split": "test_split.py", "calendar": "test_calendar.py"}
"""Tables that take longer, and are about one module alone."""
LONGEST = 240
"""Seconds after which a mutant counts as hung, which is noticed."""
OPPOSITE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
WORDS = ("alive", "cases and scripts", "tables", "simulation", "hung")
"""What became of a mutant, or who noticed it."""
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    module: str
    line: int
    kind: str
    before: str
    after: str
    tree: ast.Module


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of one module."""
    tree = ast.parse((ROOT / "reconciler" / f"{module}.py").read_text(encoding="utf-8"))
    for index, node in enumerate(ast.walk(tree)):
        for kind, changed in changes(node):
            broken = copy.deepcopy(tree)
            target = next(found for place, found in enumerate(ast.walk(broken)) if place == index)
            put(broken, target, changed)
            shown = (ast.unparse(node).splitlines()[0], ast.unparse(changed).splitlines()[0] if changed else "gone")
            yield Mutant(module, getattr(node, "lineno", 0), kind, *shown, ast.fix_missing_locations(broken))


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What may be put in a node's place; None: nothing."""
    yield from operators(node)
    yield from values(node)
    yield from statements(node)


def operators(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                yield "comparison", edited(node, ops=[*ops[:place], OPPOSITE[type(op)](), *ops[place + 1 :]])
        case ast.BoolOp(op=op):
            yield "and/or", edited(node, op=OPPOSITE[type(op)]())
        case ast.BinOp(op=op) if type(op) in OPPOSITE and not is_type(node):
            yield "arithmetic", edited(node, op=OPPOSITE[type(op)]())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not dropped", operand


def values(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
            yield "constant", ast.Constant(value - 1)
        case ast.Call(func=ast.Name(id="replace"), keywords=keywords) if keywords:
            for place in range(len(keywords)):
                yield "field left alone", edited(node, keywords=keywords[:place] + keywords[place + 1 :])
        case ast.Call(func=ast.Name(id=name)) if name in SWAPPED:
            yield "min/max", edited(node, func=ast.Name(SWAPPED[name], ast.Load()))


def statements(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.IfExp(test, body, orelse):
            yield "branches swapped", ast.IfExp(test, orelse, body)
        case ast.If(test=test, orelse=[]):
            yield "condition negated", edited(node, test=ast.UnaryOp(ast.Not(), test))
            yield "statement removed", None
        case ast.If(test=test):
            yield "branches swapped", edited(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.AugAssign() | ast.Expr(value=ast.Call() | ast.Yield()):
            yield "statement removed", None


def is_type(node: ast.BinOp) -> bool:
    """Types are joined by `|` too, and are no arithmetic."""
    parts = (node.left, node.right)
    return isinstance(node.op, ast.BitOr) and all(isinstance(one, ast.Name | ast.BinOp) for one in parts)


def edited(node: ast.AST, **fields: object) -> ast.AST:
    """A copy with some fields changed."""
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def put(tree: ast.Module, target: ast.AST, changed: ast.AST | None) -> None:
    """Put something in a node's place."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, changed)
            elif isinstance(value, list) and target in value:
                value[value.index(target)] = changed or ast.Pass()


class Broken(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a mutant instead of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == f"reconciler.{self.mutant.module}" else None

    def get_source(self, _name: str) -> None:
        return None

    def get_code(self, name: str) -> object:
        return compile(self.mutant.tree, name, "exec")


def judge(mutant: Mutant | None) -> int:
    """In a process of its own: the index into `WORDS`."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        signal.alarm(LONGEST)
        os._exit(verdict(mutant))
    _, status = os.waitpid(child, 0)
    return 4 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def verdict(mutant: Mutant | None) -> int:
    if mutant is not None:
        sys.meta_path.insert(0, Broken(mutant))
    try:
        told()
    except BaseException:  # noqa: BLE001 -- whatever it is, it was noticed
        return 1
    import pytest

    own = OWN.get(mutant.module) if mutant is not None else None
    tables = [str(HERE / name) for name in (*((own,) if own else ()), *TABLES)]
    if pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", *tables]) != 0:
        return 2
    try:
        simulated()
    except BaseException:  # noqa: BLE001 -- as above
        return 3
    return 0


def told() -> None:
    """Cases and scripts end as they say."""
    import script
    from test_cases import CASES, tell

    for case in CASES:
        tell(case.story)
    for path in sorted((HERE / "scripts").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert script.run(text) == text


def simulated() -> None:
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test
    from test_simulation import Weather

    few = settings(
        max_examples=40,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Weather, settings=few)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", default=",".join(MODULES))
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", type=int, default=0, help="of the shuffled mutants, those judged before")
    parser.add_argument("--seconds", type=float, default=1e9)
    given = parser.parse_args(arguments)
    os.nice(10)
    sys.path[:0] = [str(ROOT), str(HERE)]
    os.chdir(ROOT)
    prepare()
    if judge(None) != 0:
        sys.exit("the machine itself is not as the tests say")
    found = [mutant for name in given.files.split(",") for mutant in mutants(name)]
    random.Random(given.seed).shuffle(found)
    report(found[given.skip :][: given.most], time.monotonic() + given.seconds, len(found))


def prepare() -> None:
    """Import what no mutant changes, once."""
    import hypothesis.stateful
    import pytest

    import observability.judge
    import router.table
    import runtime.replica
    import spec.policy

    assert all((hypothesis.stateful, pytest, observability.judge, router.table, runtime.replica, spec.policy))


def report(found: Sequence[Mutant], end: float, total: int) -> None:
    """Judge one after another, and say who is alive."""
    counts: Counter[tuple[str, int]] = Counter()
    for mutant in found:
        if time.monotonic() > end:
            break
        outcome = judge(mutant)
        counts[mutant.module, outcome] += 1
        sys.stderr.write(f"{sum(counts.values())} of {len(found)}\n")
        if outcome == 0:
            sys.stdout.write(f"{mutant.module}:{mutant.line} {mutant.kind}: {mutant.before} => {mutant.after}\n")
            sys.stdout.flush()
    for module in MODULES:
        told = ", ".join(
            f"{WORDS[outcome]} {counts[module, outcome]}" for outcome in range(5) if counts[module, outcome]
        )
        sys.stdout.write(f"# {module}: {told}\n")
    sys.stdout.write(f"# {sum(counts.values())} of {total} mutants\n")


if __name__ == "__main__":
    main(sys.argv[1:])
