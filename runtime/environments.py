"""Environments of replicas: one per distinct dependency set, locked once, built by uv, rebuilt from the lock."""

import asyncio
import json
import platform
import re
import sysconfig
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.artifacts import remove, write_whole
from runtime.conda import Conda, CondaLock
from runtime.fault import ReleaseError, WorldError, disk
from runtime.interpreters import Interpreter, fetch, installed, matching, nearest
from runtime.requirements import Wanted, wanted
from runtime.slots import Slots
from runtime.uv import end_strays, fault_of, run_uv
from spec.release import Recipe

RESOLVE_SECONDS = 900.0
INSTALL_SECONDS = 3600.0
VENV_SECONDS = 120.0
NEAREST_TRIED = 4
"""Interpreters tried before the requirements count as unsatisfiable."""

Note = tuple[str, str]
Progress = Callable[[str, str], None]
"""Called with a step (`resolving`, `installing`, …) and a message for people."""


@dataclass(frozen=True, slots=True)
class Built:
    """A complete environment."""

    key: str
    python: Path
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Lock:
    """What was resolved once: pinned and hashed requirements for one minor version of Python."""

    python: str
    notes: tuple[Note, ...]
    file: Path

    @property
    def packages(self) -> int:
        """How many packages it pins."""
        return len(re.findall(r"^[A-Za-z0-9][^\s#]*", self.file.read_text(), re.MULTILINE))

    @property
    def hashed(self) -> bool:
        """Whether every package has a hash (one fetched from a Git repository has none)."""
        return " @ git+" not in self.file.read_text()


class Environments:
    """The environments below `<state>/environments` and their locks below `<state>/locks`."""

    def __init__(
        self, state: Path, *, parallel: int = 2, fetch_python: bool = True, conda: Path | None = None
    ) -> None:
        self._environments = state / "environments"
        self._locks = state / "locks"
        self._fetch_python = fetch_python
        self._conda = Conda(conda) if conda else None
        self._unfetchable: set[str] = set()
        self._swept = False
        self._sweeping = asyncio.Lock()
        self._interpreters: list[Interpreter] = []
        self._building: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._given: defaultdict[str, set[Path]] = defaultdict(set)
        self._slots = Slots(parallel)
        self._platform = f"{sysconfig.get_platform()}-{platform.libc_ver()[0]}"

    def wanted(self, recipe: Recipe) -> Wanted:
        """The dependency set of a recipe; conda's own packages are left to a configured conda."""
        return wanted(recipe, use_conda=self._conda is not None)

    def key(self, wanted: Wanted) -> str:
        """The environment's name on this platform."""
        return wanted.key(self._platform)

    def log(self, key: str) -> Path:
        """The environment's build log."""
        return self._environments / key / "build.log"

    async def ensure(self, wanted: Wanted, progress: Progress) -> Built:
        """Return the environment, building it if it is absent or damaged; concurrent calls build once.

        Of those that wait the one with the fewest requirements is built first.

        Raises `ReleaseError` when the requirements are wrong and `WorldError` when network, disk or registry
        are away; both quote the end of the build log.
        """
        key = self.key(wanted)
        async with self._building[key]:
            present = await asyncio.to_thread(self.present, key)
            if present is not None:
                self._given[key].add(_venv_dir(present))
                return present
            message = f"waiting for another environment before building that of {wanted.label}"
            async with self._slots.held(len(wanted.requirements), lambda: progress("waiting", message)):
                with disk(f"the environment of {wanted.label} cannot be written"):
                    built = await self._build(key, wanted, progress)
                    await asyncio.to_thread(self._stand_in, key, _venv_dir(built))
                    return built

    def present(self, key: str) -> Built | None:
        """The environment if it is complete: its interpreter and all its packages are there."""
        directory = self._environments / key
        try:
            marker = json.loads((directory / "environment.json").read_bytes())
            venv = directory / marker["venv"]
            packages = set(marker["packages"])
            notes = tuple((str(reason), str(message)) for reason, message in marker["notes"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        python = venv / "bin" / "python"
        return Built(key, python, notes) if python.exists() and packages <= set(_packages(venv)) else None

    def collect(self, live: Iterable[str]) -> list[str]:
        """Remove environments and locks whose key is not in `live`; return the keys removed."""
        keep = set(live)
        gone = [path for path in sorted(self._environments.glob("*")) if path.name not in keep]
        stale = [path for path in self._locks.glob("*") if path.name.partition(".")[0] not in keep]
        for path in (*gone, *stale):
            self._given.pop(path.name, None)
            remove(path)
        return [path.name for path in gone]

    async def _build(self, key: str, wanted: Wanted, progress: Progress) -> Built:
        self.log(key).parent.mkdir(parents=True, exist_ok=True)
        # Before the first build of ours, which would be taken for a stray too.
        async with self._sweeping:
            if not self._swept:
                await asyncio.to_thread(end_strays, self._environments.resolve())
                self._swept = True
        if self._conda is not None and wanted.conda is not None:
            return await self._build_by_conda(self._conda, key, wanted, wanted.conda, progress)
        lock = self._read_lock(key)
        if lock is None:
            interpreter, lock = await self._resolve(key, wanted, progress)
        else:
            interpreter = await self._interpreter_of(lock, key, wanted)
        progress("installing", f"installing {lock.packages} packages on Python {interpreter.version}")
        venv = self._new_venv(key)
        try:
            await self._install(venv, interpreter, lock, wanted)
            return await asyncio.to_thread(self._mark, key, venv, lock.notes)
        finally:
            await self._remove_unfinished(key, venv)

    async def _build_by_conda(
        self, conda: Conda, key: str, wanted: Wanted, document: str, progress: Progress
    ) -> Built:
        progress("installing", f"making the environment of {wanted.label} with {conda.executable.name}")
        venv = self._new_venv(key)
        try:
            await conda.create(venv, document, CondaLock.of(self._locks, key), wanted.label)
            return await asyncio.to_thread(self._mark, key, venv, ())
        finally:
            await self._remove_unfinished(key, venv)

    def _new_venv(self, key: str) -> Path:
        """A place that no unfinished build of an earlier process writes to."""
        return self._environments / key / f"venv-{uuid.uuid4().hex[:8]}"

    async def _remove_unfinished(self, key: str, venv: Path) -> None:
        if _venv_of(self._environments / key / "environment.json") != venv.name:
            await asyncio.shield(asyncio.to_thread(remove, venv))

    async def _install(self, venv: Path, interpreter: Interpreter, lock: Lock, wanted: Wanted) -> None:
        log = venv.parent / "build.log"
        create = ["venv", "--python", str(interpreter.path), str(venv)]
        outcome = await run_uv(create, log=log, seconds=VENV_SECONDS)
        if outcome.returncode != 0:
            raise fault_of(outcome, f"the environment of {wanted.label} cannot be created", log)
        hashes = ["--require-hashes"] if lock.hashed else []
        install = ["pip", "install", "--python", str(venv / "bin" / "python"), "--no-deps", *hashes, *wanted.options]
        outcome = await run_uv([*install, "-r", str(lock.file)], log=log, seconds=INSTALL_SECONDS)
        if outcome.returncode != 0:
            raise fault_of(outcome, f"the packages of {wanted.label} cannot be installed", log)

    def _mark(self, key: str, venv: Path, notes: tuple[Note, ...]) -> Built:
        """Make the new environment the current one; the one before stays, replicas may still run from it."""
        directory = self._environments / key
        marker = directory / "environment.json"
        before = _venv_of(marker)
        facts = {"venv": venv.name, "packages": _packages(venv), "notes": notes}
        write_whole(marker, json.dumps(facts).encode())
        for other in directory.glob("venv-*"):
            if other.name not in {venv.name, before}:
                remove(other)
        return Built(key, venv / "bin" / "python", notes)

    def _stand_in(self, key: str, venv: Path) -> None:
        """Let replicas that run from a damaged environment find the new one at the path that they know."""
        for former in self._given[key] - {venv}:
            trash, link = (former.with_name(f".{word}-{uuid.uuid4().hex[:8]}") for word in ("trash", "link"))
            link.symlink_to(venv.name)
            if former.exists() and not former.is_symlink():
                former.rename(trash)
            # There is nothing at this path for an instant only, whatever the size of what was there.
            link.replace(former)
            remove(trash)
        self._given[key].add(venv)

    def _read_lock(self, key: str) -> Lock | None:
        try:
            facts = json.loads((self._locks / f"{key}.json").read_bytes())
            notes = tuple((str(reason), str(message)) for reason, message in facts["notes"])
            lock = Lock(facts["python"], notes, self._locks / f"{key}.txt")
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return lock if lock.file.is_file() else None

    async def _interpreter_of(self, lock: Lock, key: str, wanted: Wanted) -> Interpreter:
        """An interpreter for which the lock holds; raises `WorldError` if there is none any more."""
        found = await self._matching(lock.python, key, exact=True)
        if not found:
            text = f"{wanted.label} is locked for Python {lock.python}, which is not here any more; install it"
            raise WorldError("PythonVersionNotFound", text)
        return found[0]

    async def _resolve(self, key: str, wanted: Wanted, progress: Progress) -> tuple[Interpreter, Lock]:
        candidates, nearly = await self._candidates(key, wanted, progress)
        first: ReleaseError | None = None
        for interpreter in candidates:
            count = len(wanted.requirements)
            noun = "requirement" if count == 1 else "requirements"
            progress("resolving", f"resolving {count} {noun} on Python {interpreter.version}")
            try:
                text = await self._compile(key, wanted, interpreter)
            except ReleaseError as error:
                first = first or error
                continue
            notes = (_nearest_note(wanted, interpreter),) if nearly else ()
            return interpreter, self._keep(key, text, interpreter, notes)
        raise first or _no_python(wanted)

    async def _candidates(self, key: str, wanted: Wanted, progress: Progress) -> tuple[Sequence[Interpreter], bool]:
        """Interpreters to try in order, and whether they are only near what was asked for."""
        if wanted.python is None:
            return nearest(await self._installed(key), None)[:NEAREST_TRIED], False
        progress("python", f"looking for Python {wanted.python}")
        exact = await self._matching(wanted.python, key, exact=wanted.exact_python)
        if exact:
            return exact[:1], False
        if wanted.exact_python:
            raise _no_python(wanted)
        return nearest(await self._installed(key), wanted.python)[:NEAREST_TRIED], True

    async def _matching(self, python: str, key: str, *, exact: bool) -> list[Interpreter]:
        """The interpreters that `python` names: known, newly installed by somebody, or fetched by uv."""
        if found := matching(await self._installed(key), python):
            return found
        if found := matching(await self._installed(key, fresh=True), python):
            return found
        fetched = await self._fetch(python, key, exact=exact)
        return matching(await self._installed(key, fresh=True), python) if fetched else []

    async def _installed(self, key: str, *, fresh: bool = False) -> list[Interpreter]:
        """What there is here; asking uv takes a second, so the answer is kept while it can hold."""
        known = [each for each in self._interpreters if each.path.exists()]
        if fresh or not known:
            self._interpreters = known = await installed(self.log(key))
        return known

    async def _fetch(self, python: str, key: str, *, exact: bool) -> bool:
        """Whether uv installed that Python; unless it must be exact, a failed download is not tried again."""
        if not self._fetch_python or python in self._unfetchable:
            return False
        try:
            fetched = await fetch(python, self.log(key))
        except WorldError:
            if exact:
                raise
            fetched = False
        if not fetched:
            self._unfetchable.add(python)
        return fetched

    async def _compile(self, key: str, wanted: Wanted, interpreter: Interpreter) -> str:
        directory = self._environments / key
        output = directory / f"lock-{uuid.uuid4().hex[:8]}.txt"
        await asyncio.to_thread(_write_lines, directory / "requirements.in", wanted.requirements)
        await asyncio.to_thread(_write_lines, directory / "constraints.txt", wanted.constraints)
        bounds = ["--constraints", "constraints.txt"]
        compiling = ["pip", "compile", "--quiet", "--generate-hashes", "--no-header", *bounds, *wanted.options]
        target = ["--python", str(interpreter.path), "--output-file", str(output), "requirements.in"]
        try:
            outcome = await run_uv([*compiling, *target], log=self.log(key), seconds=RESOLVE_SECONDS)
            if outcome.returncode != 0:
                what = f"the requirements of {wanted.label} do not resolve on Python {interpreter.version}"
                raise fault_of(outcome, what, self.log(key))
            return await asyncio.to_thread(output.read_text)
        finally:
            output.unlink(missing_ok=True)

    def _keep(self, key: str, text: str, interpreter: Interpreter, notes: tuple[Note, ...]) -> Lock:
        self._locks.mkdir(parents=True, exist_ok=True)
        file = self._locks / f"{key}.txt"
        write_whole(file, text.encode())
        write_whole(self._locks / f"{key}.json", json.dumps({"python": interpreter.minor, "notes": notes}).encode())
        return Lock(interpreter.minor, notes, file)


def _packages(venv: Path) -> list[str]:
    return sorted(path.name for path in venv.glob("lib/python*/site-packages/*.dist-info"))


def _venv_of(marker: Path) -> str | None:
    try:
        return str(json.loads(marker.read_bytes())["venv"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def _nearest_note(wanted: Wanted, interpreter: Interpreter) -> Note:
    text = f"Python {wanted.python} of {wanted.label} is neither here nor can uv fetch it"
    return "PythonVersionNotFound", f"{text}; Python {interpreter.version} is used instead."


def _no_python(wanted: Wanted) -> ReleaseError:
    text = f"Python {wanted.python or ''} for {wanted.label} is neither here nor can uv fetch it".replace("  ", " ")
    return ReleaseError("PythonVersionNotFound", f"{text}; install it, or let the settings allow the nearest one")


def _venv_dir(built: Built) -> Path:
    return built.python.parent.parent
