import hashlib
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from uv import find_uv_bin

from spec import curated, images
from spec.curated import Curated

GOLDEN = Path(__file__).parent / "golden" / "curated.txt"


@pytest.mark.parametrize("name", curated.names())
def test_every_entry_is_sound(name: str) -> None:
    entry = curated.find(name, "latest")
    assert entry is not None
    assert entry.name == name
    assert Version("3.7") <= Version(entry.python) <= Version("3.12")
    markers = {"python_version": entry.python, "python_full_version": f"{entry.python}.0"}
    parsed = [Requirement(line) for line in entry.requirements]
    applied = [found.name for found in parsed if found.marker is None or found.marker.evaluate(markers)]
    assert applied
    assert len(applied) == len(set(applied)), "a package is named twice for this Python"
    assert all(found.specifier for found in parsed), "everything is pinned"


@pytest.mark.parametrize("version", ["latest", "1", "12", "54"])
def test_any_version_of_a_known_name_is_the_entry(version: str) -> None:
    entry = curated.find("sklearn-1.5", version)
    assert entry is not None
    assert entry.key == "sklearn-1.5:1"
    assert entry.python == "3.10"
    assert "scikit-learn==1.5.2" in entry.requirements


def test_case_is_ignored() -> None:
    assert curated.find("azureml-SKLEARN-1.0-ubuntu20.04-py38-cpu", "1") == curated.find(
        "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "latest"
    )


@pytest.mark.parametrize(("name", "version"), [("sklearn-9.9", "1"), ("sklearn-1.5", "newest"), ("sklearn-1.5", "")])
def test_an_unknown_one_is_none(name: str, version: str) -> None:
    assert curated.find(name, version) is None


def test_the_repositorys_own_entries_go_first() -> None:
    own = Curated("sklearn-1.5", "7", "3.11", ("scikit-learn==1.5.1",))
    assert curated.find("Sklearn-1.5", "latest", {"sklearn-1.5": own}) == own


def test_prebuilt_images_and_their_environments_agree_on_python() -> None:
    checked = 0
    for name in curated.names():
        python = images.prebuilt_python(f"mcr.microsoft.com/azureml/curated/{name}:1")
        entry = curated.find(name, "1")
        if python is not None and entry is not None:
            assert entry.python == python
            checked += 1
    assert checked > 20


def test_entries_in_use_never_change() -> None:
    """Digests hold `name:version` only, so an entry's content must stay: give a changed one a new `version`."""
    entries = [entry for name in curated.names() if (entry := curated.find(name, "latest")) is not None]
    assert {entry.key: _hash(entry) for entry in entries} == dict(
        line.split() for line in GOLDEN.read_text().splitlines()
    )


def _hash(entry: Curated) -> str:
    return hashlib.sha256("\n".join([entry.python, *entry.requirements]).encode()).hexdigest()[:12]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("sklearn-1.5", "3.10"),
        ("sklearn-1.5", "3.11"),
        ("sklearn-1.5", "3.12"),
        ("minimal-py311-inference", "3.11"),
        ("minimal-py312-inference", "3.12"),
        ("mlflow-py312-inference", "3.12"),
        ("lightgbm-3.3", "3.10"),
    ],
)
def test_the_usual_ones_resolve_from_wheels_alone(name: str, python: str) -> None:
    entry = curated.find(name, "latest")
    assert entry is not None
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--python-version", python, "-"],
        input="\n".join([*entry.requirements, "azureml-inference-server-http"]),
        text=True,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "azureml-inference-server-http==" in done.stdout
