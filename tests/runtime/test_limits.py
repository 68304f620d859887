import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from runtime import limits, system
from runtime.cgroups import Group, claim
from runtime.limits import Host, hints, notes
from spec.release import InstanceType

GIB = 2**30
SMALL = InstanceType("Standard_DS1_v2", 1, GIB)

NOTED = [
    pytest.param(SMALL, Host(2, 4 * GIB, Path("/x")), [], id="fits, and is enforced"),
    pytest.param(SMALL, Host(2, 4 * GIB), ["CpuLimitAdvisory"], id="no cgroup"),
    pytest.param(InstanceType("big", 4, GIB), Host(2, 4 * GIB, Path("/x")), ["InstanceTypeExceedsHost"], id="cores"),
    pytest.param(
        InstanceType("big", 1, 9 * GIB), Host(2, 4 * GIB, Path("/x")), ["InstanceTypeExceedsHost"], id="memory"
    ),
]


@pytest.mark.parametrize(("size", "host", "reasons"), NOTED)
def test_notes(size: InstanceType, host: Host, reasons: list[str]) -> None:
    assert [reason for reason, _ in notes(size, host)] == reasons


def test_thread_counts_are_the_cores_unless_the_user_says_otherwise() -> None:
    found = hints(1.5, {"OMP_NUM_THREADS": "8", "OTHER": "x"})
    assert "OMP_NUM_THREADS" not in found
    assert found["OPENBLAS_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "2"
    assert hints(0, {}) == {}


def test_the_host_is_what_it_is() -> None:
    host = limits.detect()
    assert (host.cpu, host.memory) == (len(psutil.Process().cpu_affinity() or []), psutil.virtual_memory().total)


class TestCgroups:
    """On directories that look like cgroup v2: what is written where."""

    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        (tmp_path / "proc").write_text("9:name=systemd:/\n0::/headgate.service\n")
        cgroup = tmp_path / "headgate.service"
        cgroup.mkdir()
        (cgroup / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
        (cgroup / "cgroup.subtree_control").write_text("")
        (cgroup / "cgroup.procs").write_text(f"{os.getpid()}\n")
        return cgroup

    def test_a_delegated_one_is_divided(self, own: Path, tmp_path: Path) -> None:
        assert claim(tmp_path, tmp_path / "proc") == own
        assert (own / "headgate" / "cgroup.procs").read_text() == str(os.getpid())
        assert (own / "cgroup.subtree_control").read_text() == "+cpu +memory"

    def test_the_next_headgate_finds_its_parent(self, own: Path, tmp_path: Path) -> None:
        (own / "cgroup.procs").write_text("")
        (tmp_path / "proc").write_text("0::/headgate.service/headgate\n")
        assert claim(tmp_path, tmp_path / "proc") == own

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            pytest.param("cgroup.controllers", "hugetlb\n", id="no controllers, as on hosts with cgroup v1"),
            pytest.param("cgroup.procs", "1\n", id="others live there"),
        ],
    )
    def test_what_is_not_ours_stays_untouched(self, own: Path, tmp_path: Path, file: str, text: str) -> None:
        (own / file).write_text(text)
        assert claim(tmp_path, tmp_path / "proc") is None
        assert (own / "cgroup.subtree_control").read_text() == ""

    def test_no_cgroup_v2_at_all(self, tmp_path: Path) -> None:
        assert claim(tmp_path, tmp_path / "none") is None
        (tmp_path / "proc").write_text("4:memory:/x\n")
        assert claim(tmp_path, tmp_path / "proc") is None

    def test_a_replicas_group(self, tmp_path: Path) -> None:
        group = Group(tmp_path, "blue-1")
        assert group.kills() == 0
        group.open(4711, 1.5, GIB)
        path = tmp_path / "replica-blue-1"
        wrote = {file.name: file.read_text() for file in path.iterdir()}
        assert wrote == {
            "memory.max": str(GIB),
            "memory.oom.group": "1",
            "cpu.max": "150000 100000",
            "cgroup.procs": "4711",
        }
        (path / "memory.events").write_text("max 7\noom 1\noom_kill 2\noom_group_kill 1\n")
        assert group.kills() == 2


@pytest.mark.real
def test_memory_is_weighed_over_the_whole_family() -> None:
    code = (
        "import os, sys, time\n"
        "held = b'x' * (60 * 2**20)\n"
        "child = os.fork()\n"
        "own = b'y' * (40 * 2**20)\n"
        "os.write(1, b'held\\n')\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == [b"held\n"] * 2
            rough = limits.weigh([(process.pid, GIB)])[process.pid]
            exact = limits.weigh([(process.pid, 2**20)])[process.pid]
            assert rough > 200 * 2**20, "the 60 MiB that both share count twice"
            assert 140 * 2**20 < exact < 170 * 2**20
        finally:
            for found in system.Forest(system.survey()).family(process.pid):
                os.kill(found.pid, 9)
