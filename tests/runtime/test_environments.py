"""Environments: what they consist of, on which Python, and what a build may see."""

import dataclasses
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from runtime.fault import ReleaseError
from runtime.interpreters import Interpreter, installed, matching, nearest, request
from runtime.requirements import wanted
from runtime.uv import child_environment, redact
from spec.release import Recipe, Server
from tests.runtime.wishes import recipe, small

SERVER = "azureml-inference-server-http"


class TestWanted:
    """The dependency set of a recipe."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (recipe("numpy"), ("numpy", SERVER)),
            (recipe(), (SERVER,)),
            (recipe(f"{SERVER}==1.4.1"), (f"{SERVER}==1.4.1",)),
            (recipe("AzureML_Inference.Server-HTTP>1"), ("AzureML_Inference.Server-HTTP>1",)),
            (recipe("a", conda="{}"), ("a", SERVER, "setuptools<81")),
            (recipe("setuptools", conda="{}"), ("setuptools", SERVER)),
            (
                recipe("scikit-learn", server=Server.MLFLOW),
                ("scikit-learn", SERVER, "mlflow-skinny", "numpy", "pandas"),
            ),
            (recipe("mlflow==2.9.2", server=Server.MLFLOW), ("mlflow==2.9.2", SERVER)),
            (
                recipe("mlflow-skinny<3", "pandas", server=Server.MLFLOW),
                ("mlflow-skinny<3", "pandas", SERVER, "numpy"),
            ),
        ],
    )
    def test_requirements(self, given: Recipe, expected: tuple[str, ...]) -> None:
        assert wanted(given).requirements == expected

    @pytest.mark.parametrize(
        ("written", "options"),
        [
            ((), ()),
            (("--index-url https://a/simple",), ("--index-url", "https://a/simple")),
            (("-i https://a/simple",), ("--index-url", "https://a/simple")),
            (
                ("--extra-index-url=https://a/simple",),
                ("--extra-index-url", "https://a/simple", "--index-strategy", "unsafe-best-match"),
            ),
            (("-f https://a/wheels",), ("--find-links", "https://a/wheels")),
            (("--pre", "--no-binary numpy"), ("--prerelease", "allow", "--no-binary", "numpy")),
            (("--trusted-host a", "--no-cache-dir"), ()),
        ],
    )
    def test_options(self, written: tuple[str, ...], options: tuple[str, ...]) -> None:
        assert wanted(recipe(pip_options=written)).options == options

    @pytest.mark.parametrize(
        "given",
        [
            recipe("pkg @ file:///etc/passwd"),
            recipe("pkg @ git+ssh://git@host/x"),
            recipe("pkg @ http://host/x.whl"),
            recipe("-r other.txt"),
            recipe("./local"),
            recipe("--index-url=https://a/simple"),
            recipe(pip_options=("--index-url http://host/simple",)),
            recipe(pip_options=("--find-links /etc",)),
            recipe(pip_options=("--config-settings=x",)),
            recipe(pip_options=("-e .",)),
        ],
    )
    def test_what_reads_files_or_runs_commands_is_refused(self, given: Recipe) -> None:
        with pytest.raises(ReleaseError, match="inline"):
            wanted(given)

    def test_safe_addresses_are_allowed(self) -> None:
        urls = ("a @ https://host/a.whl", "b @ git+https://host/b@v1", "c @ http://127.0.0.1:1/c.whl")
        assert wanted(recipe(*urls)).requirements[:3] == urls

    def test_the_key_is_of_the_content(self) -> None:
        first = small("a", "b", python="3.11")
        assert first.key("x") == dataclasses.replace(first, label="other", requirements=("b", "a")).key("x")
        others = [
            small("a", python="3.11"),
            small("a", "b"),
            small("a", "b", python="3.11", exact=True),
            small("a", "b", python="3.11", options=("--pre",)),
        ]
        assert len({first.key("x"), first.key("y"), *(other.key("x") for other in others)}) == 6

    def test_others_bring_a_setuptools_that_old_packages_can_use(self) -> None:
        assert wanted(recipe("numpy")).constraints == ("setuptools<81",)
        assert wanted(recipe("setuptools==82")).constraints == ()


class TestInterpreters:
    """Which Python is taken."""

    FOUND = tuple(
        Interpreter(Path(text), Version(text)) for text in ("3.9.18", "3.11.2", "3.11.7", "3.13.0", "3.10.13")
    )

    @pytest.mark.parametrize(
        ("asked", "versions"),
        [
            ("3.11", ["3.11.7", "3.11.2"]),
            ("3.11.2", ["3.11.2"]),
            ("=3.10", ["3.10.13"]),
            ("3.10.*", ["3.10.13"]),
            (">=3.9,<3.11", ["3.10.13", "3.9.18"]),
            ("3.12", []),
        ],
    )
    def test_matching(self, asked: str, versions: list[str]) -> None:
        assert [str(each.version) for each in matching(self.FOUND, asked)] == versions

    @pytest.mark.parametrize(
        ("asked", "minors"),
        [("3.12", ["3.13", "3.11", "3.10", "3.9"]), ("3.8", ["3.9", "3.10", "3.11", "3.13"])],
    )
    def test_nearest(self, asked: str, minors: list[str]) -> None:
        assert [each.minor for each in nearest(self.FOUND, asked)] == minors

    async def test_finds_what_version_managers_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("3.9.1", "3.10.2", "3.14.0rc1"):
            python = tmp_path / "versions" / version / "bin" / "python3"
            python.parent.mkdir(parents=True)
            python.symlink_to(sys.executable)
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
        found = {str(each.version): each.path for each in await installed(tmp_path / "log")}
        assert found["3.9.1"] == tmp_path / "versions/3.9.1/bin/python3"
        assert "3.10.2" in found
        assert "3.14.0rc1" not in found

    @pytest.mark.parametrize("asked", ["python", "", "3.x"])
    def test_what_is_no_version_is_refused(self, asked: str) -> None:
        with pytest.raises(ReleaseError, match="is not a version"):
            request(asked or "?")


def test_a_build_sees_no_secret_of_headgates() -> None:
    given = {
        "PATH": "/bin",
        "https_proxy": "http://proxy",
        "UV_DEFAULT_INDEX": "https://mirror",
        "UV_PYTHON": "/headgate/python",
        "VIRTUAL_ENV": "/headgate",
        "PYTHONPATH": "/headgate",
        "HEADGATE_TOKEN": "secret",
        "SSL_CERT_FILE": "/ca.pem",
    }
    kept = child_environment(given)
    assert given.keys() & kept.keys() == {"PATH", "https_proxy", "UV_DEFAULT_INDEX", "SSL_CERT_FILE"}


def test_passwords_in_addresses_are_never_shown() -> None:
    assert (
        redact("from https://user:pw@host/simple and https://host")
        == "from https://****@host/simple and https://host"
    )
