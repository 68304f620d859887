"""Routers on real Envoys."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from router.attempts import Attempt
from router.desired import Desired
from router.envoy import EnvoyRouter
from router.sequence import Stream
from router.settings import RouterSettings
from tests.router.xds.model import Envoy
from tests.router.xds.rig import Rig, StartRig, free_port


@pytest.fixture
async def start_rig() -> AsyncIterator[StartRig]:
    """`await start_rig(domain=..., plain_http=...)`: a router that is open, over plain HTTP unless asked else."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(heard: Callable[[Sequence[Attempt]], None] | None = None, **fields: Any) -> Rig:  # noqa: ANN401
            root = Path(tempfile.mkdtemp(prefix="hg"))
            stack.callback(shutil.rmtree, root, ignore_errors=True)
            settings = RouterSettings("test", root / "envoy", root / "run", free_port(), plain_http=True, workers=2)
            settings = replace(settings, **fields)
            rig = Rig(settings, EnvoyRouter(settings, heard=heard), stack, heard)
            stack.push_async_callback(lambda: rig.router.close(stop_envoy=True))
            await rig.router.start()
            await rig.router.open()
            return rig

        yield start


@pytest.fixture
async def rig(start_rig: StartRig) -> Rig:
    return await start_rig()


@pytest.fixture
def envoy() -> Envoy:
    envoy = Envoy(Stream(Desired())).connect()
    envoy.settle()
    envoy.pushes.clear()
    return envoy
