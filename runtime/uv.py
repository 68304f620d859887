"""Running uv (or conda) as a child process whose end never depends on Headgate's own environment."""

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from uv import find_uv_bin

from runtime.fault import FULL_ADVICE, ReleaseError, WorldError

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TMPDIR", "TZ", "NETRC", "PYENV_ROOT"),
        *("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "MACOSX_DEPLOYMENT_TARGET"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS"),
    }
)
_KEPT_UV = re.compile(
    r"UV_(CACHE_DIR|DEFAULT_INDEX|INDEX|INDEX_.*|EXTRA_INDEX_URL|FIND_LINKS|HTTP_.*|REQUEST_TIMEOUT|OFFLINE|NATIVE_TLS"
    r"|SYSTEM_CERTS|INSECURE_HOST|KEYRING_PROVIDER|LINK_MODE|CONCURRENT_.*|PYTHON_INSTALL_.*|NO_CACHE|CREDENTIALS_DIR)"
)
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
"""Any of these is the operator's own word on whose certificates uv trusts."""
_BUNDLES = ("REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_STORES = (
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"),
    "/etc/ssl/cert.pem",
)
"""Where systems keep the certificates that they trust; macOS has one of these too."""
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_AWAY = (
    *("error sending request", "dns error", "failed to lookup address", "connection refused", "connection reset"),
    *("connect error", "operation timed out", "connection timed out"),
    *("condahttperror", "http 000", "could not resolve host"),
)
_AWAY_OF_UV = (
    *("server error (5", "client error (401", "client error (403", "client error (407", "client error (429"),
    *(
        "invalid peer certificate",
        "permission denied",
        "read-only file system",
        "too many open files",
        "failed to fetch",
    ),
)
_FULL = ("no space left", "disk quota exceeded", "file too large")
_BUILDERS = ("uv", "conda", "mamba", "micromamba")
_TAIL = 12
_KILLED = -signal.SIGKILL
_OVERFLOW = -signal.SIGXFSZ


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended; `output` is what it wrote to both streams."""

    returncode: int
    output: str

    @property
    def tail(self) -> str:
        """The last lines, without passwords in URLs."""
        lines = [line.rstrip() for line in self.output.strip().splitlines() if line.strip()]
        return redact("\n".join(lines[-_TAIL:]))


class TimedOutError(WorldError):
    """A child took longer than it may."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(
            "BuildTimeout", f"{what} took longer than {seconds:.0f} s and was stopped; it is tried again"
        )


def redact(text: str) -> str:
    """The text with user and password of every URL replaced."""
    return _CREDENTIALS.sub("****", text)


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a build may see: paths, proxies, certificates and uv's index and cache settings; no secret of ours."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name.upper() in _KEPT or name.startswith("LC_") or _KEPT_UV.fullmatch(name)
    }
    fixed = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "manual"}
    return {**kept, **fixed, **trust(inherited), **_config(inherited)}


def trust(inherited: Mapping[str, str]) -> dict[str, str]:
    """Let uv trust what every other program here does, a company's own CA among them, unless told whom to trust.

    By itself it trusts a list of its own; that stays so where the system has none.
    """
    if any(inherited.get(name) for name in _TRUST):
        return {}
    bundle = next((path for name in _BUNDLES if (path := inherited.get(name)) and Path(path).is_file()), None)
    if bundle is not None:
        return {"SSL_CERT_FILE": bundle}
    return {"UV_SYSTEM_CERTS": "1"} if any(Path(path).is_file() for path in _STORES) else {}


def _config(inherited: Mapping[str, str]) -> dict[str, str]:
    """The operator's own uv.toml, never one that happens to lie above the state directory."""
    base = Path(inherited.get("XDG_CONFIG_HOME") or Path(inherited.get("HOME", "/")) / ".config")
    files = (inherited.get("UV_CONFIG_FILE"), base / "uv" / "uv.toml", "/etc/uv/uv.toml")
    found = next((str(file) for file in files if file and Path(file).is_file()), None)
    return {"UV_CONFIG_FILE": found} if found else {"UV_NO_CONFIG": "1"}


async def run_uv(arguments: Sequence[str], *, log: Path, seconds: float, **variables: str) -> Outcome:
    """Run `uv ARGUMENTS`; see `run`."""
    return await run([find_uv_bin(), *arguments], log=log, seconds=seconds, **variables)


async def run(argv: Sequence[str], *, log: Path, seconds: float, **variables: str) -> Outcome:
    """Run a child in the log's directory, its output appended to `log`; cancelling kills it and its children.

    Raises `TimedOutError` after `seconds`, `WorldError` if it cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(redact(f"$ {Path(argv[0]).name} {' '.join(argv[1:])}\n").encode())
        sink.flush()
        start = sink.tell()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=log.parent,
                env={**child_environment(os.environ), **variables},
                start_new_session=True,
            )
        except OSError as error:
            raise WorldError("BuildToolMissing", f"{argv[0]} cannot be started: {error}") from error
    await _finish(process, Path(argv[0]).name, seconds)
    return Outcome(process.returncode or 0, _read_from(log, start))


async def _finish(process: asyncio.subprocess.Process, what: str, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        raise TimedOutError(what, seconds) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())


def _read_from(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def end_strays(folder: Path) -> None:
    """End builds below `folder` that an earlier, killed Headgate left running: nobody waits for them any more."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            builds = process.name() in _BUILDERS and Path(process.cwd()).is_relative_to(folder)
            # `run` gives each build a session of its own.
            if builds and process.pid == os.getsid(process.pid):
                os.killpg(process.pid, signal.SIGKILL)


def fault_of(outcome: Outcome, what: str, log: Path) -> ReleaseError | WorldError:
    """Whose fault a failed child is: the world's if network, disk or registry fail it, else the release's."""
    said = f"\n{outcome.tail}\n(the whole log: {log})"
    lower = outcome.output.lower()
    if outcome.returncode == _OVERFLOW or any(marker in lower for marker in _FULL):
        return WorldError("DiskFull", f"{what}: {FULL_ADVICE}. It said:{said}")
    text = f"{what}:{said}"
    foreign = "failed to build" in lower
    if outcome.returncode == _KILLED or any(
        marker in lower for marker in (*_AWAY, *(() if foreign else _AWAY_OF_UV))
    ):
        return WorldError("RegistryUnavailable", text)
    return ReleaseError("EnvironmentBuildFailed", text)
