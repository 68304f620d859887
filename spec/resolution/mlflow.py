"""The environment that an MLflow model brings along."""

import posixpath

from spec.findings import Scope
from spec.release import Environment, Model
from spec.resolution.environment import Setting, read
from spec.resolution.ground import Ground


def is_model(ground: Ground, model: Model) -> bool:
    """Whether the artifact is an MLflow model."""
    return _path(model, "MLmodel") in ground.repository.entries and model.artifact.kind == "directory"


def check(ground: Ground, scope: Scope, model: Model) -> bool:
    """Like `is_model`, with a problem that says what is missing."""
    if is_model(ground, model):
        return True
    message = "`type` is mlflow_model, so `path` must be a folder with a file `MLmodel` in it."
    scope.error(message, found=model.artifact.path, allowed="a folder with a file `MLmodel` in it")
    return False


def environment(ground: Ground, scope: Scope, model: Model) -> Setting | None:
    """What `conda.yaml` or `requirements.txt` beside `MLmodel` asks for, or None with problems."""
    for name in ("conda.yaml", "requirements.txt"):
        path = _path(model, name)
        if path in ground.repository.entries:
            return _read(ground, scope, path)
    message = "`environment` is missing, and the MLflow model has neither conda.yaml nor requirements.txt: add one."
    scope.error(message, allowed="conda.yaml or requirements.txt in the model's folder")
    return None


def _read(ground: Ground, scope: Scope, path: str) -> Setting | None:
    found = read(ground, scope, path)
    if found is None:
        return None
    return Setting(
        Environment(
            f"{path} of the MLflow model",
            conda=found.canonical,
            python=found.python,
            requirements=found.requirements,
            pip_options=found.pip_options,
        )
    )


def _path(model: Model, name: str) -> str:
    return posixpath.join(model.artifact.path, name)
