"""What Headgate's spec layer makes of one file: the models, then what its parts refer to, and its resources."""

import json
import posixpath
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spec.azure.asset import InlineEnvironment, InlineModel
from spec.azure.deployment import FILE_PREFIX, Deployment, KubernetesDeployment, deployment_type
from spec.azure.endpoint import endpoint_type
from spec.document import Document
from spec.fields import SHAPES
from spec.findings import Findings, Scope
from spec.problem import Problem
from spec.references import Reference
from spec.repository import Repository
from spec.resolution import code as codes
from spec.resolution import environment as environments
from spec.resolution import model as models
from spec.resolution import size as sizes
from spec.resolution.ground import Ground
from spec.settings import Settings
from spec.validation import validate
from tests.parity.files import FILES
from tests.parity.plain import Parts, Value, plain
from tests.spec.commits import MemoryFiles

FILE = "input.yml"
_UNRESOLVED = "(any reference is taken here)"
_IDENTITY = ("resource_id", "client_id", "object_id")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One problem; kinds: `document`, `loader`, `service`, `headgate`, `resolution`, and pydantic's own."""

    kind: str
    place: str
    message: str
    found: str = ""


@dataclass(slots=True)
class Loaded:
    """The outcome; without refusals `values` holds every field."""

    refusals: list[Refusal] = field(default_factory=list)
    values: Parts = field(default_factory=Parts)

    @property
    def accepted(self) -> bool:
        return not self.refusals


class OpenGround(Ground):
    """Knows every asset: a reference is only read, and remembered."""

    __slots__ = ("read",)

    def pick(self, reference: Reference) -> str | None:
        object.__setattr__(self, "read", reference)
        return None

    def explain(self, reference: Reference) -> str:
        return f"{reference.name} {_UNRESOLVED}"


def load(kind: str, text: str) -> Loaded:
    """Load one `endpoint` or `deployment`."""
    repository = Repository(MemoryFiles({**FILES, FILE: text}))
    document = repository.document(FILE)
    loaded = Loaded([Refusal("document", one.field, one.message) for one in document.problems])
    if document.data is None and document.problems:
        return loaded
    chosen: type[BaseModel] = {"endpoint": endpoint_type, "deployment": deployment_type}[kind](dict(document.mapping))
    try:
        fields = chosen.model_validate(document.data)
    except ValidationError as error:
        loaded.refusals += [_refusal(details) for details in error.errors(include_url=False)]
        return loaded
    loaded.values = parts(fields)
    if isinstance(fields, Deployment):
        _resolve(repository, document, fields, loaded)
    elif loaded.values["identity"] is not None:
        identity = loaded.values["identity"]
        given = identity["user_assigned_identities"]
        identity["user_assigned_identities"] = [Parts((key, one.get(key)) for key in _IDENTITY) for one in given]
    return loaded


def parts(fields: BaseModel) -> Parts:
    """The fields by name, models inside likewise."""
    return Parts((name, _part(getattr(fields, name))) for name in type(fields).model_fields)


def _part(value: Value) -> Value:
    match value:
        case BaseModel():
            return parts(value)
        case dict():
            return {plain(key): _part(item) for key, item in value.items()}
        case list():
            return [_part(item) for item in value]
        case _:
            return plain(value)


def _refusal(details: ErrorDetails) -> Refusal:
    place = ".".join(str(part) for part in details["loc"] if part not in SHAPES)
    return Refusal(details["type"], place, details["msg"], repr(details["input"])[-200:])


def _resolve(repository: Repository, document: Document, fields: Deployment, loaded: Loaded) -> None:
    values = loaded.values
    values["type"] = "kubernetes" if isinstance(fields, KubernetesDeployment) else "managed"
    ground, scope = OpenGround(repository, Settings(), {}), Scope(document, Findings())
    if fields.model is not None:
        model = models.resolve(ground, scope.below("model"), fields.model)
        if isinstance(fields.model, InlineModel):
            values["model"]["path"] = model.artifact.path if model is not None else None
        else:
            values["model"] = _reference(ground)
    if fields.environment is not None:
        setting = environments.resolve(ground, scope.below("environment"), fields.environment)
        conda = setting.environment.conda if setting is not None else None
        inline = _inline(repository, fields.environment)
        values["environment"] = parts(inline) if inline is not None else _reference(ground)
        if inline is not None:
            values["environment"]["conda_file"] = json.loads(conda) if conda is not None else None
            values["environment"].pop("auto_delete_setting")
    if fields.code_configuration is not None:
        codes.resolve(ground, scope.below("code_configuration"), fields.code_configuration)
    sizes.resolve(ground, scope, fields.model_copy(update={"instance_type": ""}))  # names of types are no matter here
    loaded.refusals += [_problem(one) for one in scope.findings.problems if _UNRESOLVED not in one.message]


def _inline(repository: Repository, written: str | InlineEnvironment) -> InlineEnvironment | None:
    """The environment that is written here, or in the file that `file:` names; None: a reference, or a bad file."""
    if isinstance(written, InlineEnvironment) or not written.startswith(FILE_PREFIX):
        return written if isinstance(written, InlineEnvironment) else None
    path = posixpath.normpath(written.removeprefix(FILE_PREFIX))
    if path not in repository.entries:
        return None
    document = repository.document(path)
    return validate(InlineEnvironment, document, document.data)[0]


def _reference(ground: OpenGround) -> Parts:
    reference: Reference | None = getattr(ground, "read", None)
    if reference is None:
        return Parts()
    return Parts(name=reference.name, version=reference.version, label=reference.label)


def _problem(problem: Problem) -> Refusal:
    return Refusal("resolution", problem.field if problem.file == FILE else problem.file, problem.message)
