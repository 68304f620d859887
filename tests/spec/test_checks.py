"""Checks in Git: what they become, whose they are, and every problem with its place."""

import time
from collections.abc import Callable
from textwrap import indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from spec.checks import Check, Checks
from spec.loader import Loaded
from spec.problem import Problem
from spec.rollout.schemas import fault
from tests.spec.commits import DEPLOYMENT, ENDPOINT

Build = Callable[..., Loaded]

JSON_HEADER = ("content-type", "application/json")
HEAD = "kind: checks\ndeployment: blue\n"


def checks_of(found: Loaded) -> Checks:
    assert found.catalog.problems == ()
    checks = found.catalog.endpoints["shop"].deployments[0].checks
    assert checks is not None
    return checks


def one(loaded: Build, fields: str, rest: str = "", **files: str) -> Check:
    """The check with these fields, one a line."""
    text = f"{HEAD}{rest}checks:\n- name: a\n{indent(fields, '  ')}\n"
    (check,) = checks_of(
        loaded({"c.yml": text, **{path.replace("_", "."): text for path, text in files.items()}})
    ).checks
    return check


def problem(loaded: Build, text: str) -> Problem:
    found = loaded({"c.yml": text, "body.json": '{"x": 1}', "big.txt": "x" * (1 << 20) + "x", "empty.json": " \n",
                    "lfs.json": "version https://git-lfs.github.com/spec/v1\n", "bin.json": b"\xff"})  # fmt: skip
    assert found.catalog.endpoints == {}
    (said,) = found.catalog.broken["shop"]
    return said


def test_the_simple_case(loaded: Build) -> None:
    check = one(loaded, "request: {payments: [{amount: 24.9, id: 1}]}")
    assert check == Check("a", '{"payments":[{"amount":24.9,"id":1}]}')
    assert (check.method, check.path, check.status, check.headers) == ("POST", "/score", 200, (JSON_HEADER,))


def test_every_field(loaded: Build) -> None:
    fields = """\
request: [1, é]
method: put
path: /v1/score?x=1
headers: {Content-Type: application/json; charset=utf-8, X-Trace: 1}
timeout: 2s
status: 201
schema: {type: array, items: {$ref: '#/$defs/n'}, $defs: {n: {type: number}}}
expect: {b: 1, a: [true, 2.50]}
tolerance: 0.01
max_difference: 0.4"""
    assert one(loaded, fields, rest="max_changed: 3\n") == Check(
        "a",
        body='[1,"é"]',
        method="PUT",
        path="/v1/score?x=1",
        headers=(("content-type", "application/json; charset=utf-8"), ("x-trace", "1")),
        status=201,
        schema='{"$defs":{"n":{"type":"number"}},"items":{"$ref":"#/$defs/n"},"type":"array"}',
        expect='{"b":1,"a":[true,2.5]}',
        tolerance=0.01,
        max_difference=0.4,
        timeout_s=2,
    )


def test_files_are_sent_as_they_are(loaded: Build) -> None:
    check = one(loaded, "request_file: body.json\nschema_file: ./s.json", body_json='{"b": 1,\n "a": 2}\n',
                s_json='{"type": "object"}')  # fmt: skip
    assert (check.body, check.schema) == ('{"b": 1,\n "a": 2}\n', '{"type":"object"}')


def test_the_order_of_keys_stays(loaded: Build) -> None:
    assert one(loaded, "request: {b: 1, a: 2}").body == '{"b":1,"a":2}'


def test_a_get_has_no_body(loaded: Build) -> None:
    assert one(loaded, "method: GET\npath: /\nstatus: 200").body == ""


class TestDigest:
    def test_it_is_of_the_content(self, loaded: Build) -> None:
        text = HEAD + "checks: [{name: a, request: 1}]\n"
        first = checks_of(loaded({"c.yml": text}))
        moved = checks_of(loaded({"c.yml": None, "x/c.yml": text + "endpoint: shop\n# comment\n"}))
        other = checks_of(loaded({"x/c.yml": text.replace("1}", "2}") + "endpoint: shop\n"}))
        limited = checks_of(loaded({"x/c.yml": text.replace("1}", "1, max_difference: 1}")
                                    + "endpoint: shop\nmax_changed: 1\n"}))  # fmt: skip
        assert first.digest == moved.digest
        assert len({first.digest, other.digest, limited.digest}) == 3
        assert (first.file, moved.file) == ("c.yml", "x/c.yml")

    def test_checks_are_no_part_of_the_release(self, loaded: Build) -> None:
        before = loaded().catalog.endpoints["shop"].deployments[0].release
        after = loaded({"c.yml": HEAD + "checks: [{name: a, request: 1}]\n"}).catalog.endpoints["shop"]
        assert after.deployments[0].release == before


class TestWhose:
    GREEN = DEPLOYMENT.replace("name: blue", "name: green")

    def test_each_deployment_has_its_own(self, loaded: Build) -> None:
        text = "kind: checks\ndeployment: {}\nchecks: [{{name: {}, request: 1}}]\n"
        found = loaded(
            {"green.yml": self.GREEN, "b.yml": text.format("Blue", "b"), "g.yml": text.format("green", "g")}
        )
        spec = found.catalog.endpoints["shop"]
        names = {one.name: one.checks.checks[0].name for one in spec.deployments if one.checks is not None}
        assert names == {"blue": "b", "green": "g"}

    def test_a_deployment_without_checks_has_none(self, loaded: Build) -> None:
        assert loaded().catalog.endpoints["shop"].deployments[0].checks is None

    def test_in_another_folder_they_name_the_endpoint(self, loaded: Build) -> None:
        text = HEAD + "endpoint: Shop\nchecks: [{name: a, request: 1}]\n"
        assert checks_of(loaded({"checks/a.yml": text})).file == "checks/a.yml"

    def test_where_the_folder_does_not_tell(self, loaded: Build) -> None:
        found = loaded({"x/c.yml": HEAD + "checks: [{name: a, request: 1}]\n"}).catalog
        (said,) = found.unattributed
        assert str(said).startswith("x/c.yml:1:1: endpoint: `endpoint` is missing")
        assert set(found.endpoints) == {"shop"}

    def test_two_files_for_one_deployment(self, loaded: Build) -> None:
        text = HEAD + "checks: [{name: a, request: 1}]\n"
        said = loaded({"c.yml": text, "d.yml": text}).catalog.broken["shop"]
        assert [str(one)[:18] for one in said] == ["c.yml:2:13: deploy", "d.yml:2:13: deploy"]
        assert "this file and in `d.yml`" in said[0].message

    def test_a_deployment_that_is_not_there(self, loaded: Build) -> None:
        (said,) = loaded(
            {"c.yml": "kind: checks\ndeployment: bleu\nchecks: [{name: a, request: 1}]\n"}
        ).catalog.broken["shop"]
        assert str(said).startswith("c.yml:2:13: deployment: `deployment` names the deployment `bleu`")
        assert "Did you mean `blue`?" in said.message

    def test_nothing_is_said_of_checks_whose_deployment_has_no_name(self, loaded: Build) -> None:
        """A misspelt `name` is the one problem, not that there is no such deployment."""
        files = {
            "blue.yml": DEPLOYMENT.replace("name: blue", "nmae: blue", 1),
            "c.yml": HEAD + "checks: [{name: a, request: 1}]\n",
        }
        assert [one.file for one in loaded(files).catalog.broken["shop"]] == ["blue.yml"]

    def test_the_status_that_only_clients_see_is_warned_of(self, loaded: Build) -> None:
        found = loaded({"c.yml": HEAD + "checks: [{name: a, request: 1, status: 424}]\n"}).catalog
        assert set(found.endpoints) == {"shop"}
        (warning,) = found.warnings
        assert str(warning).startswith("c.yml: The check `a` expects status 424, which clients get")

    def test_checks_alone_do_not_keep_an_endpoint(self, loaded: Build) -> None:
        text = HEAD + "endpoint: shpo\nchecks: [{name: a, request: 1}]\n"
        found = loaded({"c.yml": text}).catalog
        assert (set(found.endpoints), found.broken, found.unattributed) == ({"shop"}, {}, ())
        (warning,) = found.warnings
        assert str(warning).startswith("c.yml:3:11: endpoint: No file declares the endpoint `shpo`")
        assert "Did you mean `shop`?" in warning.message

    @pytest.mark.parametrize("path", ["c.yml", "x/c.yml"])
    def test_a_file_that_does_not_parse_is_its_endpoints(self, loaded: Build, path: str) -> None:
        found = loaded({path: "kind: checks\nendpoint: shop\nchecks: [\n"}).catalog
        assert [one.file for one in found.broken["shop"]] == [path]

    def test_wrong_checks_leave_the_neighbours(self, loaded: Build) -> None:
        found = loaded({"c.yml": HEAD + "checks: []\n", "x/e.yml": "name: other\nauth_mode: key\n"}).catalog
        assert (set(found.endpoints), set(found.broken)) == ({"other"}, {"shop"})


PROBLEMS = [
    ("checks: []", "3:9", "checks", "1 to 1000 checks"),
    ("checks: [{request: 1}]", "3:10", "checks.0.name", "missing and required"),
    ("checks: [{name: a}]", "3:10", "checks.0", "needs `request` or `request_file`"),
    ("checks: [{name: a, request: 1}, {name: a, request: 2}]", "3:40", "checks.1.name", "Two checks have the name"),
    ("checks: [{name: a, request: 1, request_file: body.json}]", "3:46", "checks.0.request_file", "not both"),
    ("checks: [{name: a, method: GET, request: 1}]", "3:28", "checks.0.method", "has no body"),
    ("checks: [{name: a, method: TRACE, request: 1}]", "3:28", "checks.0.method", "one of: GET, POST"),
    ("checks: [{name: a, request_file: bod.json}]", "3:34", "checks.0.request_file", "Did you mean `body.json`?"),
    ("checks: [{name: a, request_file: ../x.json}]", "3:34", "checks.0.request_file", "leaves the repository"),
    ("checks: [{name: a, request_file: 'http://x/y'}]", "3:34", "checks.0.request_file", "not a path"),
    ("checks: [{name: a, request_file: code}]", "3:34", "checks.0.request_file", "which is a folder"),
    ("checks: [{name: a, request_file: big.txt}]", "3:34", "checks.0.request_file", "1048576 bytes at most"),
    ("checks: [{name: a, request_file: bin.json}]", "3:34", "checks.0.request_file", "UTF-8 text"),
    ("checks: [{name: a, request_file: lfs.json}]", "3:34", "checks.0.request_file", "Git LFS pointer"),
    ("checks: [{name: a, request_file: empty.json}]", "3:34", "checks.0.request_file", "which is empty"),
    ("checks: [{name: a, request: {1: 2}}]", "3:29", "checks.0.request", "the key 1 is not text"),
    ("checks: [{name: a, request: [2026-01-01]}]", "3:29", "checks.0.request", "is a date. Quote what is text"),
    ("checks: [{name: a, request: .nan}]", "3:29", "checks.0.request", "cannot be written as JSON"),
    ("checks: [{name: a, request: 1, expect: {x: .inf}}]", "3:40", "checks.0.expect", "cannot be written as JSON"),
    ("checks: [{name: a, request: 1, schema: {type: strng}}]", "3:40", "checks.0.schema", "not a JSON Schema"),
    ("checks: [{name: a, request: 1, schema: [1]}]", "3:40", "checks.0.schema", "it must be a mapping"),
    ("checks: [{name: a, request: 1, schema: {pattern: '['}}]", "3:40", "checks.0.schema", "(at pattern)"),
    ("checks: [{name: a, request: 1, schema: {$ref: 'http://x/y'}}]", "3:40", "checks.0.schema", "refers to `http"),
    ("checks: [{name: a, request: 1, schema: {$ref: '#/$defs/x'}}]", "3:40", "checks.0.schema", "which is not in it"),
    ("checks: [{name: a, request: 1, schema: {$schema: 'http://x'}}]", "3:40", "checks.0.schema", "no dialect"),
    ("checks: [{name: a, request: 1, schema: {$schema: [1]}}]", "3:40", "checks.0.schema", "no dialect"),
    ("checks: [{name: a, request: 1, schema: {$ref: '#x'}}]", "3:40", "checks.0.schema", "which is not in it"),
    ("checks: [{name: a, request: 1, schema: {$ref: '#'}}]", "3:40", "checks.0.schema", "itself without end"),
    ("checks: [{name: a, request: 1, schema: {$id: 'http://['}}]", "3:40", "checks.0.schema", "is no URI"),
    ("checks: [{name: a, request: 1, schema: {}, schema_file: body.json}]", "3:57", "checks.0.schema_file", "both"),
    ("checks: [{name: a, request: 1, schema_file: code/score.py}]", "3:45", "checks.0.schema_file", "it is not JSON"),
    ("checks: [{name: a, request: 1, status: 99}]", "3:40", "checks.0.status", "from 200 to 599"),
    ("checks: [{name: a, request: 1, tolerance: -1}]", "3:43", "checks.0.tolerance", "must not be negative"),
    ("checks: [{name: a, request: 1, max_difference: .nan}]", "3:48", "checks.0.max_difference", "a finite number"),
    ("checks: [{name: a, request: 1, path: score}]", "3:38", "checks.0.path", "a path below the endpoint"),
    ("checks: [{name: a, request: 1, path: '/../x'}]", "3:38", "checks.0.path", "a path below the endpoint"),
    ("checks: [{name: a, request: 1, path: '//x'}]", "3:38", "checks.0.path", "a path below the endpoint"),
    ('checks: [{name: a, request: 1, path: "/x\\r\\ny"}]', "3:38", "checks.0.path", "a path below the endpoint"),
    ("checks: [{name: a, request: 1, headers: {Authorization: x}}]", "3:42", "checks.0.headers.Authorization",
     "a meaning of its own"),
    ('checks: [{name: a, request: 1, headers: {x: "a\\r\\nb"}}]', "3:45", "checks.0.headers.x", "printable ASCII"),
    ("checks: [{name: a, request: 1, timeout: 10m}]", "3:41", "checks.0.timeout", "from 100ms to 5m"),
    ("checks: [{name: a, request: 1, max_diference: 1}]", "3:32", "checks.0.max_diference", "`max_difference`?"),
    ("checks: [{name: a, request: 1, schema_: {}}]", "3:32", "checks.0.schema_", "Did you mean `schema`?"),
    ("checks: [{name: a, request: 1}]\nmax_changed: 3", "4:14", "max_changed", "no check has one"),
    ("chekcs: []\nchecks: [{name: a, request: 1}]", "3:1", "chekcs", "Did you mean `checks`?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "field", "words"), PROBLEMS)
def test_each_problem_has_its_place(loaded: Build, text: str, where: str, field: str, words: str) -> None:
    said = problem(loaded, HEAD + text + "\n")
    assert (said.file, f"{said.line}:{said.column}", said.field) == ("c.yml", where, field)
    assert words in said.message


def test_all_bodies_together_are_limited(loaded: Build) -> None:
    listed = "".join(f"- {{name: a{number}, request_file: body.txt}}\n" for number in range(5))
    found = loaded({"c.yml": f"{HEAD}checks:\n{listed}", "body.txt": "x" * (1 << 20)})
    (said,) = found.catalog.broken["shop"]
    assert "more than 4194304 characters in all" in said.message


def test_a_schema_file_nested_without_end(loaded: Build) -> None:
    text = HEAD + "checks: [{name: a, request: 1, schema_file: deep.json}]\n"
    found = loaded({"c.yml": text, "deep.json": "[" * 200_000})
    (said,) = found.catalog.broken["shop"]
    assert "nested too deeply" in said.message


KEYS = st.sampled_from(
    ["$ref", "$id", "$schema", "$defs", "type", "items", "properties", "a", "pattern", "enum", "allOf", "minimum"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["#", "#x", "#/a", "x", "object", "[", "//["])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@settings(deadline=None)
@given(JSON)
def test_no_schema_raises_at_load_or_later(schema: object) -> None:
    said = fault(schema)
    if said is None:
        found = [error.message for error in Draft202012Validator(schema).iter_errors(None)]
        assert all(found)


def doubling(levels: int, keyword: str = "$ref") -> dict[str, object]:
    """Each level refers twice to the next."""
    parts = {f"a{level}": {"allOf": [{keyword: f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**parts, f"a{levels}": {"type": "null"}}}


def test_references_that_multiply_are_refused_in_no_time() -> None:
    assert "more than 100000 parts" in str(fault(doubling(60)))
    assert "more than 100000 parts" in str(fault(doubling(60, "$dynamicRef")))
    assert fault(doubling(6)) is None


def test_many_anchors_are_found_at_once() -> None:
    parts = {f"a{number}": {"$anchor": f"n{number}", "type": "null"} for number in range(8000)}
    schema = {"anyOf": [{"$ref": f"#n{number}"} for number in range(8000)], "$defs": parts}
    begun = time.process_time()
    assert fault(schema) is None
    assert time.process_time() - begun < 20
    assert "which is not in it" in str(fault({"$ref": "#gone", "$defs": parts}))


def test_a_tree_that_refers_to_itself_is_none_of_these() -> None:
    node = {"$anchor": "node", "type": "object", "properties": {"left": {"$ref": "#node"}, "right": {"$ref": "#"}}}
    assert fault(node) is None


def test_the_endpoint_may_be_named_in_the_same_folder(loaded: Build) -> None:
    files = {"c.yml": HEAD + "endpoint: shop\nchecks: [{name: a, request: 1}]\n"}
    other = {"o.yml": ENDPOINT.replace("shop", "other").replace("  blue: 100\n", "").replace("traffic:\n", "")}
    assert checks_of(loaded({**files, **other})).checks[0].name == "a"
