"""Load from a closed loop of keep-alive connections: wrk if it is there, else processes of raw asyncio sockets."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BODY = b'{"input_data": {"columns": ["a", "b", "c", "d"], "index": [0], "data": [[5.1, 3.5, 1.4, 0.2]]}}'
_PROCESSES = 2
_SCRIPT = """\
wrk.method = "POST"
wrk.body = [==[%s]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  local form = '{"requests": %%d, "seconds": %%.6f, "p50": %%.1f, "p99": %%.1f, "failed": %%d}'
  io.write(string.format('\\nOUTCOME ' .. form .. '\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), bad))
end
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes."""

    port: int
    path: str
    key: str
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one slice brought; latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failed: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Run:
    """Load under way; `outcome` waits for its end."""

    processes: tuple[asyncio.subprocess.Process, ...]
    read: Callable[[list[str]], Outcome]

    async def outcome(self) -> Outcome:
        """Return what it brought. Raises `RuntimeError` if a request failed."""
        found = self.read([await _output(process) for process in self.processes])
        if found.failed or not found.requests:
            raise RuntimeError(f"{found.failed} of {found.requests} requests failed")
        return found

    def pause(self) -> None:
        """Send nothing more, and read no answers, until `resume`."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        for process in self.processes:
            process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End at once what still runs."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()


class Generator:
    """Makes load; `name` says what makes it."""

    def __init__(self, choice: str, connections: int, folder: Path) -> None:
        program = shutil.which("wrk") if choice in ("auto", "wrk") else None
        if choice == "wrk" and program is None:
            raise SystemExit("wrk is not on PATH")
        self._program = program
        self._connections = connections
        self._folder = folder
        self._runs = 0
        self.name = f"wrk ({program}), one thread" if program else f"{_PROCESSES} processes of raw asyncio sockets"

    async def run(self, target: Target, seconds: float) -> Outcome:
        """Send as fast as answers come, for that long."""
        return await (await self.begin(target, seconds)).outcome()

    async def begin(self, target: Target, seconds: float) -> Run:
        """Begin to send as fast as answers come; it ends by itself after that long, pauses included."""
        if self._program:
            return Run((await self._wrk(target, seconds),), _read_wrk)
        return Run(tuple([await self._python(target, seconds) for _ in range(_PROCESSES)]), _read_python)

    async def _wrk(self, target: Target, seconds: float) -> asyncio.subprocess.Process:
        self._runs += 1
        script = self._folder / f"post-{self._runs}.lua"
        await asyncio.to_thread(script.write_text, _SCRIPT % (BODY.decode(), target.key))
        scheme = "https" if target.tls else "http"
        url = f"{scheme}://127.0.0.1:{target.port}{target.path}"
        flags = (
            "-t1",
            f"-c{self._connections}",
            f"-d{max(1, round(seconds))}s",
            "--timeout",
            "60s",
            "-s",
            str(script),
        )
        return await _start(str(self._program), *flags, url)

    async def _python(self, target: Target, seconds: float) -> asyncio.subprocess.Process:
        settings = json.dumps(
            {
                "port": target.port,
                "path": target.path,
                "key": target.key,
                "tls": target.tls,
                "connections": max(1, self._connections // _PROCESSES),
                "seconds": seconds,
            }
        )
        return await _start(sys.executable, "-m", "benchmarks.sockets", settings)


def _read_wrk(texts: list[str]) -> Outcome:
    return Outcome(**json.loads(texts[0].partition("OUTCOME ")[2].splitlines()[0]))


def _read_python(texts: list[str]) -> Outcome:
    parts = [json.loads(text) for text in texts]
    latencies = sorted(value for part in parts for value in part["latencies"])
    return Outcome(
        requests=sum(part["requests"] for part in parts),
        seconds=max(part["seconds"] for part in parts),
        p50=latencies[len(latencies) // 2] if latencies else 0.0,
        p99=latencies[int(len(latencies) * 0.99)] if latencies else 0.0,
        failed=sum(part["failed"] for part in parts),
    )


async def _start(*command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def _output(process: asyncio.subprocess.Process) -> str:
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}: {err.decode()[-500:]}")
    return out.decode()
