"""YAML text to data: what is taken, what is refused, and where."""

import time

import pytest

from spec.document import MAX_BYTES, parse, show

NEST = b"a: " + b"[" * 70 + b"]" * 70
BILLION = "\n".join([f"{a}: &{a} [{', '.join([f'*{b}'] * 9)}]" for a, b in zip("bcdefgh", "abcdefg", strict=True)])
LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + BILLION.encode()

REFUSED = [
    pytest.param(b"a: [1,\n b", 3, 1, "not valid YAML", id="syntax"),
    pytest.param(b"a: b: c", 1, 5, "not valid YAML", id="two colons"),
    pytest.param(b"a: 1\n\tb: 2", 2, 1, "not valid YAML", id="tab"),
    pytest.param(b"ok: 1\nb: \x00", 2, 1, "not UTF-8 text (byte 9 is zero)", id="NUL"),
    pytest.param(b"ok: 1\nb: \xff\xfe", 2, 1, "not UTF-8", id="bad UTF-8"),
    pytest.param(b"a: *x", 1, 4, "This alias", id="unknown alias"),
    pytest.param(b"a: &x [*x]", 1, 8, "This alias", id="alias within itself"),
    pytest.param(b"a: 1\n---\nb: 1", 2, 1, "second document", id="two documents"),
    pytest.param(b"a: !!python/object/apply:os.system [x]", 1, 4, "tag", id="python tag on a list"),
    pytest.param(b"a: !!python/name:os.system x", 1, 4, "quote it", id="python tag on a scalar"),
    pytest.param(b"a: !!set {b}", 1, 4, "tag", id="set"),
    pytest.param(b"? [a, b]\n: c", 1, 8, "key must be text", id="list as key"),
    pytest.param(b"{{a}: 1}: 2", 1, 4, "key must be text", id="mapping as key"),
    pytest.param(NEST, 1, 67, "nested deeper", id="depth"),
    pytest.param(b"[" * 200_000, 1, 65, "nested deeper", id="depth without an end"),
    pytest.param(LAUGHS, 6, 12, "more than 100000 values", id="billion laughs"),
    pytest.param(b"a: " + b"9" * 5000, 1, 4, "too long", id="huge number"),
    pytest.param(b"a: !!int ''", 1, 4, "quote it", id="empty int"),
    pytest.param(b"a: !!timestamp x", 1, 4, "quote it", id="bad timestamp"),
    pytest.param(b"a: 2020-99-99", 1, 4, "quote it", id="impossible date"),
    pytest.param(b"a: &a 1\nb:\n  <<: *a", 3, 7, "merge key", id="merge of a scalar"),
]


@pytest.mark.parametrize(("blob", "line", "column", "words"), REFUSED)
def test_refuses_with_a_place(blob: bytes, line: int, column: int, words: str) -> None:
    started = time.process_time()
    document = parse("f.yml", blob)
    assert document.data is None
    (problem,) = document.problems
    assert (problem.file, problem.line, problem.column) == ("f.yml", line, column)
    assert words in problem.message
    assert time.process_time() - started < 2


@pytest.mark.parametrize("secret", ["*hunter2", "!hunter2 x", "!!hunter2 x", "!hunter2 [x]", "&hunter2 [*hunter2]"])
def test_a_secret_that_looks_like_syntax_is_not_repeated(secret: str) -> None:
    (problem,) = parse("f.yml", f"PASSWORD: {secret}".encode()).problems
    assert "hunter2" not in repr(problem)


def test_a_file_over_the_limit_is_not_parsed() -> None:
    document = parse("f.yml", b"a: " + b"x" * MAX_BYTES)
    assert document.data is None
    assert document.problems[0].line == 0


def test_a_long_text_is_text() -> None:
    assert parse("f.yml", b"a: " + b"x" * 500_000).mapping["a"] == "x" * 500_000


def test_every_duplicate_key_is_named_with_both_lines() -> None:
    document = parse("f.yml", b"a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert [(str(problem), problem.field) for problem in document.problems] == [
        ("f.yml:2:11: c: The key `c` is here twice (first on line 2): keep one.", "c"),
        ("f.yml:3:1: a: The key `a` is here twice (first on line 1): keep one.", "a"),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("'on'", "on"),
        ("010", 8),
        ("1_000", 1000),
        ("1:30", 90),
        ("1e2", "1e2"),
        ("1.0e+2", 100.0),
        ("~", None),
        ("", None),
        ("NO", False),
        ("y", "y"),
        ("|\n  x\n", "x\n"),
    ],
)
def test_scalars_are_yaml_1_1_as_azure_reads_it(text: str, value: object) -> None:
    found = parse("f.yml", f"a: {text}".encode()).mapping["a"]
    assert (found, type(found)) == (value, type(value))


def test_merge_keys_and_aliases() -> None:
    document = parse("f.yml", b"x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\nw: *x")
    assert document.data == {
        "x": {"a": 1, "b": 2},
        "y": {"a": 1, "b": 3},
        "z": {"a": 1, "b": 2, "c": 4},
        "w": {"a": 1, "b": 2},
    }
    assert not document.problems


def test_locates_values_keys_and_the_nearest_parent() -> None:
    document = parse("f.yml", b"a:\n  b: [1, {c: 2}]\n")
    places = [
        document.locate(("a", "b", 1, "c")),
        document.locate(("a", "b", 1, "c"), key=True),
        document.locate(("a", "b", 1, "d")),
        document.locate(("a", "x", "y")),
        document.locate(()),
    ]
    assert [(mark.line, mark.column) for mark in places] == [(2, 14), (2, 11), (2, 10), (2, 3), (1, 1)]


@pytest.mark.parametrize(
    ("value", "path", "shown"),
    [
        (None, (), ""),
        (True, (), "true"),
        ({}, (), "a mapping"),
        ([1], (), "a list"),
        ("hunter2", ("environment_variables", "TOKEN"), "(not shown)"),
        ("https://me:secret@host/x", (), "https://***@host/x"),
        ("https://me:sec@ret@host/x", (), "https://***@host/x"),
        ("https://host/x?a=1&api_key=secret&b=2", (), "https://host/x?a=1&api_key=***&b=2"),
        ("a\nb\x1b[31m", (), "a b [31m"),
        ("x" * 200, (), "x" * 79 + "…"),
    ],
)
def test_what_was_found_is_shown_short_and_without_secrets(value: object, path: tuple[str, ...], shown: str) -> None:
    assert show(value, path) == shown


def test_empty_and_other_documents_are_no_mapping() -> None:
    assert [parse("f.yml", blob).mapping for blob in (b"", b"[1]", b"x", b"# c")] == [{}, {}, {}, {}]
