"""A first path that leads nowhere is refused; what may come back is waited for."""

import subprocess
import sys
from pathlib import Path

import pytest

from console.foreground import serve
from console.paths import Paths
from console.progress import Progress
from console.settings import Settings
from console.whereabouts import check_repository
from reconciler.state import Memory
from reconciler.store import Store
from spec.errors import StalledError


def remember(paths: Paths, *names: str) -> None:
    """Leave a memory as an earlier Headgate does."""
    paths.runtime.mkdir(parents=True, exist_ok=True)
    store = Store(f"sqlite:///{paths.database}")
    store.migrate()
    for name in names:
        store.save(name, Memory(name))
    store.close()


def check(paths: Paths, repo: object) -> None:
    check_repository(Settings(state_dir=paths.state, repo=str(repo)), paths)


@pytest.fixture
def places(home: Path) -> dict[str, Path]:
    """Paths by what is there."""
    (home / "folder" / "inner").mkdir(parents=True)
    (home / "file").write_text("")
    for name, flags in (("empty", ()), ("bare", ("--bare",))):
        subprocess.run(["git", "init", "--quiet", *flags, str(home / name)], check=True)
    return {name: home / name for name in ("gone", "folder", "file", "empty", "bare")}


@pytest.mark.parametrize(
    ("place", "words"),
    [("gone", "does not exist"), ("folder", "is no Git repository"), ("file", "is no Git repository")],
)
@pytest.mark.parametrize("remembered", [False, True])
def test_a_path_without_a_repository_is_refused(
    places: dict[str, Path], paths: Paths, place: str, words: str, *, remembered: bool
) -> None:
    if remembered:
        remember(paths)
    with pytest.raises(StalledError, match=words) as refused:
        check(paths, places[place])
    assert str(places[place]) in str(refused.value)
    with pytest.raises(StalledError, match=words):
        check(paths, places[place].as_uri())


def test_a_folder_of_a_working_copy_is_refused_with_the_command_that_follows_it(
    places: dict[str, Path], paths: Paths
) -> None:
    inner = places["empty"] / "models" / "iris"
    inner.mkdir(parents=True)
    with pytest.raises(StalledError, match="is a folder of") as refused:
        check(paths, inner)
    said = str(refused.value)
    command = f" up {places['empty']} --path models/iris --state-dir {paths.state}\nNothing was started."
    assert said.startswith(f"{inner} is a folder of {places['empty']}: to follow only it, use\n")
    assert said.endswith(command)
    assert "git init" not in said
    with pytest.raises(StalledError, match="--path models/iris "):
        check_repository(Settings(state_dir=paths.state, repo=str(inner.parent), path="iris"), paths)


@pytest.mark.parametrize("place", ["empty", "bare"])
def test_a_repository_without_commits_is_waited_for(places: dict[str, Path], paths: Paths, place: str) -> None:
    check(paths, places[place])


@pytest.mark.parametrize("repo", ["https://example.invalid/x.git", "git@example.invalid:x.git"])
def test_a_remote_is_waited_for(paths: Paths, repo: str) -> None:
    check(paths, repo)


def test_what_is_remembered_goes_on_meanwhile(places: dict[str, Path], paths: Paths) -> None:
    remember(paths, "iris")
    check(paths, places["gone"])


def test_replicas_whose_memory_is_lost_go_on_too(places: dict[str, Path], paths: Paths) -> None:
    paths.runtime.mkdir()
    check(paths, places["gone"])


def test_a_memory_that_cannot_be_read_is_for_the_start_to_say(places: dict[str, Path], paths: Paths) -> None:
    paths.database.write_bytes(b"no database" * 100)
    check(paths, places["gone"])


async def test_serving_ends_before_anything_starts(
    places: dict[str, Path], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    async def start(settings: Settings, **_: object) -> None:
        started.append(settings)

    monkeypatch.setattr("console.app.run", start)
    with Progress() as progress, pytest.raises(StalledError, match="does not exist"):
        await serve(Settings(state_dir=paths.state, repo=str(places["gone"])), progress)
    assert started == []


@pytest.mark.slow
def test_a_slip_in_a_script_ends_it_with_1(places: dict[str, Path], home: Path) -> None:
    command = [sys.executable, "-m", "console", "up", str(places["gone"]), "--state-dir", str(home / "s2")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert f"headgate: {places['gone']} does not exist" in done.stderr
