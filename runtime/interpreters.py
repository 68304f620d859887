"""Which Python an environment is built on: the one asked for, or the nearest that is there."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from runtime.fault import ReleaseError, WorldError
from runtime.uv import fault_of, run_uv

OLDEST = Version("3.7")
_LIST_SECONDS = 60.0
_FETCH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython on this machine."""

    path: Path
    version: Version

    @property
    def minor(self) -> str:
        """Such as `3.11`: environments and locks hold for one of these."""
        return f"{self.version.major}.{self.version.minor}"


def request(python: str) -> SpecifierSet:
    """What `3.10`, `3.10.4`, `=3.10` or `>=3.9,<3.11` ask for; raises `ReleaseError` if it is none of these."""
    text = python.strip()
    try:
        if text[:1].isdigit():
            text = f"=={text}" if text.count(".") > 1 or text.endswith("*") else f"=={text}.*"
        elif text.startswith("=") and not text.startswith("=="):
            return request(text[1:])
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ReleaseError("InvalidPythonVersion", f"python {python!r} is not a version; write 3.11, say") from error


def matching(found: Iterable[Interpreter], python: str) -> list[Interpreter]:
    """The interpreters that a request names, newest first."""
    asked = request(python)
    return sorted((each for each in found if each.version in asked), key=lambda each: each.version, reverse=True)


def nearest(found: Iterable[Interpreter], python: str | None) -> list[Interpreter]:
    """One interpreter of each minor version, nearest first; newer before older at the same distance."""
    wish = _wish(python)
    newest = {each.minor: each for each in sorted(found, key=lambda each: each.version)}
    return sorted(newest.values(), key=lambda each: (abs(each.version.minor - wish), -each.version.minor))


def _wish(python: str | None) -> int:
    """The minor version that distances are counted from; Headgate's own where nothing is asked for."""
    if python is None:
        return sys.version_info.minor
    bounds = [Version(each.version.removesuffix(".*")) for each in request(python)]
    return max((bound.minor for bound in bounds), default=sys.version_info.minor)


async def installed(log: Path) -> list[Interpreter]:
    """Every CPython that uv finds here, or that pyenv, asdf or mise installed."""
    listing = ["python", "list", "--only-installed", "--output-format", "json"]
    outcome = await run_uv(listing, log=log, seconds=_LIST_SECONDS, PATH=_without_shims(os.environ))
    return _distinct([*_from_uv(outcome.output), *_from_shims(os.environ)])


async def fetch(python: str, log: Path) -> bool:
    """Ask uv to install the Python of that version; False if there is no such build.

    Raises `WorldError` if it cannot be downloaded now.
    """
    text = python.strip().lstrip("=")
    outcome = await run_uv(["python", "install", text], log=log, seconds=_FETCH_SECONDS, UV_HTTP_RETRIES="0")
    if outcome.returncode == 0:
        return True
    fault = fault_of(outcome, f"Python {python} cannot be fetched", log)
    if isinstance(fault, WorldError):
        raise fault
    return False


def _from_uv(output: str) -> Iterator[Interpreter]:
    start = next((line for line in output.splitlines() if line.startswith("[")), "[]")
    for entry in json.loads(start):
        if entry.get("implementation") == "cpython" and entry.get("variant") == "default" and entry.get("path"):
            yield from _interpreter(Path(entry["path"]), entry["version"])


def _without_shims(environment: Mapping[str, str]) -> str:
    """PATH without version managers' shims: each is a slow shell script that mostly answers no."""
    entries = environment.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry).name != "shims")


def _from_shims(environment: Mapping[str, str]) -> Iterator[Interpreter]:
    """What the version managers installed, whether it is active or not."""
    home = Path(environment.get("HOME", "/"))
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    asdf, mise = home / ".asdf" / "installs" / "python", home / ".local" / "share" / "mise" / "installs" / "python"
    for directory in sorted(path for root in (pyenv, asdf, mise) for path in root.glob("3.*")):
        python = directory / "bin" / "python3"
        if directory.name.count(".") > 1 and os.access(python, os.X_OK):
            yield from _interpreter(python, directory.name)


def _interpreter(path: Path, text: str) -> Iterator[Interpreter]:
    try:
        version = Version(text)
    except InvalidVersion:
        return
    if version >= OLDEST and not version.is_prerelease:
        yield Interpreter(path, version)


def _distinct(found: Sequence[Interpreter]) -> list[Interpreter]:
    return list({each.version: each for each in reversed(found)}.values())
