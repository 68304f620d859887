"""A repository to plan, and what is live of it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from console.desired import of_folder
from console.planning import Present, names, outline
from console.plans import PlanEntry, PlanShape
from reconciler.plan import Seen
from reconciler.routing import project
from reconciler.state import Known, Memory, Settled
from router.table import KeyAuth, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.catalog import Catalog

Run = Callable[..., SimpleNamespace]
EXAMPLE = Path(__file__).parents[2] / "examples" / "repo"
NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
KEYS = KeyAuth("one", "two")
FRESH = Seen(RouteSeen(None, 0, 0), {})


def git(folder: Path, *words: str) -> str:
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        known |= {f"GIT_{role}_NAME": "Ann", f"GIT_{role}_EMAIL": "ann@example.org"}
    done = subprocess.run(["git", *words], cwd=folder, env={**os.environ, **known}, capture_output=True, check=True)
    return done.stdout.decode().strip()


def committed_examples(folder: Path) -> Path:
    """A working copy of the example repository with one commit."""
    shutil.copytree(EXAMPLE, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


def edit(models: Path, file: str, old: str, new: str) -> None:
    path = models / "endpoints" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def settled(catalog: Catalog) -> dict[str, Present]:
    """Every endpoint of a catalog, live as it asks."""
    found = {}
    for name, spec in catalog.endpoints.items():
        split = tuple((f"{spec.deployment(d).release.name}", percent * 100) for d, percent in spec.traffic)
        promoted = tuple((deployment.name, deployment.release.name) for deployment in spec.deployments)
        known = tuple(Known(d.release, d.recipe, d.instance_count) for d in spec.deployments)
        memory = Memory(name, Settled(split), spec, "c0", known, promoted, applied="c0")
        releases = {
            d.release.name: ReleaseSeen(
                Preparation(Stage.PREPARED),
                d.instance_count,
                tuple(
                    ReplicaSeen(f"{d.name}-{index}", ReplicaState.READY, "127.0.0.1", 9000 + index)
                    for index in range(d.instance_count)
                ),
            )
            for d in spec.deployments
        }
        seen = Seen(RouteSeen(None, 0, 0), releases)
        found[name] = Present(memory, replace(seen, route=RouteSeen(project(memory, seen, KEYS), 1, 1)), KEYS)
    return found


def compare(models: Path, present: dict[str, Present]) -> PlanShape:
    desired = of_folder(models, None, conda=False)
    known = {name: Present(Memory(name), FRESH, KEYS) for name in names(desired.catalog, present)} | present
    return outline(desired, known, NOW)


def one(plan: PlanShape, name: str) -> PlanEntry:
    return next(entry for entry in plan.endpoints if entry.endpoint == name)
