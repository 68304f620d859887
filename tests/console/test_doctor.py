"""The doctor's checks, each against a machine that is well and one that is not."""

import contextlib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from console import doctor
from console.cli import main
from console.doctor import Level
from console.paths import Paths
from console.settings import Settings


def settings(**changes: object) -> Settings:
    return Settings.model_validate(changes)


def test_python_and_git_are_found() -> None:
    assert doctor.check_python().level is Level.OK
    assert doctor.check_git().level is Level.OK


def test_a_missing_git_is_a_failure(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("PATH", str(home))
    found = doctor.check_git()
    assert (found.level, found.advice) == (Level.FAIL, "Install Git 2.32 or newer.")


def answer(text: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    return lambda *_, **__: subprocess.CompletedProcess([], 0, text, "")


@pytest.mark.parametrize(
    ("said", "level"), [("git version 2.31.9", Level.FAIL), ("git version 2.32.0 (Apple)", Level.OK)]
)
def test_an_old_git_is_a_failure(monkeypatch: pytest.MonkeyPatch, said: str, level: Level) -> None:
    monkeypatch.setattr(subprocess, "run", answer(said))
    assert doctor.check_git().level is level


def test_envoy_runs_or_the_check_says_what_to_set(home: Path) -> None:
    found = doctor.check_envoy(settings())
    assert (found.level, found.found[:4]) == (Level.OK, "1.40")
    broken = home / "envoy"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    found = doctor.check_envoy(settings(envoy_bin=broken))
    assert found.level is Level.FAIL
    assert "ENVOY_BIN" in found.advice


def test_a_port_in_use_is_a_failure_but_for_our_own_envoy(paths: Paths) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = doctor.check_port(settings(port=port), paths)
        assert (found.level, found.advice) == (Level.FAIL, "Choose another with --port.")
        paths.admin_socket.touch()
        assert doctor.check_port(settings(port=port), paths).level is Level.OK
    assert doctor.check_port(settings(port=port), Paths(paths.state / "new")).level is Level.OK


def test_an_open_state_directory_is_a_warning(paths: Paths) -> None:
    assert doctor.check_state(paths).level is Level.OK
    paths.state.chmod(0o755)
    found = doctor.check_state(paths)
    assert (found.level, found.advice) == (Level.WARN, f"Run: chmod 700 {paths.state}")


@pytest.mark.parametrize(("free", "level"), [(2**29, Level.FAIL), (2**31, Level.WARN), (2**34, Level.OK)])
def test_a_full_disk_is_seen(monkeypatch: pytest.MonkeyPatch, paths: Paths, free: int, level: Level) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert doctor.check_disk(paths).level is level


def test_lost_memory_is_a_failure_and_a_new_installation_is_none(paths: Paths) -> None:
    assert doctor.check_memory(paths).found.endswith("will be created")
    paths.runtime.mkdir(parents=True)
    lost = doctor.check_memory(paths)
    assert (lost.level, lost.found) == (Level.FAIL, f"{paths.database} is gone")
    assert "Restore it from a backup" in lost.advice
    paths.database.write_bytes(b"x" * 2**20)
    damaged = doctor.check_memory(paths)
    assert (damaged.level, damaged.found) == (Level.FAIL, f"{paths.database} is damaged: file is not a database")
    paths.database.unlink()
    with contextlib.closing(sqlite3.connect(paths.database)) as connection:
        connection.execute(f"CREATE TABLE room AS SELECT zeroblob({2**20}) AS room")
        connection.commit()
    assert doctor.check_memory(paths).found == f"{paths.database}, 1.0 MiB"


@pytest.mark.parametrize(
    ("limits", "level", "advice"),
    [
        ((1024, 1048576), Level.WARN, "ulimit -n 4096"),
        ((1024, 2048), Level.WARN, "2048"),
        ((65536, -1), Level.OK, ""),
    ],
)
def test_few_open_files_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], level: Level, advice: str
) -> None:
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: limits)
    found = doctor.check_files()
    assert found.level is level
    assert advice in found.advice


def test_a_clock_in_the_past_is_a_failure(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    assert doctor.check_clock(paths).level is Level.OK
    monkeypatch.setattr(doctor.time, "time", lambda: 0.0)
    assert doctor.check_clock(paths).level is Level.FAIL


def test_a_registry_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(home / "cache"))
    found = doctor.check_registry()
    assert found.level is Level.WARN
    assert "UV_DEFAULT_INDEX" in found.advice


@pytest.mark.real
def test_the_registry_offers_the_inference_server() -> None:
    found = doctor.check_registry()
    assert (found.level, "azureml-inference-server-http==" in found.found) == (Level.OK, True)


def test_a_failure_is_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: (doctor.Check("port", Level.FAIL, "taken", "Choose another."),))
    monkeypatch.setattr(sys, "argv", ["headgate", "doctor"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert "fail" in out
    assert "Choose another." in out
