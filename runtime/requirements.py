"""Which packages an environment consists of, before they are resolved. Pure."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runtime.fault import ReleaseError
from spec.piplines import is_fetched
from spec.release import Environment, Recipe, Server

INFERENCE_SERVER = "azureml-inference-server-http"
_WITH_PKG_RESOURCES = "setuptools<81"
"""Newer ones lack pkg_resources, which older packages import (gunicorn 20.1 of inference servers up to 1.0)."""
_MLFLOW = frozenset({"mlflow", "mlflow-skinny"})
_INDEX_OPTIONS = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
}
_NAME_OPTIONS = frozenset({"--no-binary", "--only-binary"})
_IGNORED = frozenset({"--prefer-binary", "--no-cache-dir", "--no-cache", "--trusted-host", "--upgrade", "-U"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One distinct dependency set: what is to be resolved, and where from."""

    label: str
    """How messages name the environment; not in the key."""
    python: str | None
    exact_python: bool
    requirements: tuple[str, ...]
    options: tuple[str, ...]
    """Arguments of `uv pip compile` and `uv pip install`."""
    constraints: tuple[str, ...] = ()
    """Bounds on packages that others may bring."""
    conda: str | None = None
    """The conda file as JSON, where a real conda builds the environment."""

    def key(self, platform: str) -> str:
        """Sixteen hex digits of the SHA-256 of all that decides the environment's content."""
        facts = [
            *(self.python, self.exact_python, sorted(self.requirements), self.options),
            *(self.constraints, self.conda, platform),
        ]
        return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()[:16]


def wanted(recipe: Recipe, *, use_conda: bool = False) -> Wanted:
    """The dependency set of a recipe; raises `ReleaseError` for a requirement that is malformed or unsafe."""
    environment = recipe.environment
    parsed = [_parse(text, environment.label) for text in environment.requirements]
    named: set[str] = {canonicalize_name(requirement.name) for requirement in parsed}
    return Wanted(
        label=environment.label,
        python=environment.python,
        exact_python=recipe.exact_python,
        requirements=(*environment.requirements, *_added(recipe, named)),
        options=tuple(_options(environment.pip_options, environment.label)),
        constraints=() if "setuptools" in named else (_WITH_PKG_RESOURCES,),
        conda=environment.conda if use_conda and _has_conda_file(environment) else None,
    )


def _has_conda_file(environment: Environment) -> bool:
    """Whether the content is a conda file's, and not a requirements file's or a curated table's."""
    return environment.curated is None and (environment.conda or "").startswith("{")


def _added(recipe: Recipe, named: set[str]) -> Iterator[str]:
    """What the model server needs and the user left to the platform."""
    if INFERENCE_SERVER not in named:
        yield INFERENCE_SERVER
    if recipe.environment.conda is not None and "setuptools" not in named:
        # Conda puts setuptools into every environment, and older packages import it unasked.
        yield _WITH_PKG_RESOURCES
    if recipe.server is Server.MLFLOW:
        if not named & _MLFLOW:
            yield "mlflow-skinny"
        if "mlflow" not in named:
            yield from (name for name in ("numpy", "pandas") if name not in named)


def _parse(text: str, label: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ReleaseError("InvalidRequirement", f"{label}: {text!r} is not a requirement: {error}") from error
    if requirement.url is not None:
        _check_url(requirement.url, label)
    return requirement


def _options(written: Iterable[str], label: str) -> Iterator[str]:
    extra = False
    for text in written:
        name, _, value = re.sub(r"\s+|(?<=^-[if])", "=", text.strip(), count=1).partition("=")
        value = value.strip().lstrip("=").strip()
        match name:
            case "--pre":
                yield from ("--prerelease", "allow")
            case _ if name in _INDEX_OPTIONS:
                _check_url(value, label)
                extra = extra or _INDEX_OPTIONS[name] == "--extra-index-url"
                yield from (_INDEX_OPTIONS[name], value)
            case _ if name in _NAME_OPTIONS:
                yield from (name, value)
            case _ if name not in _IGNORED:
                raise ReleaseError(
                    "InvalidRequirement", f"{label}: the pip option {name!r} is not supported; remove it"
                )
    if extra:
        # Pip takes the best version of all indexes; uv would stop at the first index that has the name.
        yield from ("--index-strategy", "unsafe-best-match")


def _check_url(url: str, label: str) -> None:
    """Allow https (also below git+), and http to this host only: nothing that reads files or runs commands."""
    if is_fetched(url):
        return
    split = urlsplit(url)
    shown = f"{split.scheme}://{split.hostname or ''}" if split.scheme else url
    raise ReleaseError("UnsafeRequirement", f"{label}: {shown} is not fetched; use an https URL or an index")
