"""The state directory, the directory of the sockets, and the lock."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from console import lock
from console.paths import MAX_SOCKET_PATH, PathError, Paths, candidates, own_run_directory, prepare, read_api_token


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_private(home: Path) -> None:
    paths = Paths(home / "s")
    prepare(paths)
    assert [mode(path) for path in (paths.state, paths.tls, paths.run)] == [0o700] * 3
    assert mode(paths.installation_file) == 0o600


def test_an_open_state_directory_is_closed(home: Path) -> None:
    (home / "s").mkdir(mode=0o755)
    prepare(Paths(home / "s"))
    assert mode(home / "s") == 0o700


def test_the_installation_keeps_its_id(home: Path) -> None:
    first = prepare(Paths(home / "s"))
    assert prepare(Paths(home / "s")) == first
    assert prepare(Paths(home / "other")) != first


def test_a_state_directory_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(PathError, match=r"Cannot use the directory .*file/s.*--state-dir"):
        prepare(Paths(home / "file" / "s"))


def test_a_state_directory_of_another_user_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(home / "s")
    prepare(paths)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PathError, match="belongs to user"):
        prepare(paths)


def test_sockets_are_beside_the_state_when_its_path_is_short(home: Path) -> None:
    paths = Paths(home / "s")
    prepare(paths)
    assert paths.api_socket == home / "s" / "run" / "api.sock"


def test_sockets_of_a_deep_state_directory_have_short_paths(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "xdg"))
    (home / "xdg").mkdir(mode=0o700)
    deep = home / "/".join(["a" * 30] * 4)
    paths = Paths(deep)
    prepare(paths)
    assert paths.run.parent == home / "xdg" / "headgate"
    assert all(len(os.fsencode(path)) <= MAX_SOCKET_PATH for path in (paths.api_socket, paths.admin_socket))


def test_another_shell_finds_the_same_sockets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    paths = Paths(home / "/".join(["b" * 30] * 4))
    prepare(paths)
    before = paths.run
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert paths.run == before
    prepare(paths)
    assert paths.run == before


def test_two_installations_never_share_sockets(home: Path) -> None:
    deep = home / ("c" * 100)
    assert not set(candidates(deep / "one")) & set(candidates(deep / "two"))


def test_a_directory_that_others_can_write_is_refused(home: Path) -> None:
    place = home / "open" / "x"
    place.parent.mkdir()
    place.parent.chmod(0o777)
    with pytest.raises(PathError, match="can be written by others"):
        own_run_directory(place)


def test_a_link_in_place_of_the_directory_is_refused(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")
    with pytest.raises(PathError, match="not a directory of yours"):
        own_run_directory(home / "link" / "x")


def test_the_api_token_is_private_and_stays(paths: Paths) -> None:
    token = read_api_token(paths)
    assert len(token) >= 40
    assert mode(paths.api_token_file) == 0o600
    assert read_api_token(paths) == token


HOLD = """
import sys, time
from pathlib import Path
from console.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_headgate_is_refused_by_pid(paths: Paths) -> None:
    call = [sys.executable, "-c", HOLD, str(paths.lock_file)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        found = lock.find_holder(paths.lock_file)
        assert found
        assert found.pid == first.pid
        with (
            pytest.raises(lock.LockedError, match=rf"pid {first.pid}\) runs on {paths.state}"),
            lock.hold(paths.lock_file),
        ):
            pytest.fail("the lock was given twice")
        first.kill()
    assert lock.find_holder(paths.lock_file) is None
    with lock.hold(paths.lock_file):
        assert lock.find_holder(paths.lock_file) == lock.Holder(os.getpid(), pytest.approx(found.created, abs=1e6))
    assert lock.find_holder(paths.lock_file) is None


def test_a_pid_that_was_given_to_another_process_is_no_holder(paths: Paths) -> None:
    paths.lock_file.write_text(f'{{"pid": {os.getpid()}, "created": 1.0}}')
    assert lock.find_holder(paths.lock_file) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_file_with_garbage_is_nobodys(paths: Paths, text: str) -> None:
    paths.lock_file.write_text(text)
    assert lock.find_holder(paths.lock_file) is None
    with lock.hold(paths.lock_file):
        pass


def test_a_lock_holds_for_what_is_below_it(paths: Paths) -> None:
    with lock.hold(paths.lock_file):
        with lock.hold(paths.lock_file):
            pass
        assert lock.find_holder(paths.lock_file)
    assert lock.find_holder(paths.lock_file) is None
