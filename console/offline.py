"""The plan where no Headgate runs: against what the last one remembers, else for a fresh installation. Blocks."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from console.client import NotRunningError
from console.desired import of_edits, of_folder, of_revision
from console.hints import paste
from console.paths import Paths
from console.planning import Desired, Present, names, outline
from console.plans import PlanShape
from console.settings import Settings, load
from forge.peek import find_top
from reconciler.decide import NO_AUTH
from reconciler.plan import Seen
from reconciler.state import Known, Memory
from reconciler.store import Store
from router.table import EndpointRoute, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.errors import HeadgateError

NEEDED = ("repo", "branch", "path", "conda", "state_dir")


def plan(flags: Mapping[str, object], revision: str | None, path: Path | None, now: datetime) -> PlanShape:
    """The plan of a folder, of the repository in the settings, or of the working copy that the shell is in.

    Raises `NotRunningError` if there is none of them.
    """
    config = flags.get("config")
    settings = load(
        {"state_dir": flags.get("state_dir")}, config=str(config) if config else None, only=NEEDED, strict=False
    )
    desired = _desired(settings, revision, path)
    remembered = _remembered(Paths(settings.state_dir))
    present = {name: _present(remembered.get(name) or Memory(name)) for name in names(desired.catalog, remembered)}
    return outline(desired, present, now, "memory" if remembered else "nothing")


def _desired(settings: Settings, revision: str | None, path: Path | None) -> Desired:
    conda = settings.conda is not None
    if path is not None:
        return of_folder(path, revision, conda=conda)
    repository = settings.repo or _here()
    if repository is None:
        state = settings.state_dir
        raise NotRunningError(
            f"Headgate is not running on {state}.\nStart it with: {paste('up', 'REPO', state=state)}\n"
            f"Or plan a folder of specs for a fresh installation: {paste('plan', '--path', 'DIR', state=state)}"
        )
    if revision is None and (edits := of_edits(repository, settings.path, conda=conda)):
        return edits
    return of_revision(repository, settings.path, revision or settings.branch or "HEAD", conda=conda)


def _here() -> str | None:
    top = find_top(Path.cwd())
    return str(top) if top else None


def _remembered(paths: Paths) -> dict[str, Memory]:
    """Memory as the last Headgate left it; empty where there is none that this version can read."""
    if not paths.database.is_file():
        return {}
    store = Store(f"sqlite:///{paths.database}")
    try:
        return store.load()
    except (HeadgateError, ValueError):
        return {}
    finally:
        store.close()


def _present(memory: Memory) -> Present:
    """What would be seen if everything still were as remembered."""
    generation = 1 if memory.route else 0
    releases = {known.ref.name: _release(known, memory.route) for known in memory.releases if known.retiring is None}
    return Present(memory, Seen(RouteSeen(memory.route, generation, generation), releases), NO_AUTH)


def _release(known: Known, route: EndpointRoute | None) -> ReleaseSeen:
    hosts = [
        host for backend in (route.backends if route else ()) if backend.release == known.ref.name
        for host in backend.hosts
    ]  # fmt: skip
    replicas = tuple(
        ReplicaSeen(f"{known.ref.name}-{index}", ReplicaState.READY, host.address, host.port)
        for index, host in enumerate(hosts)
    )
    return ReleaseSeen(Preparation(Stage.PREPARED), known.count, replicas)
