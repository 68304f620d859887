"""A deployment's `model` field to a model with its artifact."""

import re
from typing import Literal, cast

from spec import artifacts, references
from spec.azure.asset import InlineModel, ModelFile
from spec.findings import Scope
from spec.release import Artifact, Model
from spec.resolution.ground import Ground
from spec.salvage import read

ModelType = Literal["custom_model", "mlflow_model", "triton_model"]

_ADVICE = "put the model's files into the repository and name them by a relative `path`."


def resolve(ground: Ground, scope: Scope, written: str | InlineModel) -> Model | None:
    """The model that the field names or describes, or None with problems."""
    if isinstance(written, InlineModel):
        return describe(ground, scope, written)
    if references.is_remote(written):
        message = f"`model` names files that live in Azure: {_ADVICE}"
        scope.error(message, found=written, allowed="a mapping with a relative path")
        return None
    reference = references.read(written, "model")
    if reference is None or reference.kind != "model":
        scope.error("`model` is no reference to a model.", found=written, allowed="azureml:NAME:VERSION")
        return None
    scope.findings.assets.add(reference.key)
    path = ground.pick(reference)
    if path is None:
        allowed = ", ".join(ground.names("model")) or "a model that a file declares"
        scope.error(f"`model` {ground.explain(reference)}", found=written, allowed=allowed)
        return None
    return _from_file(ground, scope, path)


def _from_file(ground: Ground, scope: Scope, path: str) -> Model | None:
    document = ground.repository.document(path)
    reading = read(ModelFile, document)
    scope.findings.problems.extend(reading.problems)
    inner = scope.within(document, reading.doubtful)
    return describe(ground, inner, reading.fields) if reading.fields is not None else None


def describe(ground: Ground, scope: Scope, fields: InlineModel) -> Model | None:
    """The model that the fields describe, at a place of a document; None too where its type is in doubt."""
    unfit = _unfit(fields.name, fields.version)
    if unfit:
        message = f"`{unfit}` becomes part of a path, so it may have no `/` and be neither `.` nor `..`."
        scope.error(message, unfit, found=getattr(fields, unfit), allowed="a name without a slash")
    artifact = _artifact(ground, scope, fields)
    if artifact is None or unfit or scope.doubts("type"):
        return None
    name = fields.name or re.sub(r"[^A-Za-z0-9._-]", "-", artifact.basename) or "model"
    return Model(name, fields.version or "1", cast("ModelType", fields.type), artifact)


def _artifact(ground: Ground, scope: Scope, fields: InlineModel) -> Artifact | None:
    if not fields.path:
        if not scope.doubts("path"):
            message = "`path` is missing: name the model's file or folder, relative to this YAML file."
            scope.error(message, "path", allowed="a file or folder")
        return None
    if references.is_remote(fields.path) or fields.path.startswith("azureml:"):
        message = f"`path` names files that live in Azure: {_ADVICE}"
        scope.error(message, "path", found=fields.path, allowed="a relative `path`")
        return None
    return artifacts.find(ground.repository, scope, fields.path, "path")


def _unfit(name: str, version: str) -> str:
    wrong = {key for key, text in (("name", name), ("version", version)) if re.search(r"[/\\\0]|^\.{1,2}\Z", text)}
    return min(wrong, default="")
