"""Headgate's files for the whole repository: `kind: settings` and `kind: values`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Field

from spec import piplines
from spec.curated import Curated
from spec.document import Document
from spec.fields import Bool, Float, Int, Str, Strict, Words, between, reject
from spec.problem import Problem
from spec.quantity import cores, size
from spec.release import InstanceType
from spec.validation import validate

PROCESS = "process"
RUNTIMES = (PROCESS,)
"""Runtimes that this version has."""
KINDS = ("settings", "values", "rollout_policy", "checks")
"""Kinds of Headgate's own files."""


def _cores(value: str) -> str:
    if cores(value) is None:
        raise reject("must be a number of cores, such as 2 or 500m.", "cores", "headgate")
    return value


def _size(value: str) -> str:
    if size(value) is None:
        raise reject("must be an amount of memory, such as 512Mi or 2Gi.", "memory", "headgate")
    return value


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise reject("must be from 0 to 1.", "0 to 1", "headgate")
    return value


def _requirement(value: str) -> str:
    try:
        line = piplines.parse(value)
    except piplines.PipLineError as error:
        raise reject(f"is refused: {error}.", "a requirement as in PEP 508", "headgate") from error
    if line is None or line.is_option:
        raise reject("must be a requirement such as numpy>=1.26,<2.", "a requirement as in PEP 508", "headgate")
    return line.text


def _python(value: str) -> str:
    try:
        SpecifierSet(f"=={value}.*" if value[:1].isdigit() else value)
    except InvalidSpecifier as error:
        raise reject("must be a Python version, such as '3.11'.", "a Python version", "headgate") from error
    return value


class InstanceTypeFields(Strict):
    """A size of replica."""

    cpu: Annotated[Words, AfterValidator(_cores)] = Field(description="Cores: `2`, `500m`.")
    memory: Annotated[Words, AfterValidator(_size)] = Field(description="Memory: `512Mi`, `2Gi`.")
    gpu: Annotated[Int, between(0, 64, kind="headgate")] = Field(default=0, description="GPUs.")


class CuratedFields(Strict):
    """An environment that `azureml:NAME:VERSION` finds."""

    python: Annotated[Str, AfterValidator(_python)] = Field(description="Python version in quotes, such as `'3.11'`.")
    requirements: list[Annotated[Str, AfterValidator(_requirement)]] = Field(
        default=[], description="Requirements as in a requirements file."
    )


class SettingsFile(Strict):
    """What holds for the whole repository; one file at most."""

    dropped = ("$schema",)

    kind: Literal["settings"] = Field(description="Says that this is Headgate's settings file.")
    default_runtime: Str = Field(default=PROCESS, description="Runtime of managed endpoints.")
    computes: dict[Str, Str] = Field(default={}, description="Compute name of Kubernetes endpoints → runtime.")
    instance_types: dict[Str, InstanceTypeFields] = Field(default={}, description="Instance types of your own.")
    environments: dict[Str, CuratedFields] = Field(default={}, description="Curated environments of your own.")
    exact_python: Bool = Field(default=False, description="Refuse any Python version but the one asked for.")
    max_removed_share: Annotated[Float, AfterValidator(_share)] = Field(
        default=0.5, description="A commit that removes a larger share of endpoints waits for confirmation."
    )


class ValuesFile(Strict):
    """What fills placeholders: `{{X}}`, `${X}`, and `<X>` where X is listed; one file at most."""

    dropped = ("$schema",)

    kind: Literal["values"] = Field(description="Says that this is Headgate's values file.")
    values: dict[Str, Any] = Field(default={}, description="Placeholder → text or number.")


@dataclass(frozen=True, slots=True)
class Settings:
    """The repository's settings, ready to use."""

    default_runtime: str = PROCESS
    computes: Mapping[str, str] = field(default_factory=dict)
    instance_types: Mapping[str, InstanceType] = field(default_factory=dict)
    environments: Mapping[str, Curated] = field(default_factory=dict)
    exact_python: bool = False
    max_removed_share: float = 0.5


def read_settings(document: Document) -> tuple[Settings, tuple[Problem, ...]]:
    """The settings in a file, or the defaults and why."""
    fields, problems = validate(SettingsFile, document, document.data)
    if fields is None or document.problems:
        return Settings(), (*document.problems, *problems)
    return _settings(fields), ()


def _settings(fields: SettingsFile) -> Settings:
    types = {name: InstanceType(name, cores(one.cpu) or 0, size(one.memory) or 0, one.gpu)
             for name, one in fields.instance_types.items()}  # fmt: skip
    extra = {
        name: Curated(name, "1", one.python, tuple(one.requirements)) for name, one in fields.environments.items()
    }
    return Settings(
        fields.default_runtime, fields.computes, types, extra, fields.exact_python, fields.max_removed_share
    )


def read_values(document: Document) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
    """The placeholders' values as text, or none and why."""
    fields, problems = validate(ValuesFile, document, document.data)
    if fields is None or document.problems:
        return {}, (*document.problems, *problems)
    wrong = tuple(
        document.problem(
            ("values", name),
            f"`values.{name}` must be text, a number, true or false.",
            found=value,
            allowed="text, a number, true or false",
        )
        for name, value in fields.values.items()
        if not isinstance(value, str | int | float)
    )
    return ({}, wrong) if wrong else ({name: _text(value) for name, value in fields.values.items()}, ())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
