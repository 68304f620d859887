"""scripts/setup.sh picks an interpreter: here with a PATH of its own, and a bootstrap.py that says who runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.sh"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
HERE = f"python{VERSION}"
REAL = os.path.realpath(sys.executable)
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    scripts = tmp_path / "a checkout" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copy(SETUP, scripts)
    (scripts / "bootstrap.py").write_text("import sys; print(sys.executable); print(*sys.argv[1:])")
    return scripts.parent


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(
    checkout: Path, *path: Path, arguments: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    tools = checkout / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "dirname").exists():
        (tools / "dirname").symlink_to(shutil.which("dirname") or "/usr/bin/dirname")
    environment = {"PATH": ":".join(map(str, (*path, tools))), "HOME": str(checkout), **variables}
    command = ["/bin/sh", str(checkout / "scripts" / "setup.sh"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def real(folder: Path, name: str = HERE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(REAL)
    return folder


def chosen(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return os.path.realpath(result.stdout.splitlines()[0])


def test_a_shim_that_fails_hides_nothing(checkout: Path, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3"):
        program(shims / name, SHIM)
    assert chosen(run(checkout, shims, real(tmp_path / "bin"))) == REAL


def test_the_plain_name_will_do(checkout: Path, tmp_path: Path) -> None:
    assert chosen(run(checkout, real(tmp_path / "bin", "python3"))) == REAL


def test_the_newest_goes_first(checkout: Path, tmp_path: Path) -> None:
    older = program(
        tmp_path / "old" / "python3.11", f'#!/bin/sh\n[ "$1" = -I ] && echo "plain {tmp_path}/wrong" || exit 9\n'
    )
    newer = tmp_path / "new"
    newer.mkdir()
    (newer / "python3.14").symlink_to(REAL)
    assert chosen(run(checkout, older.parent, newer)) == REAL


def test_a_virtual_environment_gives_its_base(checkout: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv" / "bin"
    real(venv, "python3")
    (venv.parent / "pyvenv.cfg").write_text(f"home = {Path(REAL).parent}\n")
    result = run(checkout, venv)
    assert chosen(result) == REAL
    assert "venv" not in result.stdout


def test_conda_is_the_last_resort(checkout: Path, tmp_path: Path) -> None:
    conda = program(
        tmp_path / "conda" / "python3.14", f'#!/bin/sh\n[ "$1" = -I ] && echo "conda $0" || exec {REAL} "$@"\n'
    )
    assert chosen(run(checkout, conda.parent, real(tmp_path / "bin"))) == REAL
    alone = run(checkout, conda.parent)
    assert alone.returncode == 0, alone.stderr


def test_arguments_reach_bootstrap(checkout: Path, tmp_path: Path) -> None:
    result = run(checkout, real(tmp_path / "bin"), arguments=("--dev",))
    assert result.stdout.splitlines()[1] == "--dev"


def test_a_python_may_be_named(checkout: Path, tmp_path: Path) -> None:
    wrong = program(tmp_path / "bin" / "python3.14", SHIM)
    assert chosen(run(checkout, wrong.parent, PYTHON=REAL)) == REAL
    refused = run(checkout, wrong.parent, PYTHON=str(wrong))
    assert refused.returncode == 1
    assert f"PYTHON={wrong} is not a Python" in refused.stderr


def test_a_named_python_is_looked_up(checkout: Path, tmp_path: Path) -> None:
    assert chosen(run(checkout, real(tmp_path / "bin", "mine"), PYTHON="mine")) == REAL


def test_pyenvs_own_folder_is_searched_when_path_has_none(checkout: Path, tmp_path: Path) -> None:
    shim = program(tmp_path / "shims" / HERE, SHIM)
    real(checkout / ".pyenv" / "versions" / f"{VERSION}.9" / "bin")
    assert chosen(run(checkout, shim.parent)) == REAL


def test_what_was_tried_is_named_when_nothing_runs(checkout: Path, tmp_path: Path) -> None:
    shim = program(tmp_path / "shims" / "python3.13", SHIM)
    old = program(tmp_path / "shims" / "python3", "#!/bin/sh\nexit 1\n")
    result = run(checkout, shim.parent, PYENV_ROOT=str(tmp_path))
    assert result.returncode == 1
    assert "Python 3.11 or newer" in result.stderr
    assert str(shim) in result.stderr
    assert str(old) in result.stderr
