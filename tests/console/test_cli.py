"""The command line against a fake Headgate: what is printed, and the exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from console import pages
from console.commands import credentials
from console.paths import Paths
from console.service import EventQuery, LogQuery
from console.shapes import DeploymentDetail, EventShape, LiveRelease, LogLine, ProblemShape, ReplicaShape, Status
from spec.errors import TransientError

if TYPE_CHECKING:
    from conftest import FakeService

TRACEBACK = """    helper()
  File "/s/runtime/releases/iris/blue@90ded097e92c/azureml-app/code/score.py", line 2, in helper
    raise ValueError("another version")
ValueError: another version
The above exception was the direct cause of the following exception:
Traceback (most recent call last):
  File "/s/venv/lib/python3.11/site-packages/azureml_inference_server_http/server/user_script.py", line 121, in init
    raise UserScriptException(ex) from ex
azureml_inference_server_http.server.user_script.UserScriptException: Caught an unhandled exception
2026-11-22 21:48:34,333 E [18514] gunicorn.error - Reason: Worker failed to boot."""
Run = Callable[..., SimpleNamespace]


def stalled(given: SimpleNamespace) -> Status:
    bad = given.endpoint(
        "churn",
        given.condition("Ready", "False", "EnvironmentBuildFailed", "no version of sklern exists"),
        given.condition("Stalled", "True", "EnvironmentBuildFailed", "no version of sklern exists"),
        state="Failed",
    )
    return Status(source=given.source(applied_commit=given.OLDER), endpoints=(given.endpoint("iris"), bad))


def test_status_says_what_is_not_well_and_why(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    live.state = stalled(given)
    found = run("status")
    assert found.code == 0
    assert "iris" in found.out
    assert "churn: EnvironmentBuildFailed\n  no version of sklern exists" in found.out
    assert "3f2a9c4 failed for churn: see below, then commit a mend or revert it. Fully live was last" in found.out
    assert run("status", "--exit-code").code == 1


@pytest.mark.usefixtures("live")
def test_status_json_is_the_promised_shape(run: Run) -> None:
    found = json.loads(run("status", "--json").out)
    assert set(found) == {"source", "endpoints"}
    assert found["endpoints"][0]["split"] == {"blue@3f2a9c41d0e7": 100.0}
    assert json.loads(run("status", "iris", "--json").out)["deployments"][0]["replicas"][0]["state"] == "ready"


@pytest.mark.usefixtures("live")
def test_status_of_one_endpoint_shows_url_and_replicas(run: Run) -> None:
    found = run("status", "iris").out
    assert "https://127.0.0.1:8443/endpoints/iris/score" in found
    assert "iris-blue-1" in found


def test_status_says_how_far_a_commit_is(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    waits = given.endpoint("churn", given.condition("Ready", "Unknown", "Preparing", "building"), state="Creating")
    known = given.source(applied_commit=given.OLDER)
    live.state = Status(source=known, endpoints=(given.endpoint("iris"), waits))
    assert "3f2a9c4 is being applied: 1 of 2 endpoints are Ready." in run("status").out
    held = given.source(applied_commit=given.OLDER, held=given.held("a"))
    live.state = Status(source=held, endpoints=(given.endpoint("iris"),))
    assert "3f2a9c4 is held, since it removes so much." in run("status").out


def test_a_wrong_file_is_told_once_with_its_place(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    wrong = ProblemShape(
        file="iris/endpoint.yml", line=3, column=1, field="traffic", found="90", allowed="0 or 100",
        message="adds up to 90 percent", severity="error",
    )  # fmt: skip
    said = "iris/endpoint.yml:3:1: traffic: adds up to 90 percent; the last good spec goes on"
    broken = given.endpoint("iris", given.condition("Ready", "False", "InvalidSpec", said), state="Failed")
    live.state = Status(source=given.source(problems=(wrong,), applied_commit=given.OLDER), endpoints=(broken,))
    for found in (run("status").out, run("sync").out):
        assert found.count("adds up to 90 percent") == 1
        assert "its files have errors, listed below; the last good spec goes on" in found
    assert "has 1 error, shown below: mend the files and commit." in run("status").out


def test_status_shows_held_removals_and_how_to_confirm(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    live.state = Status(source=given.source(held=given.held("a", "b")))
    found = run("status")
    assert "would remove a, b" in found.out
    assert "headgate confirm" in found.out


def test_nothing_running_is_exit_3_and_says_how_to_start(run: Run, paths: Paths) -> None:
    for command in (["status"], ["plan"], ["sync"], ["events"], ["keys", "show", "x"], ["logs", "a/b"]):
        found = run(*command)
        assert found.code == 3, command
        assert f"Headgate is not running on {paths.state}.\nStart it with: headgate up REPO" in found.err


@pytest.mark.usefixtures("live")
def test_a_missing_endpoint_is_exit_1(run: Run) -> None:
    found = run("status", "irsi")
    assert (found.code, found.out) == (1, "")
    assert "There is no endpoint irsi; there are: iris." in found.err


def test_a_wrong_setting_is_exit_2(run: Run, home: Path) -> None:
    (home / "headgate.toml").write_text("prot = 1\n")
    found = run("up", "models")
    assert found.code == 2
    assert "headgate.toml:prot" in found.err


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("text", ["prot = 1\n", "port = 0\n"])
def test_a_client_needs_only_the_state_directory(run: Run, home: Path, text: str) -> None:
    (home / "headgate.toml").write_text(text)
    found = run("status", "--json")
    assert found.code == 0
    assert json.loads(found.out)["endpoints"]
    assert "warning: headgate.toml:" in found.err


@pytest.mark.usefixtures("live")
def test_a_client_does_not_guess_which_installation_is_meant(run: Run, home: Path) -> None:
    (home / "headgate.toml").write_text('state_dri = "elsewhere"\n')
    found = run("status")
    assert (found.code, found.out) == (2, "")
    assert "did you mean state_dir?" in found.err


def test_status_shows_the_live_release_and_the_new_one(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    known = given.endpoint("iris", given.condition("Ready", "Unknown", "ReplicasNotReady"), state="Updating")
    before = LiveRelease(release="blue@0badc0ffee00", instance_count=2, ready=2)
    new = known.deployments[0].model_copy(update={"ready": 0, "live": before})
    live.state = Status(source=given.source(), endpoints=(known.model_copy(update={"deployments": (new,)}),))
    assert "blue 2/2, new 0/2" in run("status").out
    found = run("status", "iris").out
    assert "live meanwhile: blue@0badc0ffee00, 2 of 2 replicas ready" in found


def test_a_held_endpoint_is_held_and_not_failed(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    waits = given.endpoint("iris", given.condition("Ready", "False", "RemovalHeld", "it waits"), state="Failed")
    live.state = Status(source=given.source(held=given.held("iris")), endpoints=(waits,))
    found = run("status").out
    assert "Held" in found
    assert "Failed" not in found


def test_status_gives_the_gist_of_a_traceback(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    said = f"deployment blue: replica r1: It gave up. Its log ends with:\n{TRACEBACK}"
    bad = given.endpoint("iris", given.condition("Ready", "False", "InitFailed", said), state="Failed")
    live.state = Status(source=given.source(), endpoints=(bad,))
    found = run("status").out
    assert "deployment blue: code/score.py:2 in helper: ValueError: another version" in found
    assert "Traceback" not in found
    assert json.loads(run("status", "--json").out)["endpoints"][0]["conditions"][0]["message"] == said


def test_wrong_usage_is_exit_2(run: Run) -> None:
    assert run("status", "--nonsense").code == 2
    assert run("logs", "iris").code == 2
    assert run("keys", "rotate", "iris", "--key-type", "third").code == 2


def test_up_without_a_repository_is_exit_2(run: Run) -> None:
    found = run("up")
    assert found.code == 2
    assert "REPO" in found.err


def test_a_long_list_of_what_is_allowed_is_cut(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    allowed = ", ".join([f"Standard_F{n}" for n in range(30)] + ["Standard_DS3_v2"])
    typo = ProblemShape(
        file="a.yml", line=1, column=1, field="instance_type", found="Standard_DS3_v22", allowed=allowed,
        message="not known", severity="error",
    )  # fmt: skip
    live.state = Status(source=given.source(problems=(typo,)))
    found = run("status").out
    assert "allowed: Standard_DS3_v2, " in found
    assert "and 26 more (headgate validate --format json lists all)" in found


@pytest.mark.usefixtures("live")
def test_sync_wait_is_0_when_ready(run: Run) -> None:
    found = run("sync", "--wait", "--timeout", "5")
    assert found.code == 0
    assert "Ready: commit 3f2a9c4, 1 of 1 endpoints are Ready." in found.out


def test_sync_wait_names_what_failed_and_why(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    live.state = stalled(given)
    found = run("sync", "--wait", "--timeout", "5")
    assert found.code == 1
    assert "churn" in found.out
    assert "no version of sklern exists" in found.out
    assert json.loads(run("sync", "--wait", "--json").out)["outcome"] == "Failed"


def test_sync_wait_times_out_with_4(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    building = given.endpoint("iris", given.condition("Ready", "Unknown", "Preparing", "building numpy"))
    live.state = Status(source=given.source(), endpoints=(building,))
    found = run("sync", "--wait", "--timeout", "0.2")
    assert found.code == 4
    assert "building numpy" in found.out
    assert run("sync").code == 0


def test_sync_without_a_source_is_1(run: Run, live: "FakeService") -> None:
    live.error = TransientError("the remote does not answer")
    found = run("sync")
    assert found.code == 1
    assert "the remote does not answer" in found.err


def test_held_removals_need_a_word(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    live.state = Status(source=given.source(held=given.held("a")))
    assert run("sync", "--wait").code == 1
    assert run("confirm", stdin="n\n").code == 1
    assert ("confirm", given.COMMIT) not in live.calls
    assert run("sync", "--wait", "--confirm-removal").code == 0
    assert ("confirm", given.COMMIT) in live.calls
    refused = run("confirm", "--yes")
    assert (refused.code, "No removal is held" in refused.err) == (1, True)


def test_keys(run: Run, live: "FakeService") -> None:
    assert json.loads(run("keys", "show", "iris", "--json").out) == {
        "primaryKey": "first-key",
        "secondaryKey": "second-key",
    }
    assert run("keys", "show", "iris").out == "primaryKey    first-key\nsecondaryKey  second-key\n"
    found = run("keys", "rotate", "iris", "--key-type", "secondary")
    assert "secondary key of iris is new" in found.out
    assert "new-key" not in found.out
    assert live.calls[-1] == ("rotate", "iris", "secondary")


def test_which_key_is_replaced_is_never_guessed(
    run: Run, live: "FakeService", monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("keys", "rotate", "iris")
    assert (found.code, live.calls) == (2, [])
    assert "say which key is replaced" in found.err
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(credentials, "sys", SimpleNamespace(stdin=terminal, stderr=terminal))
    assert run("keys", "rotate", "iris", stdin="third\nsecondary\n").code == 0
    assert live.calls == [("rotate", "iris", "secondary")]


def test_token(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    assert run("token", "iris").code == 1
    signed = given.endpoint("iris").model_copy(update={"auth_mode": "aml_token"})
    live.state = Status(source=given.source(), endpoints=(signed,))
    assert run("token", "iris").out == "a.b.c\n"
    assert set(json.loads(run("token", "iris", "--json").out)) == {
        "accessToken", "expiryTimeUtc", "refreshAfterTimeUtc", "tokenType",
    }  # fmt: skip


def test_events(run: Run, live: "FakeService", given: SimpleNamespace) -> None:
    live.history = [
        EventShape(at=given.NOW, endpoint="iris", type="Warning", reason="OOMKilled", message="[red]not markup[/red]")
    ]
    found = run("events", "iris", "--limit", "7")
    assert "OOMKilled  [red]not markup[/red]" in found.out
    assert live.calls == [("events", EventQuery("iris", 7))]
    assert json.loads(run("events", "--json").out)["events"][0]["reason"] == "OOMKilled"


def test_logs(run: Run, live: "FakeService") -> None:
    live.log["blue"] = [LogLine(replica="r1", text="[bold]as it is[/bold]")]
    found = run("logs", "iris/blue", "--lines", "3", "--container", "storage-initializer")
    assert found.out == "[bold]as it is[/bold]\n"
    assert live.calls == [("logs", LogQuery("iris", "blue", "storage-initializer", 3))]
    assert json.loads(run("logs", "iris/blue", "--json").out) == {"replica": "r1", "text": "[bold]as it is[/bold]"}
    assert run("logs", "iris/red").code == 1
    wanted = ["--release", "blue@3f2", "--replica", "abc", "--no-access", "--previous", "--tail", "9"]
    assert run("logs", "iris/blue", *wanted).code == 0
    assert live.calls[-1] == (
        "logs",
        LogQuery("iris", "blue", lines=9, release="blue@3f2", replica="abc", access=False, previous=True),
    )
    assert run("logs", "iris/blue", "--previous", "--follow").code == 2


def test_lines_of_several_replicas_name_theirs(run: Run, live: "FakeService") -> None:
    live.log["blue"] = [LogLine(replica="r1", text="one"), LogLine(replica="r2", text="two")]
    assert run("logs", "iris/blue").out == "r1  one\nr2  two\n"


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    found = run("--help").out
    for name in (
        "up", "demo", "validate", "schema", "plan", "status", "sync", "invoke", "logs", "keys", "token", "events",
        "doctor", "down", "confirm", "version",
    ):  # fmt: skip
        assert f"│ {name} " in found
    assert "Exit codes: 0 ok; 1 a problem" in found


def test_help_imports_nothing_heavy() -> None:
    heavy = ["pydantic", "fastapi", "uvicorn", "sqlalchemy", "grpc", "httpx", "git", "asyncio"]
    code = f"import sys, console.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("live")
def test_output_has_no_colour_in_a_pipe(paths: Paths) -> None:
    call = [sys.executable, "-m", "console", "status", "--state-dir", str(paths.state)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "iris" in done.stdout


def test_replicas_of_a_former_release_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    replicas = tuple(
        ReplicaShape(id=f"blue-{release}-x", state="Ready", release=f"blue@{release}")
        for release in ("new", "live", "old")
    )
    live = LiveRelease(release="blue@live", instance_count=1, ready=1)
    detail = DeploymentDetail(
        name="blue",
        provisioning_state="Updating",
        release="blue@new",
        instance_count=1,
        ready=1,
        live=live,
        replicas=replicas,
    )
    pages._print_deployment(detail)  # noqa: SLF001
    told = [line for line in capsys.readouterr().out.splitlines() if "was replaced" in line]
    assert [line.split()[0] for line in told] == ["blue-old-x"]
