"""Environments that a real conda, mamba or micromamba makes, where the operator configured one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runtime.artifacts import write_whole
from runtime.requirements import INFERENCE_SERVER
from runtime.uv import Outcome, fault_of, run, run_uv

CREATE_SECONDS = 3600.0
_LIST_SECONDS = 120.0
_YES = {"CONDA_ALWAYS_YES": "true", "MAMBA_ALWAYS_YES": "true"}


@dataclass(frozen=True, slots=True)
class CondaLock:
    """What was installed once: conda's explicit list of archives, and what pip added to it."""

    explicit: Path
    pip: Path

    @classmethod
    def of(cls, directory: Path, key: str) -> "CondaLock":
        """The lock's files, whether they are there or not."""
        return cls(directory / f"{key}.conda", directory / f"{key}.pip")

    @property
    def kept(self) -> bool:
        """Whether it is complete: the explicit list is written last."""
        return self.explicit.is_file()


@dataclass(frozen=True, slots=True)
class Conda:
    """The program that makes environments."""

    executable: Path

    async def create(self, prefix: Path, document: str, lock: CondaLock, label: str) -> None:
        """Make the environment at `prefix` from its lock, or else from the conda file (JSON), and keep its lock.

        Raises `ReleaseError` when the conda file is wrong and `WorldError` when a channel is away.
        """
        if lock.kept:
            await self._restore(prefix, lock, label)
            return
        file = prefix.parent / "environment.yml"
        write_whole(file, with_server(document).encode())
        await self._run(prefix, label, *self._from_file(prefix, file))
        await self._keep(prefix, lock, label)

    def _from_file(self, prefix: Path, file: Path) -> list[str]:
        verb = ["create"] if self._micro else ["env", "create"]
        return [*verb, "-p", str(prefix), "-f", str(file)]

    async def _restore(self, prefix: Path, lock: CondaLock, label: str) -> None:
        await self._run(prefix, label, "create", "-p", str(prefix), "--file", str(lock.explicit))
        install = ["pip", "install", "--python", str(prefix / "bin" / "python"), "--no-deps", "-r", str(lock.pip)]
        outcome = await run_uv(install, log=_log(prefix), seconds=CREATE_SECONDS)
        _check(outcome, prefix, label)

    async def _keep(self, prefix: Path, lock: CondaLock, label: str) -> None:
        freeze = ["pip", "freeze", "--quiet", "--python", str(prefix / "bin" / "python")]
        frozen = _check(await run_uv(freeze, log=_log(prefix), seconds=_LIST_SECONDS), prefix, label)
        listing = ["env", "export", "-p", str(prefix)] if self._micro else ["list", "-p", str(prefix)]
        explicit = await self._run(prefix, label, *listing, "--explicit", "--md5")
        # What conda installed shows as a path of the machine that built it; the explicit list covers it.
        pip = [
            line for line in frozen.output.splitlines() if "==" in line or "@ git+" in line or "@ https://" in line
        ]
        lock.pip.parent.mkdir(parents=True, exist_ok=True)
        write_whole(lock.pip, "".join(f"{line}\n" for line in pip).encode())
        write_whole(lock.explicit, explicit.output.encode())

    async def _run(self, prefix: Path, label: str, *arguments: str) -> Outcome:
        argv = [str(self.executable), *arguments]
        return _check(await run(argv, log=_log(prefix), seconds=CREATE_SECONDS, **_YES), prefix, label)

    @property
    def _micro(self) -> bool:
        return "micromamba" in self.executable.name


def with_server(document: str) -> str:
    """The conda file (JSON, which is YAML too) with the inference server in its pip part, unless it names one."""
    conda: dict[str, Any] = json.loads(document)
    dependencies = list(conda.get("dependencies") or [])
    texts = [entry for entry in dependencies if isinstance(entry, str)]
    pip = [text for entry in dependencies if isinstance(entry, dict) for text in entry.get("pip") or []]
    if INFERENCE_SERVER not in {_name(str(text)) for text in pip}:
        pip.append(INFERENCE_SERVER)
    if "pip" not in {text.split("=")[0].strip() for text in texts}:
        texts.append("pip")
    return json.dumps({**conda, "dependencies": [*texts, {"pip": pip}]})


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""


def _log(prefix: Path) -> Path:
    return prefix.parent / "build.log"


def _check(outcome: Outcome, prefix: Path, label: str) -> Outcome:
    if outcome.returncode != 0:
        raise fault_of(outcome, f"conda cannot make the environment of {label}", _log(prefix))
    return outcome
