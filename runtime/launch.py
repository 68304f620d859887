"""How a replica's process is started: argument vector and environment, as a pure function of its recipe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runtime.layout import Layout
from spec.release import Recipe, Server
from spec.variables import ENTRY_SCRIPT, MODEL_FOLDER, unsettable

LOOPBACK = "127.0.0.1"
GUNICORN_CONF = "gunicorn_conf.py"
MLFLOW_SCRIPT = "mlflow_score.py"

_APP = "azureml_inference_server_http.server.entry:app"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NO_PROXY = ("127.0.0.1", "localhost", "::1")

MIN_WORKER_LIMIT, WORKERS_PER_CORE = 16, 4
"""Workers that Headgate starts at most, unless `WORKER_COUNT` says more: the larger of both."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that `exec` needs; `env` is the whole environment, nothing is inherited."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


def command(recipe: Recipe, layout: Layout, python: Path, port: int) -> Launch:
    """Start the inference server on loopback at `port` with `python`, the interpreter of the environment.

    A failing `init()` ends the process with code 3. The port is only ever bound on 127.0.0.1.
    """
    env = environment(recipe, layout, python)
    argv = (
        *(str(python), "-m", "gunicorn"),
        *("-c", str(layout.server / GUNICORN_CONF)),
        *("-b", f"{LOOPBACK}:{port}"),
        *("-w", env["WORKER_COUNT"]),
        *("--timeout", env["WORKER_TIMEOUT"]),
        *("--graceful-timeout", str(_graceful_seconds(recipe))),
        _APP,
    )
    return Launch(argv=argv, env={**env, "SERVER_PORT": str(port), "HEALTH_PORT": str(port)}, cwd=layout.app_root)


def environment(recipe: Recipe, layout: Layout, python: Path) -> dict[str, str]:
    """The environment of a replica without its port: Headgate's defaults, then the user's, then what must be."""
    reserved = unsettable(recipe)
    users = {name: value for name, value in recipe.variables if name not in reserved}
    merged = {**_defaults(recipe, layout, python), **users, **_fixed(recipe, layout)}
    no_proxy = merged.get("NO_PROXY") or merged.get("no_proxy") or ""
    merged["NO_PROXY"] = merged["no_proxy"] = _with_loopback(no_proxy)
    return merged


def _defaults(recipe: Recipe, layout: Layout, python: Path) -> dict[str, str]:
    return {
        "PATH": f"{python.parent}:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOME": str(layout.home),
        "TMPDIR": str(layout.temp),
        "VIRTUAL_ENV": str(python.parent.parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "SERVICE_NAME": layout.release.endpoint,
        "SERVICE_VERSION": layout.release.deployment,
        "WORKER_COUNT": str(_workers(recipe)),
        "WORKER_TIMEOUT": str(_worker_seconds(recipe)),
        "SCORING_TIMEOUT_MS": str(recipe.request_timeout_ms),
        # MLflow 3 reports its own use to its makers unless told not to.
        **({"MLFLOW_DISABLE_TELEMETRY": "true"} if recipe.server is Server.MLFLOW else {}),
        **({"AML_APP_INSIGHTS_ENABLED": "true"} if recipe.app_insights_enabled else {}),
    }


def _fixed(recipe: Recipe, layout: Layout) -> dict[str, str]:
    fixed = {
        "AML_APP_ROOT": str(layout.app_root),
        "AZUREML_MODEL_DIR": str(layout.model_dir),
        # What SCORING_TIMEOUT_MS is too, unless the user says otherwise: when the gateway gives a request up.
        "HEADGATE_REQUEST_TIMEOUT_MS": str(recipe.request_timeout_ms),
    }
    if recipe.server is Server.MLFLOW:
        folder = recipe.model.artifact.basename if recipe.model else ""
        return {**fixed, ENTRY_SCRIPT: MLFLOW_SCRIPT, MODEL_FOLDER: folder}
    if recipe.code is None:
        return fixed
    script = PurePosixPath(recipe.code.scoring_script)
    return {**fixed, ENTRY_SCRIPT: str(script)}


def _workers(recipe: Recipe) -> int:
    """A worker for each concurrent request, as far as the size carries them; further requests wait in the replica."""
    most = max(MIN_WORKER_LIMIT, math.ceil(recipe.instance_type.cpu * WORKERS_PER_CORE))
    return min(recipe.max_concurrent_requests_per_instance, most)


def _worker_seconds(recipe: Recipe) -> int:
    """Gunicorn's deadline covers `init()` too, so it leaves the readiness probe the last word."""
    ready = recipe.readiness.initial_delay + recipe.readiness.period * recipe.readiness.failure_threshold
    return max(300, math.ceil(recipe.request_timeout_ms / 1000), ready) + 30


def _graceful_seconds(recipe: Recipe) -> int:
    return math.ceil(recipe.request_timeout_ms / 1000) + 3


def _with_loopback(no_proxy: str) -> str:
    named = [part.strip() for part in no_proxy.split(",") if part.strip()]
    return ",".join([*named, *(host for host in _NO_PROXY if host not in named)])
