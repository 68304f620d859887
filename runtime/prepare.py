"""All that a release needs before its first replica starts, tried again while the world is away."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runtime.artifacts import Artifacts, Exporter
from runtime.environments import Environments
from runtime.fault import ReleaseError, as_failed
from runtime.layouts import Layouts
from runtime.prepared import Prepared
from runtime.replica import Preparation, Stage
from spec.errors import StalledError, TransientError
from spec.release import Recipe, ReleaseRef, Server

Report = Callable[[Preparation], None]
"""Called on the event loop with each step, and with each failure that is tried again."""
Write = Callable[[ReleaseRef, str], None]
"""Appends a line to the release's storage-initializer log: `Logs.note`."""

_SERVED = frozenset({Server.INFERENCE_SERVER, Server.MLFLOW})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between attempts while the world is away: doubled each time, up to `longest`."""

    first: float = 5.0
    longest: float = 300.0

    def after(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt of that number, counted from 1."""
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 20))


class Preparer:
    """Prepares the releases of one installation; all methods but the constructor belong to one event loop."""

    def __init__(
        self,
        state: Path,
        exporter: Exporter,
        write: Write,
        *,
        environments: Environments | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._artifacts = Artifacts(state / "artifacts", exporter)
        self._layouts = Layouts(state, self._artifacts)
        self._environments = environments or Environments(state)
        self._write = write
        self._backoff = backoff or Backoff()
        self._artifacts.sweep()

    async def prepare(self, release: ReleaseRef, recipe: Recipe, report: Report) -> Prepared:
        """Return once a replica could start; while the world is away, report it and try again, for ever.

        Raises `StalledError` (mostly a `ReleaseError`) when the content is wrong. Cancelling stops the build.
        What is there already is checked, not made again, so preparing after a restart is quick.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(release, recipe, report)
            except TransientError as error:
                delay = self._backoff.after(attempt)
                await self._note(release, f"failed, tried again in {delay:g} s: {error}")
                report(as_failed(error))
                await asyncio.sleep(delay)
            except StalledError as error:
                await self._note(release, f"failed, {as_failed(error).reason}: {error}")
                raise

    async def check(self, prepared: Prepared) -> bool:
        """Whether the release's files and environment are still as they were made; if not, prepare it again."""

        def look() -> bool:
            built = self._environments.present(prepared.environment)
            same = built is not None and built.python == prepared.python
            return same and self._layouts.damaged(prepared.release, prepared.recipe) is None

        return await asyncio.to_thread(look)

    async def missing(self, prepared: Prepared) -> str:
        """Which path is gone or changed of all that was made, also for further starts; empty: none."""

        def look() -> str:
            found = self._layouts.damaged(prepared.release, prepared.recipe)
            for oid in _objects(prepared.recipe):
                found = found or self._artifacts.damaged(oid)
            if found is None and self._environments.present(prepared.environment) is None:
                found = prepared.python
            return str(found or "")

        return await asyncio.to_thread(look)

    async def forget(self, release: ReleaseRef, recipe: Recipe) -> None:
        """Remove the release's own directory; artifacts and environment wait for `collect`."""
        await asyncio.to_thread(self._layouts.remove, release, recipe)

    async def collect(self, live: Mapping[ReleaseRef, Recipe]) -> None:
        """Remove every artifact, layout, environment and lock that no release in `live` needs.

        `live` must hold all releases that may ever start again, and those being prepared now.
        """
        artifacts = {oid for recipe in live.values() for oid in _objects(recipe)}
        environments = {key for recipe in live.values() for key in self._key_of(recipe)}

        def sweep() -> None:
            self._layouts.collect(live)
            self._artifacts.collect(artifacts)
            self._environments.collect(environments)

        await asyncio.to_thread(sweep)

    def _key_of(self, recipe: Recipe) -> Iterator[str]:
        """The key of a recipe's environment; none for a container, nor for requirements that were refused."""
        with suppress(ReleaseError):
            if recipe.server in _SERVED:
                yield self._environments.key(self._environments.wanted(recipe))

    async def _attempt(self, release: ReleaseRef, recipe: Recipe, report: Report) -> Prepared:
        def progress(_step: str, message: str) -> None:
            report(Preparation(Stage.PREPARING, message=message))
            self._write(release, _stamped(message))

        _refuse_containers(release, recipe)
        progress("materialising", _materialising(recipe))
        layout = await asyncio.to_thread(self._layouts.ensure, release, recipe)
        built = await self._environments.ensure(self._environments.wanted(recipe), progress)
        for reason, message in built.notes:
            await self._note(release, f"{reason}: {message}")
        await self._note(release, f"environment {built.key} ({recipe.environment.label}) is ready: {built.python}")
        return Prepared(release, recipe, layout, built.python, built.key, built.notes)

    async def _note(self, release: ReleaseRef, text: str) -> None:
        await asyncio.to_thread(self._write, release, _stamped(text))


def _stamped(text: str) -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}"


def _refuse_containers(release: ReleaseRef, recipe: Recipe) -> None:
    if recipe.server in _SERVED:
        return
    text = (
        f"{release} is a {recipe.server} release, and processes run none: name packages by `conda_file` and code by "
        "`code_configuration`, or leave the deployment out"
    )
    raise ReleaseError("RuntimeNotSupported", text)


def _materialising(recipe: Recipe) -> str:
    parts = []
    if recipe.model is not None:
        parts.append(f"model {recipe.model.name}:{recipe.model.version} from {recipe.model.artifact.path}")
    if recipe.code is not None:
        parts.append(f"code from {recipe.code.artifact.path}")
    return f"materialising {' and '.join(parts)}" if parts else "materialising nothing: no model, no code"


def _objects(recipe: Recipe) -> list[str]:
    found = (recipe.model, recipe.code, recipe.environment.build)
    return [part.artifact.oid for part in found if part is not None]
