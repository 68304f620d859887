"""Azure's loader in an environment of its own: built once below `.build`, asked through one long-lived process."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from uv import find_uv_bin

HERE = Path(__file__).parent
LOCK = HERE / "azure.txt"
BUILD = HERE.parents[1] / ".build"


@dataclass(frozen=True, slots=True)
class Answer:
    """What Azure's loader made of a text; `values` is JSON as azure_driver.py writes it."""

    accepted: bool
    values: dict[str, Any]
    error: str
    network: list[str]


def environment() -> Path:
    """The Python of an environment with exactly the locked packages; made when it is not there."""
    key = f"{LOCK.read_text()}\n{sys.version}\n{sys.base_prefix}"
    folder = BUILD / f"parity-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "parity.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder)
            (folder / "complete").touch()
    return folder / "bin" / "python"


def _build(folder: Path) -> None:
    # In an environment of its own, so that neither a virtual environment nor PYTHONPATH around the tests leaks in.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    python = getattr(sys, "_base_executable", None) or sys.executable
    make = [find_uv_bin(), "venv", "--no-config", "--no-project", "--python", python, str(folder)]
    install = [find_uv_bin(), "pip", "install", "--no-config", "--compile-bytecode", "--only-binary", ":all:"]
    for command in (make, [*install, "--python", str(folder / "bin" / "python"), "-r", str(LOCK)]):
        done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


class Azure:
    """The driver's process, in a folder that holds what the texts refer to."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hg-parity-")
        for path, content in files.items():
            target = Path(self._folder.name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [environment(), "-I", str(HERE / "azure_driver.py")],
            cwd=self._folder.name,
            env={"HOME": self._folder.name, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )
        self.version = str(self._read()["version"])

    def load(self, kind: str, text: str) -> Answer:
        """What the loader makes of an `endpoint` or a `deployment`."""
        print(json.dumps({"kind": kind, "text": text}), file=self._pipe(self._process.stdin), flush=True)
        return Answer(**self._read())

    def close(self) -> None:
        """End the process and remove its folder."""
        self._pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe(self._process.stdout).close()
        self._log.close()
        self._folder.cleanup()

    def _read(self) -> dict[str, Any]:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"azure_driver.py ended:\n{self._log.read()[-4000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
