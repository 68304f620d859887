"""What every endpoint of a commit stands on: the files, the registry of assets, and the settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from spec import curated
from spec.near import listing, suggestion
from spec.references import AssetKind, Reference, version_key
from spec.repository import Repository
from spec.settings import Settings

Assets = Mapping[tuple[str, str], Mapping[str, str]]
"""Kind and name → path → version."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One commit's common facts."""

    repository: Repository
    settings: Settings
    assets: Assets
    settings_file: str = ""
    """Empty: the repository has none."""
    conda: bool = False
    """Whether a real conda makes the environments of conda files."""
    is_settled: bool = True
    """False: the settings cannot be read, so a name that they may declare is not known to be wrong."""

    def pick(self, reference: Reference) -> str | None:
        """The path of the file that declares the asset, or None with `explain` saying why."""
        found = self._matching(reference)
        return next(iter(found)) if len(found) == 1 else None

    def explain(self, reference: Reference) -> str:
        """Why `pick` finds nothing, and what to do."""
        label = reference.label
        if label not in (None, "latest"):
            return f"has the label `{label}`: only `latest` is known. Name a version."
        declared = self.assets.get(reference.key, {})
        if not declared:
            return self._unknown(reference)
        found = self._matching(reference)
        if found:
            return f"is declared by {' and '.join(f'`{path}`' for path in sorted(found))}: keep one of them."
        versions = listing(declared.values())
        return f"names version `{reference.version}`, which no file declares. Versions of it: {versions}."

    def _matching(self, reference: Reference) -> list[str]:
        declared = self.assets.get(reference.key, {})
        if reference.label not in (None, "latest") or not declared:
            return []
        wanted = reference.version or max(declared.values(), key=version_key)
        return [path for path, version in declared.items() if version == wanted]

    def _unknown(self, reference: Reference) -> str:
        names = self.names(reference.kind)
        hint = suggestion(reference.name, names) or f" Known: {listing(names)}."
        article = "an" if reference.kind == "environment" else "a"
        where = "in the repository" if reference.kind == "model" else "in the repository or the curated table"
        return (
            f"names the {reference.kind} `{reference.name}`, which is not {where}.{hint} "
            f"Add {article} {reference.kind} YAML file with this `name`, or correct the reference."
        )

    def names(self, kind: AssetKind) -> list[str]:
        """Every name that a reference of this kind may have."""
        own = [name for found, name in self.assets if found == kind]
        return own if kind == "model" else [*own, *self.settings.environments, *curated.names()]
