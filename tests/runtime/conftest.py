"""What the tests of `runtime/` share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin


def build_venv(path: Path, *requirements: str) -> Path:
    """Build a small environment with uv and return its python."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    python = path / "bin" / "python"
    for arguments in (
        ["venv", "--quiet", "--no-config", "--python", sys.executable, str(path)],
        ["pip", "install", "--quiet", "--no-config", "--python", str(python), *requirements],
    ):
        done = subprocess.run([find_uv_bin(), *arguments], env=kept, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="session")
def server_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that holds the newest azureml-inference-server-http and nothing more."""
    return build_venv(tmp_path_factory.mktemp("server") / "venv", "azureml-inference-server-http")
