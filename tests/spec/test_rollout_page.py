"""What docs/rollouts.md shows can be copied: each example loads, and its JSON Schema takes it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from spec.document import parse
from spec.loader import Loaded
from spec.rollout.policy import read_policy
from spec.schema import schemas

PAGE = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text(encoding="utf-8")
EXAMPLES = Path(__file__).parents[2] / "examples" / "repo"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HEAD = "kind: rollout_policy\nname: p\n"
POLICIES = [block if "kind:" in block else HEAD + block for block in BLOCKS if "kind: checks" not in block]
CHECKS = [block for block in BLOCKS if "kind: checks" in block]
STEPS = re.findall(r"^\| `(\{.*\})` \| ", PAGE, re.MULTILINE)

Build = Callable[..., Loaded]


@pytest.mark.parametrize("text", POLICIES)
def test_policies(text: str) -> None:
    found, problems = read_policy(parse("p.yml", text.encode()))
    assert problems == ()
    assert found is not None
    accept("rollout_policy", text)


@pytest.mark.parametrize("step", STEPS)
def test_steps(step: str) -> None:
    before = "{weight: 1}, " if "gate:" in step else ""
    text = f"{HEAD}steps: [{before}{step}]\ngates: [{{name: errors, max: 1%}}]\n"
    assert read_policy(parse("p.yml", text.encode()))[1] == ()
    accept("rollout_policy", text)


@pytest.mark.parametrize("text", CHECKS)
def test_checks(loaded: Build, text: str) -> None:
    found = loaded({"c.yml": text.replace("endpoint: fraud", "endpoint: shop"), "sample-request.json": "{}"})
    assert found.catalog.problems == ()
    accept("checks", text)


def test_there_is_something_of_each() -> None:
    assert len(POLICIES) >= 4
    assert len(CHECKS) >= 1
    assert len(STEPS) >= 7


@pytest.mark.parametrize("path", ["policies/careful.yml", "endpoints/card-fraud/checks.yml", "headgate.yml"])
def test_the_schemas_take_the_example(path: str) -> None:
    text = (EXAMPLES / path).read_text(encoding="utf-8")
    accept(yaml.safe_load(text)["kind"], text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("rollout_policy", HEAD + "steps: [{weight: 5, pause: 1m}]\n"),
        ("rollout_policy", HEAD + "steps: [{wieght: 5}]\n"),
        ("rollout_policy", HEAD + "steps: {ladder: round, for: 1s}\n"),
        ("rollout_policy", HEAD + "strategy: fast\n"),
        ("rollout_policy", HEAD + "gates: [{name: a, metric: errors}]\n"),
        ("rollout_policy", "kind: rollout_policy\n"),
        ("checks", "kind: checks\ndeployment: blue\nchecks: [{request: 1}]\n"),
        ("checks", "kind: checks\nchecks: []\n"),
    ],
)
def test_the_schemas_refuse(kind: str, text: str) -> None:
    assert list(Draft202012Validator(schemas()[kind]).iter_errors(yaml.safe_load(text)))


def accept(kind: str, text: str) -> None:
    """Ask the published schema, as an editor does: dates are text to it."""
    data = json.loads(json.dumps(yaml.safe_load(text), default=str))
    schema = schemas()[kind]
    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(data)] == []
