"""What each part of the runtime makes of a disk without room; a whole installation on one is in tests/e2e."""

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from runtime.artifacts import Artifacts
from runtime.environments import Environments
from runtime.fault import ReleaseError, WorldError, as_failed
from runtime.logs import Logs
from runtime.records import Care, Record, Records
from runtime.replica import Blame
from runtime.requirements import Wanted
from runtime.uv import Outcome, fault_of
from spec.errors import TransientError
from spec.release import Artifact, ReleaseRef

BLUE = ReleaseRef("fraud", "blue", "3f2a9c41d0e7")
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


class Exporter:
    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def export(self, *_: object) -> None:
        raise self.fault


@pytest.mark.parametrize(
    ("outcome", "reason", "blame"),
    [
        (Outcome(1, "error: failed to copy: No space left on device (os error 28)"), "DiskFull", Blame.WORLD),
        (Outcome(2, "Failed to build torch\nOSError: [Errno 122] Disk quota exceeded"), "DiskFull", Blame.WORLD),
        (Outcome(-signal.SIGXFSZ, ""), "DiskFull", Blame.WORLD),
        (Outcome(1, "error sending request for url"), "RegistryUnavailable", Blame.WORLD),
        (Outcome(1, "no solution found"), "EnvironmentBuildFailed", Blame.RELEASE),
    ],
)
def test_a_build_without_room_is_the_worlds_fault(outcome: Outcome, reason: str, blame: Blame) -> None:
    failed = as_failed(fault_of(outcome, "the packages of x cannot be installed", Path("build.log")))
    assert (failed.reason, failed.blame) == (reason, blame)
    assert failed.message.startswith("the packages of x cannot be installed:")
    assert ("free some space" in failed.message) == (reason == "DiskFull")


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "DiskFull"), (errno.EROFS, "StateUnwritable")])
async def test_an_environment_that_cannot_be_written_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    async def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    environments = Environments(tmp_path)
    monkeypatch.setattr(environments, "_build", fail)
    wanted = Wanted("test", None, exact_python=False, requirements=(), options=())
    with pytest.raises(WorldError, match="the environment of test cannot be written") as caught:
        await environments.ensure(wanted, lambda *_: None)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (NO_ROOM, WorldError, "DiskFull"),
        (OSError(errno.EROFS, "Read-only file system"), WorldError, "StateUnwritable"),
        (OSError(errno.ENOENT, "missing object"), ReleaseError, "ArtifactUnreadable"),
    ],
)
def test_an_artifact_that_cannot_be_written(
    tmp_path: Path, fault: OSError, kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        Artifacts(tmp_path, Exporter(fault)).ensure(Artifact("code", "a" * 40, "directory"))
    assert getattr(caught.value, "reason", "") == reason


def test_the_sources_own_word_of_a_full_disk_keeps_its_reason(tmp_path: Path) -> None:
    said = TransientError("The disk is full")
    said.__cause__ = NO_ROOM
    with pytest.raises(WorldError) as caught:
        Artifacts(tmp_path, Exporter(said)).ensure(Artifact("code", "a" * 40, "directory"))
    assert caught.value.reason == "DiskFull"


def test_a_note_without_room_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logs = Logs(tmp_path)
    path = logs.initializer(BLUE)
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    logs.note(BLUE, "laying out")
    assert "cannot be written" in caplog.text


def record(**more: object) -> Record:
    return Record("blue-3f2a9c-ab12cd", BLUE, 0, Care(), started_at=datetime(2030, 1, 1, tzinfo=UTC), **more)


def test_a_record_is_written_over_within_its_own_block(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(record(port=40_000, pid=12_345))
    (tmp_path / "blue-3f2a9c-ab12cd.new").symlink_to("/dev/full")
    records.write(record(port=1))
    assert records.read() == [record(port=1)]


def test_a_record_that_needs_another_block_keeps_its_former_content(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(record(port=1))
    (tmp_path / "blue-3f2a9c-ab12cd.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        records.write(record(birth="x" * 10_000))
    assert records.read() == [record(port=1)]


def test_a_print_without_room_does_not_fail_the_model_server(tmp_path: Path) -> None:
    """The configuration that every replica runs, with stand-ins for the server, its output a full disk."""
    (tmp_path / "azureml_inference_server_http").mkdir()
    (tmp_path / "azureml_inference_server_http" / "__init__.py").write_text("")
    conf = resources.files("runtime.servers").joinpath("gunicorn_conf.py").read_text()
    after = "\nprint('lost')\nimport logging\nlogging.getLogger().warning('lost')\nos.write(report, b'went on')\n"
    (tmp_path / "conf.py").write_text(f"import os\nreport = os.dup(0)\n{conf.partition('import errno')[2]}{after}")
    source = (tmp_path / "conf.py").read_text().replace("import os\n", "import errno\nimport os\n", 1)
    (tmp_path / "conf.py").write_text(source)
    with (tmp_path / "report").open("wb") as report, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-u", "conf.py"], cwd=tmp_path, stdin=report, stdout=full, stderr=full, check=False
        )
    assert done.returncode == 0
    assert (tmp_path / "report").read_text() == "went on"
