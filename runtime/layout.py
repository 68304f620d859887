"""Where a prepared release lies on disk; every path is absolute."""

from dataclasses import dataclass
from pathlib import Path

from spec.release import ReleaseRef


@dataclass(frozen=True, slots=True)
class Layout:
    """One release's own directory, shared by its replicas and by nobody else."""

    release: ReleaseRef
    root: Path
    model_dir: Path
    """`AZUREML_MODEL_DIR`: `<root>/azureml-models/<name>/<version>`; empty where there is no model."""
    app_root: Path
    """`AML_APP_ROOT`: the code directory under its own basename, or Headgate's runner for MLflow."""
    server: Path
    """Headgate's own files for the model server: gunicorn's configuration and the MLflow runner."""
    home: Path
    temp: Path


def release_root(releases: Path, release: ReleaseRef) -> Path:
    """`<releases>/<endpoint>/<deployment>@<digest>`."""
    return releases / release.endpoint / release.name
