"""A deployment's `environment` field to an environment that a runtime can build."""

import json
import posixpath
from dataclasses import dataclass, replace

from spec import artifacts, conda, curated, images, references
from spec.azure.asset import Build, EnvironmentFile, InferenceRoutes, InlineEnvironment, Route
from spec.azure.deployment import FILE_PREFIX
from spec.findings import Scope
from spec.release import BuildContext, Environment, HttpRoute, InferenceConfig
from spec.repository import join
from spec.resolution.ground import Ground
from spec.salvage import read as read_fields

_STANDARD = (("/", 5001), ("/", 5001), ("/score", 5001))
"""Routes of the inference server: an `inference_config` that says just this is nothing special."""
PIP_INSTALLS = "a requirement that pip installs"
_CONTENT = ("conda_file", "image", "build")


@dataclass(frozen=True, slots=True)
class Setting:
    """An environment, and why only a container can be it (empty: packages are enough)."""

    environment: Environment
    container: str = ""


def resolve(ground: Ground, scope: Scope, written: str | InlineEnvironment) -> Setting | None:
    """The environment that the field names or describes, or None with problems."""
    if isinstance(written, InlineEnvironment):
        return describe(ground, scope, written, _label(scope, written))
    if written.startswith(FILE_PREFIX):
        return _at_path(ground, scope, written)
    reference = references.read(written, "environment")
    if reference is None or reference.kind != "environment":
        scope.error("`environment` is no reference to an environment.", found=written, allowed="azureml:NAME:VERSION")
        return None
    scope.findings.assets.add(reference.key)
    path = ground.pick(reference)
    if path is not None:
        return _from_file(ground, scope, path, written)
    entry = curated.find(
        reference.name, reference.version or reference.label or "latest", ground.settings.environments
    )
    if entry is not None and reference.key not in ground.assets:
        return Setting(_curated(ground, entry, written))
    if ground.is_settled or reference.key in ground.assets:
        names = ", ".join(ground.names("environment"))
        scope.error(f"`environment` {ground.explain(reference)}", found=written, allowed=names)
    return None


def _label(scope: Scope, written: InlineEnvironment) -> str:
    """The file that holds the packages, for messages; the deployment's own where they are written in it."""
    path = join(scope.folder, written.conda_file) if isinstance(written.conda_file, str) else None
    return path or f"the environment in {scope.document.file}"


def _curated(ground: Ground, entry: curated.Curated, label: str) -> Environment:
    """A table's entry; the repository's own counts by content, since a settings file may change it at any time."""
    own = entry in ground.settings.environments.values()
    content = {"python": entry.python, "requirements": entry.requirements}
    text = json.dumps(content, sort_keys=True, separators=(",", ":")) if own else None
    return Environment(label, conda=text, curated=entry.key, python=entry.python, requirements=entry.requirements)


def _at_path(ground: Ground, scope: Scope, written: str) -> Setting | None:
    """What `file:PATH` names: an environment YAML file, relative to this one."""
    artifact = artifacts.find(ground.repository, scope, written.removeprefix(FILE_PREFIX))
    if artifact is None:
        return None
    if artifact.kind == "directory":
        message = "`environment` must name a YAML file, and this is a folder."
        scope.error(message, found=written, allowed="file:PATH of a YAML file")
        return None
    return _from_file(ground, scope, artifact.path, written)


def _from_file(ground: Ground, scope: Scope, path: str, label: str) -> Setting | None:
    document = ground.repository.document(path)
    reading = read_fields(EnvironmentFile, document)
    scope.findings.problems.extend(reading.problems)
    inner = scope.within(document, reading.doubtful)
    return describe(ground, inner, reading.fields, label) if reading.fields is not None else None


def describe(ground: Ground, scope: Scope, fields: InlineEnvironment, label: str) -> Setting | None:
    """The environment that the fields describe, at a place of a document; None too where it is in doubt."""
    if fields.os_type == "windows":
        message = "`os_type` is windows, and only linux is served: remove it."
        scope.error(message, "os_type", found="windows", allowed="linux")
    if fields.image and fields.build is not None:
        found = f"image: {fields.image}, build: {fields.build.path}"
        message = "An environment has `image` or `build`, not both: keep one."
        scope.error(message, "build", found=found, allowed="image or build")
        return None
    if not fields.image and fields.build is None and not fields.conda_file:
        if not any(scope.doubts(key) for key in _CONTENT):
            scope.error("An environment needs `conda_file`, `image` or `build`.", allowed="conda_file, image, build")
        return None
    base = Environment(label, image=fields.image or None, inference_config=_routes(fields.inference_config))
    if fields.build is not None:
        return _built(ground, scope, fields.build, base)
    if fields.conda_file:
        return _packaged(ground, scope, fields.conda_file, base)
    return None if scope.doubts("conda_file") or scope.doubts("inference_config") else _imaged(base)


def _built(ground: Ground, scope: Scope, build: Build, base: Environment) -> Setting | None:
    inner = scope.below("build")
    if not build.path:
        if not inner.doubts("path"):
            inner.error("`build.path` is missing: name the folder with the Dockerfile.", allowed="a folder")
        return None
    folder = artifacts.find_directory(ground.repository, inner, build.path, "path")
    if folder is None:
        return None
    if inner.doubts("dockerfile_path"):
        return None
    dockerfile = posixpath.normpath(posixpath.join(folder.path, build.dockerfile_path))
    if dockerfile not in ground.repository.entries:
        inner.error(
            f"There is no Dockerfile at `{dockerfile}`.",
            "dockerfile_path",
            found=build.dockerfile_path,
            allowed="a file in the folder",
        )
        return None
    context = BuildContext(folder, build.dockerfile_path)
    return Setting(replace(base, build=context), "its environment is a Docker `build`")


def _imaged(base: Environment) -> Setting:
    python = images.prebuilt_python(base.image or "")
    if base.inference_config is not None:
        return Setting(base, f"its environment is the image `{base.image}` with an `inference_config` of its own")
    if python is None:
        return Setting(base, f"its environment is the image `{base.image}`, without a `conda_file`")
    return Setting(replace(base, python=python))


def _packaged(ground: Ground, scope: Scope, written: object, base: Environment) -> Setting | None:
    translation = translate(ground, scope, written)
    if translation is None:
        return None
    built = replace(
        base,
        conda=translation.canonical,
        python=translation.python,
        requirements=translation.requirements,
        pip_options=translation.pip_options,
    )
    if base.inference_config is not None and base.image:
        return Setting(built, f"its environment is the image `{base.image}` with an `inference_config` of its own")
    return Setting(built)


def translate(ground: Ground, scope: Scope, written: object) -> conda.Translation | None:
    """A conda file, a requirements file or an inline conda environment, or None with problems."""
    if isinstance(written, dict):
        return _checked(scope, conda.translate(written, has_conda=ground.conda), ("conda_file",))
    if not isinstance(written, str):
        message = "`conda_file` must be a path or a conda environment."
        scope.error(message, "conda_file", found=written, allowed="a path or a conda environment")
        return None
    artifact = artifacts.find(ground.repository, scope, written, "conda_file")
    if artifact is None:
        return None
    if artifact.kind == "directory":
        message = "`conda_file` must be a file, and this is a folder."
        scope.error(message, "conda_file", found=written, allowed="a file")
        return None
    return read(ground, scope, artifact.path)


def read(ground: Ground, scope: Scope, path: str) -> conda.Translation | None:
    """The content of a conda file, or (`.txt`) of a requirements file; problems carry that file's lines."""
    if not path.lower().endswith(".txt"):
        inner = scope.within(ground.repository.document(path))
        scope.findings.problems.extend(inner.document.problems)
        if inner.document.problems:
            return None
        found = ground.repository.once("conda", path, lambda: _translated(ground, inner))
        return _checked(inner, found, ())
    text = ground.repository.text(path)
    if text is None:
        scope.findings.line_error(path, 0, "This is not a text file of at most 1 MiB.")
        return None
    return _checked_lines(scope, path, text)


def _translated(ground: Ground, scope: Scope) -> conda.Translation:
    return conda.translate(scope.document.data, has_conda=ground.conda)


def _checked(scope: Scope, translation: conda.Translation, prefix: tuple[str, ...]) -> conda.Translation | None:
    for field, message in translation.errors:
        keys = [int(part) if part.isdecimal() else part for part in field.split(".") if part]
        scope.error(message, *prefix, *keys, allowed=PIP_INSTALLS)
    return None if translation.errors else translation


def _checked_lines(scope: Scope, path: str, text: str) -> conda.Translation | None:
    translation, lines = conda.parse_requirements(text), text.splitlines()
    scope.findings.paths.add(path)
    for field, message in translation.errors:
        number = int(field.removeprefix("line "))
        scope.findings.line_error(path, number, message, found=lines[number - 1].strip(), allowed=PIP_INSTALLS)
    return None if translation.errors else translation


def _routes(fields: InferenceRoutes | None) -> InferenceConfig | None:
    if fields is None:
        return None
    routes = (fields.liveness_route, fields.readiness_route, fields.scoring_route)
    if tuple((route.path, route.port) for route in routes) == _STANDARD:
        return None
    return InferenceConfig(*(_route(route) for route in routes))


def _route(route: Route) -> HttpRoute:
    return HttpRoute(route.path, route.port)
