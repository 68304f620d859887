"""Asks the process that holds answers against schemas, and ends it where it takes too long."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from observability.exchange import excerpt

PATIENCE_S: Final = 10.0
"""One answer against one schema takes milliseconds; the process starts within a second or two."""
LONGEST_LINE: Final = 1 << 20


class Uninspected(Exception):  # noqa: N818 - what happened
    """An answer could not be held against its schema; the text says why."""


@dataclass
class Inspector:
    """One process for one round of checks, started when it is first needed. For one event loop."""

    process: asyncio.subprocess.Process | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fault_of(self, schema: str, answer: bytes) -> str:
        """How an answer is not what a schema asks for; empty: it is.

        Raises:
            Uninspected: it could not be told in time, or the process ended.
        """
        try:
            text = answer.decode(json.detect_encoding(answer))
        except UnicodeDecodeError as error:
            return f"its answer is no JSON ({excerpt(str(error))})"
        async with self.turn:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self._ask(json.dumps([schema, text]))
            except TimeoutError as error:
                await self.close()
                raise Uninspected(f"it takes longer than {PATIENCE_S:g} s") from error
            except (OSError, ValueError) as error:
                await self.close()
                raise Uninspected("the process that does so ended") from error

    async def _ask(self, question: str) -> str:
        process = self.process = self.process or await _start()
        if process.stdin is None or process.stdout is None:
            raise OSError("the process has no pipes")
        process.stdin.write(question.encode("ascii") + b"\n")
        await process.stdin.drain()
        return str(json.loads(await process.stdout.readline()))

    async def close(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def inspecting() -> AsyncIterator[Inspector]:
    """An inspector whose process ends with the block."""
    inspector = Inspector()
    try:
        yield inspector
    finally:
        await inspector.close()


async def _start() -> asyncio.subprocess.Process:
    # Not from the working directory, which may be a repository with a json.py of its own.
    known = os.pathsep.join(path for path in sys.path if os.path.isabs(path))  # noqa: PTH117 (plain strings)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "observability.schema",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST_LINE,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": known},
    )
