"""What `pip install headgate-*.whl` brings: every file of the packages, and the examples for `headgate demo`."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
EXAMPLES = "examples/repo/"
PACKAGES = ("spec", "router", "runtime", "observability", "forge", "reconciler", "console")

pytestmark = pytest.mark.real


def call(*arguments: str | Path, folder: Path) -> str:
    done = subprocess.run(
        [str(part) for part in arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tracked(*folders: str) -> set[str]:
    return set(call("git", "ls-files", "--", *folders, folder=ROOT).split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, folder=folder)
    return next(folder.glob("headgate-*.whl"))


def test_a_wheel_holds_every_file_of_the_packages_and_the_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        packaged = {name for name in held if not name.startswith("console/examples/")}
        examples = {name.replace("console/examples/", EXAMPLES) for name in held - packaged}
        assert tracked(*PACKAGES) <= packaged
        assert examples == tracked(EXAMPLES)
        for name in examples:
            assert archive.read(name.replace(EXAMPLES, "console/examples/")) == (ROOT / name).read_bytes()


def test_the_demo_finds_its_examples_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv, uv = tmp_path / "venv", find_uv_bin()
    call(uv, "venv", "--quiet", "--python", sys.executable, venv, folder=tmp_path)
    call(uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", wheel, folder=tmp_path)
    code = (
        "from pathlib import Path; from console import demo; print(demo.__file__); demo.copy_examples(Path('copy'))"
    )
    used = call(venv / "bin" / "python", "-I", "-c", code, folder=tmp_path).strip()
    assert Path(used).is_relative_to(venv)
    copied = call("git", "-C", tmp_path / "copy", "ls-files", folder=tmp_path).split()
    assert {f"{EXAMPLES}{name}" for name in copied} == tracked(EXAMPLES)
    assert "demo" in call(venv / "bin" / "headgate", "--help", folder=tmp_path)


def test_an_editable_install_reads_the_checkout_and_leaves_no_copy_beside_it(tmp_path: Path) -> None:
    call(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, "-e", ROOT, folder=tmp_path)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert "console" not in found
    assert any(name.endswith(".pth") for name in found)
