"""Environments built by a real uv from PyPI, locked, rebuilt, and what their failures say."""

import asyncio
import dataclasses
import http.server
import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from uv import find_uv_bin

from runtime.conda import with_server
from runtime.environments import Environments
from runtime.fault import ReleaseError, WorldError
from runtime.uv import end_strays
from spec.loader import load
from tests.runtime.wishes import recipe, small, versions
from tests.spec.commits import REPOSITORY, MemoryFiles


class Progress(list[str]):
    """Collects steps."""

    def __call__(self, step: str, message: str) -> None:
        self.append(f"{step}: {message}")

    @property
    def steps(self) -> list[str]:
        return [line.partition(":")[0] for line in self]


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path, fetch_python=False)


@pytest.mark.real
class TestBuilds:
    """Real builds of small packages."""

    async def test_holds_what_was_asked_for_and_nothing_of_headgates(self, environments: Environments) -> None:
        progress = Progress()
        built = await environments.ensure(small("six==1.16.0"), progress)
        assert versions(built.python) == {"six": "1.16.0"}
        assert progress.steps == ["resolving", "installing"]
        assert "installing 1 packages" in progress[-1]
        assert built.notes == ()

    async def test_is_built_once_for_all_that_want_it(self, environments: Environments) -> None:
        first, second = small("six==1.16.0"), dataclasses.replace(small("six==1.16.0"), label="another")
        one, two = await asyncio.gather(
            environments.ensure(first, Progress()), environments.ensure(second, Progress())
        )
        assert one == two
        assert environments.log(one.key).read_text().count("$ uv venv") == 1

    async def test_is_rebuilt_from_its_lock_never_resolved_anew(
        self, environments: Environments, tmp_path: Path
    ) -> None:
        built = await environments.ensure(small("six<1.17"), Progress())
        lock = tmp_path / "locks" / f"{built.key}.txt"
        older = "six==1.15.0 --hash=sha256:8b74bedcbbbaca38ff6d7491d76f2b06b3592611af620f8426e82dddb04a5ced\n"
        lock.write_text(older)
        shutil.rmtree(tmp_path / "environments")
        progress = Progress()
        rebuilt = await environments.ensure(small("six<1.17"), progress)
        assert versions(rebuilt.python) == {"six": "1.15.0"}
        assert "resolving" not in progress.steps

    async def test_a_package_that_is_not_what_was_locked_is_refused(
        self, environments: Environments, tmp_path: Path
    ) -> None:
        built = await environments.ensure(small("six==1.16.0"), Progress())
        (tmp_path / "locks" / f"{built.key}.txt").write_text(f"six==1.16.0 --hash=sha256:{'0' * 64}\n")
        shutil.rmtree(tmp_path / "environments")
        with pytest.raises(ReleaseError, match=r"[Hh]ash"):
            await environments.ensure(small("six==1.16.0"), Progress())

    @pytest.mark.parametrize(
        "lost", ["*/venv-*/bin/python", "*/venv-*/lib/*/site-packages/six*", "*/environment.json"]
    )
    async def test_damage_is_noticed_and_mended(self, environments: Environments, tmp_path: Path, lost: str) -> None:
        built = await environments.ensure(small("six==1.16.0"), Progress())
        for path in (tmp_path / "environments").glob(lost):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        assert environments.present(built.key) is None
        again = await environments.ensure(small("six==1.16.0"), Progress())
        assert versions(again.python) == {"six": "1.16.0"}
        assert environments.present(built.key) == again

    async def test_a_python_that_is_not_there_is_replaced_by_the_nearest(self, environments: Environments) -> None:
        built = await environments.ensure(small("six==1.16.0", python="3.4"), Progress())
        ((reason, message),) = built.notes
        assert reason == "PythonVersionNotFound"
        assert "Python 3.4 of inline" in message
        again = Environments(environments.log(built.key).parents[2], fetch_python=False)
        assert (await again.ensure(small("six==1.16.0", python="3.4"), Progress())).notes == built.notes

    async def test_unless_the_exact_one_is_demanded(self, environments: Environments) -> None:
        with pytest.raises(ReleaseError, match=r"Python 3\.4 for inline") as caught:
            await environments.ensure(small("six", python="3.4", exact=True), Progress())
        assert caught.value.reason == "PythonVersionNotFound"

    async def test_collect(self, environments: Environments, tmp_path: Path) -> None:
        kept = await environments.ensure(small("six==1.16.0"), Progress())
        gone = await environments.ensure(small("six==1.15.0"), Progress())
        assert environments.collect({kept.key}) == [gone.key]
        assert environments.present(kept.key) == kept
        assert {path.name for path in (tmp_path / "locks").iterdir()} == {f"{kept.key}.txt", f"{kept.key}.json"}


@pytest.mark.real
class TestFailures:
    """Whose fault it is, and what is said of it."""

    @pytest.mark.parametrize("requirement", ["no-such-package-of-headgates-tests", "six==99.0"])
    async def test_a_wrong_requirement_is_the_releases(self, environments: Environments, requirement: str) -> None:
        with pytest.raises(ReleaseError, match=requirement) as caught:
            await environments.ensure(small(requirement, python="3"), Progress())
        assert caught.value.reason == "EnvironmentBuildFailed"
        assert "build.log" in str(caught.value)

    async def test_a_registry_that_is_away_is_the_worlds(
        self, environments: Environments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(WorldError, match=r"127\.0\.0\.1:9"):
            await environments.ensure(small("six", python="3"), Progress())

    async def test_passwords_of_indexes_reach_no_log_and_no_message(
        self, environments: Environments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        given = small("six", python="3", options=("--index-url", "http://user:hunter2@127.0.0.1:9/simple"))
        with pytest.raises(WorldError) as caught:
            await environments.ensure(given, Progress())
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in environments.log(environments.key(given)).read_text()

    async def test_a_package_that_does_not_build_is_the_releases(
        self, environments: Environments, broken_index: str
    ) -> None:
        options = ("--extra-index-url", broken_index, "--index-strategy", "unsafe-best-match")
        with pytest.raises(ReleaseError, match="this package never builds"):
            await environments.ensure(small("headgate-broken", python="3", options=options), Progress())

    async def test_cancelling_ends_the_child(self, environments: Environments, silent_index: "Silent") -> None:
        given = small("six", python="3", options=("--index-url", silent_index.url))
        task = asyncio.create_task(environments.ensure(given, Progress()))
        await asyncio.to_thread(silent_index.asked.wait, 30)
        assert uvs()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert uvs() == []


FAKE_CONDA = """#!{python}
import os, pathlib, subprocess, sys
args = sys.argv[1:]
prefix = args[args.index("-p") + 1]
venv = lambda: subprocess.run(["{uv}", "venv", "-q", "--no-config", "-p", "{python}", prefix], check=True)
if args[:2] == ["env", "create"]:
    print(pathlib.Path(args[args.index("-f") + 1]).read_text())
    if "no-such" in pathlib.Path(args[args.index("-f") + 1]).read_text():
        sys.exit("PackagesNotFoundError: no-such")
    venv()
    subprocess.run(["{uv}", "pip", "install", "-q", "-p", prefix, "six==1.16.0"], check=True)
elif args[0] == "list":
    print("@EXPLICIT\\nhttps://conda.anaconda.org/conda-forge/noarch/tzdata.conda#0")
elif args[0] == "create":
    assert "@EXPLICIT" in pathlib.Path(args[args.index("--file") + 1]).read_text()
    venv()
"""


@pytest.mark.real
class TestConda:
    """A configured conda, stood in for by a script, makes what a conda file asks for."""

    @pytest.fixture
    def environments(self, tmp_path: Path) -> Environments:
        program = tmp_path / "conda"
        program.write_text(FAKE_CONDA.format(python=sys.executable, uv=find_uv_bin()))
        program.chmod(0o755)
        return Environments(tmp_path, conda=program)

    async def test_is_used_and_locked(self, environments: Environments, tmp_path: Path) -> None:
        given = environments.wanted(recipe(conda='{"dependencies":["python=3.10","cudatoolkit"]}'))
        progress = Progress()
        built = await environments.ensure(given, progress)
        log = environments.log(built.key).read_text()
        assert '["python=3.10", "cudatoolkit", "pip", {"pip": ["azureml-inference-server-http"]}]' in log
        assert progress == ["installing: making the environment of inline with conda"]
        shutil.rmtree(tmp_path / "environments")
        again = await environments.ensure(given, progress)
        assert versions(again.python) == {"six": "1.16.0"}
        assert "env create" not in environments.log(built.key).read_text()

    async def test_gets_what_only_it_has_from_the_spec(self, environments: Environments) -> None:
        """A conda file without a single package for pip, from the loader to the built environment."""
        files = {**REPOSITORY, "conda.yml": "dependencies: [python=3.10, cudatoolkit]\n"}
        (deployment,) = load("c", MemoryFiles(files), conda=True).catalog.endpoints["shop"].deployments
        assert deployment.recipe.environment.requirements == ()
        built = await environments.ensure(environments.wanted(deployment.recipe), Progress())
        assert '"cudatoolkit"' in environments.log(built.key).read_text()

    @pytest.mark.parametrize("content", ['"six==1.16.0\\n"', None])
    def test_is_not_for_what_is_no_conda_file(self, environments: Environments, content: str | None) -> None:
        assert environments.wanted(recipe("six", conda=content)).conda is None

    async def test_its_failure_is_told(self, environments: Environments) -> None:
        given = environments.wanted(recipe(conda='{"dependencies":["no-such"]}'))
        with pytest.raises(ReleaseError, match="PackagesNotFoundError"):
            await environments.ensure(given, Progress())

    def test_a_server_that_the_user_pinned_stays(self) -> None:
        document = '{"dependencies":["pip",{"pip":["azureml_inference_server_http==1.4.1"]}]}'
        assert json.loads(with_server(document)) == json.loads(document)


def uvs() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.name() == "uv"]


@pytest.fixture
def broken_index(tmp_path: Path) -> Iterator[str]:
    """A package index with one source distribution whose build fails."""
    name = "headgate_broken-1.0"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: headgate-broken\nVersion: 1.0\n",
        "setup.py": "raise SystemExit('this package never builds')\n",
    }
    folder = tmp_path / "index" / "headgate-broken"
    folder.mkdir(parents=True)
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "index.html").write_text(f'<a href="{name}.tar.gz">{name}.tar.gz</a>')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "index"))

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Silent(http.server.ThreadingHTTPServer):
    """An index that takes requests and does not answer until it is closed."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = threading.Event()
        super().__init__(("127.0.0.1", 0), SilentHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"


class SilentHandler(http.server.BaseHTTPRequestHandler):
    """Waits."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Silent)
        self.server.asked.set()
        self.server.closed.wait(60)
        self.close_connection = True


@pytest.fixture
def silent_index() -> Iterator[Silent]:
    with Silent() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.closed.set()
        server.shutdown()
        thread.join()


def test_only_builds_of_ours_that_nobody_waits_for_are_ended(tmp_path: Path) -> None:
    """What a killed Headgate left: a session of its own, by the name of a builder, in the folder of environments."""
    (tmp_path / "uv").symlink_to(shutil.which("sleep") or "")
    (tmp_path / "other").symlink_to(shutil.which("sleep") or "")
    inside, outside = tmp_path / "environments" / "abc", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    places = ((inside, "uv"), (outside, "uv"), (inside, "other"))
    running = [
        subprocess.Popen([tmp_path / name, "60"], cwd=folder, start_new_session=True) for folder, name in places
    ]
    try:
        end_strays(tmp_path / "environments")
        assert running[0].wait(10) == -9
        assert [process.poll() for process in running[1:]] == [None, None]
    finally:
        for process in running:
            process.kill()
            process.wait()
