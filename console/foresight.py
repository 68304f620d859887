"""Plans of a running Headgate: of its newest commit, of edits, of another revision, or of what a caller sends."""

import asyncio
from dataclasses import dataclass, field

from console.paths import Paths
from console.planning import Desired, Present, names, outline
from console.plans import PlanShape, Proposal
from console.settings import Settings
from reconciler import wants
from reconciler.loop import Reconciler
from reconciler.state import Memory
from router.table import KeyAuth, TokenAuth
from spec.catalog import Catalog
from spec.errors import HeadgateError


@dataclass
class Foresight:
    """Reads only the repository that Headgate follows; no path of a caller is ever opened."""

    reconciler: Reconciler
    settings: Settings
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def plan(self, revision: str | None, *, edits: bool) -> PlanShape:
        """The plan of a revision, else of uncommitted edits if asked for and there, else of the newest commit."""
        async with self._turn:
            desired = await self._desired(revision, edits=edits)
        return await self.compare(desired)

    async def propose(self, proposal: Proposal) -> PlanShape:
        """The plan of a catalog that the caller has loaded."""
        return await self.compare(Desired(proposal.catalog, proposal.subject))

    async def compare(self, desired: Desired) -> PlanShape:
        """The plan of `desired` against what is live now."""
        reconciler = self.reconciler
        present = {
            name: Present(
                reconciler.memories.get(name) or Memory(name),
                reconciler.observe(name),
                self._auth(name, desired.catalog),
            )
            for name in names(desired.catalog, reconciler.memories)
        }
        return await asyncio.to_thread(outline, desired, present, reconciler.clock.now())

    async def _desired(self, revision: str | None, *, edits: bool) -> Desired:
        from console.desired import of_edits, of_revision

        settings, conda = self.settings, self.reconciler.conda
        repository = settings.repo or ""
        if revision is not None:
            mirror = Paths(settings.state_dir).plans
            return await asyncio.to_thread(
                of_revision, repository, settings.path, revision, conda=conda, mirror=mirror
            )
        if edits and not settings.worktree:
            try:
                found = await asyncio.to_thread(of_edits, repository, settings.path, conda=conda)
            except HeadgateError as error:
                said = str(error).rstrip(". ")
                raise HeadgateError(
                    f"The working copy cannot be read: {said}. A commit can: headgate plan --revision HEAD"
                ) from error
            if found is not None:
                return found
        return self._newest()

    def _newest(self) -> Desired:
        reconciler = self.reconciler
        catalog, snapshot = reconciler.catalog, reconciler.snapshot
        if catalog is None:
            return Desired(_remembered(reconciler))
        return Desired(catalog, message=snapshot.message if snapshot else "", confirmed=reconciler.confirmed)

    def _auth(self, name: str, catalog: Catalog) -> KeyAuth | TokenAuth:
        reconciler = self.reconciler
        if not reconciler.access.has(name):
            return KeyAuth("", "")
        memory = reconciler.memories.get(name) or Memory(name)
        return reconciler.access.auth(name, wants.auth_mode(memory, catalog))


def _remembered(reconciler: Reconciler) -> Catalog:
    """What memory says while Git was never reached."""
    wanted = {name: reconciler.want(memory).spec for name, memory in reconciler.memories.items()}
    return Catalog("", {name: spec for name, spec in wanted.items() if spec is not None})
