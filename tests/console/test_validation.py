"""`validate` and `schema` on real folders."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.cli import main

ENDPOINT = "name: iris-flowers\nauth_mode: key\ntraffic:\n  blue: 100\n"
DEPLOYMENT = """name: blue
endpoint_name: iris-flowers
code_configuration:
  code: ./code
  scoring_script: score.py
environment:
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04
  conda_file: conda.yml
instance_type: Standard_DS3_v2
instance_count: 1
"""
CONDA = "name: iris\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n      - azureml-inference-server-http\n"
Run = Callable[..., SimpleNamespace]


@pytest.fixture
def folder(home: Path) -> Path:
    found = home / "models"
    (found / "code").mkdir(parents=True)
    (found / "endpoint.yml").write_text(ENDPOINT)
    (found / "blue.yml").write_text(DEPLOYMENT)
    (found / "conda.yml").write_text(CONDA)
    (found / "code" / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["headgate", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=end.value.code, out=out, err=err)

    return call


def test_a_good_folder_is_0_and_counted(run: Run, folder: Path) -> None:
    found = run("validate", str(folder))
    assert (found.code, found.err) == (0, "")
    assert "1 endpoint, 1 deployment" in found.out.splitlines()[-1]
    assert found.out == "No problems: 1 endpoint, 1 deployment.\n"


def test_the_last_line_counts_errors_and_what_is_left(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "endpoint.yml").write_text(ENDPOINT.replace("traffic", "trafic"))
    assert run("validate", str(folder)).out.splitlines()[-1] == "1 error. 0 of 1 endpoint can be served."
    empty = run("validate", str(tmp_path))
    assert (empty.code, empty.out) == (0, "No problems: but no endpoint is declared here.\n")


def test_every_problem_is_printed_with_its_place(run: Run, folder: Path) -> None:
    (folder / "endpoint.yml").write_text(ENDPOINT.replace("traffic", "trafic").replace("key", "password"))
    found = run("validate", str(folder))
    assert found.code == 1
    assert "endpoint.yml:3:" in found.out
    assert "endpoint.yml:2:" in found.out
    assert "traffic" in found.out


def test_what_was_found_is_printed_where_the_message_does_not_say_it(run: Run, folder: Path) -> None:
    text = DEPLOYMENT.replace("instance_count: 1", "instance_count: 51")
    (folder / "blue.yml").write_text(f"{text}environment_variables: [TOKEN=hunter2]\n")
    (folder / "endpoint.yml").write_text(f"{ENDPOINT}mirror_traffic: {{green: 77}}\n")
    found = run("validate", str(folder))
    assert "    `instance_count` must be from 1 to 50.\n    found: 51\n" in found.out
    assert "    `mirror_traffic` must be from 0 to 50 percent.\n    found: green: 77\n" in found.out
    assert "hunter2" not in found.out + run("validate", str(folder), "--json").out
    (folder / "endpoint.yml").write_text(ENDPOINT.replace("auth_mode: key", "auth_mode: keys"))
    lines = run("validate", str(folder)).out.splitlines()
    assert lines[lines.index("    found: keys") - 1].endswith("Did you mean `key`?")


def test_json_has_exactly_the_promised_keys(run: Run, folder: Path) -> None:
    (folder / "endpoint.yml").write_text(ENDPOINT.replace("traffic", "trafic"))
    found = run("validate", str(folder), "--format", "json")
    assert found.code == 1
    printed = json.loads(found.out)
    assert set(printed) == {"problems"}
    for problem in printed["problems"]:
        assert set(problem) == {"file", "line", "column", "field", "found", "allowed", "message", "severity"}
    assert run("validate", str(folder), "--json").out == found.out


def test_what_is_left_out_is_a_warning(run: Run, folder: Path) -> None:
    (folder / "bell\x07").write_text("x")
    found = run("validate", str(folder))
    assert found.code == 0
    assert "bell\\x07" in found.out
    assert found.out.splitlines()[-1] == "1 warning. 1 of 1 endpoint can be served."


def test_a_configured_conda_takes_what_only_conda_has(run: Run, folder: Path) -> None:
    (folder / "conda.yml").write_text("dependencies: [python=3.11, cudatoolkit]\n")
    assert run("validate", str(folder)).code == 1
    assert run("validate", str(folder), "--conda", sys.executable).code == 0


def test_a_part_of_a_working_copy_is_named_as_such_where_it_has_problems(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(folder.parent)], check=True)
    assert run("validate", str(folder)).out == "No problems: 1 endpoint, 1 deployment.\n"
    (folder / "blue.yml").write_text(DEPLOYMENT.replace("./code", "../code"))
    monkeypatch.chdir(folder)
    for path in (str(folder), ".", "../models"):
        *_, count, last = run("validate", path).out.splitlines()
        assert count == "1 error. 0 of 1 endpoint can be served."
        assert last.startswith("Only this folder was read, as with `--path`. For the whole repository: ")
        assert last.endswith(f"headgate validate {folder.parent}")
    assert "Only this folder" not in run("validate", str(folder.parent)).out
    assert json.loads(run("validate", str(folder), "--json").out)["problems"]


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 7\n"


def test_an_lfs_pointer_without_its_object_is_a_problem_where_nobody_can_fetch_it(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "code" / "weights.bin").write_text(POINTER)
    (folder / "elsewhere.bin").write_text(POINTER)
    monkeypatch.setattr("forge.pointers.shutil.which", lambda _: None)
    found = run("validate", str(folder), "--format", "json")
    assert found.code == 1
    assert [(each["file"], each["severity"]) for each in json.loads(found.out)["problems"]] == [
        ("code/weights.bin", "error")
    ]
    assert "0 of 1 endpoint can be served" in run("validate", str(folder)).out
    monkeypatch.setattr("forge.pointers.shutil.which", lambda name: f"/usr/bin/{name}")
    found = run("validate", str(folder), "--format", "json")
    assert found.code == 0
    assert [each["severity"] for each in json.loads(found.out)["problems"]] == ["warning"]


def test_an_lfs_pointer_whose_object_is_in_the_repository_is_fine(run: Run, folder: Path) -> None:
    (folder / "code" / "weights.bin").write_text(POINTER)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    store = folder / ".git" / "lfs" / "objects" / "ab" / "ab"
    store.mkdir(parents=True)
    (store / ("ab" * 32)).write_bytes(b"weights")
    assert run("validate", str(folder)).out.startswith("No problems")


def test_a_folder_that_is_none_is_1(run: Run, home: Path) -> None:
    found = run("validate", str(home / "nowhere"))
    assert found.code == 1
    assert "nowhere is not a folder" in found.err


def test_schemas_are_listed_printed_and_written(run: Run, home: Path) -> None:
    names = run("schema").out.split()
    assert "endpoint" in names
    assert "deployment" in names
    assert "$schema" in json.loads(run("schema", "endpoint").out)
    assert run("schema", "endpiont").code == 1
    assert run("schema", "--output", str(home / "out")).code == 0
    assert {path.name for path in (home / "out").iterdir()} == {f"{name}.schema.json" for name in names}


def test_files_that_nobody_can_read_are_named_and_no_error(run: Run, folder: Path) -> None:
    (folder / "green.yml").write_bytes(DEPLOYMENT.encode("utf-16"))
    (folder / "red.yaml").symlink_to("blue.yml")
    (folder / "compose.yml").write_text("- nothing of ours\n")
    found = run("validate", str(folder), "--json")
    told = [(one["file"], one["severity"]) for one in json.loads(found.out)["problems"]]
    assert (found.code, told) == (0, [("green.yml", "warning"), ("red.yaml", "warning")])
    text = run("validate", str(folder)).out
    assert "save the file as UTF-8. It is passed over" in " ".join(text.split())
    assert text.endswith("\n2 warnings. 1 of 1 endpoint can be served.\n")
