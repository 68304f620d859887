"""Settings: precedence, and messages that name where a wrong value came from."""

import re
from pathlib import Path

import pytest

from console.options import SETTINGS
from console.settings import Settings, SettingsError, find_file, load


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_every_setting_is_a_flag_a_variable_and_a_key() -> None:
    assert {setting.name for setting in SETTINGS} == set(Settings.model_fields)


def test_defaults_are_safe() -> None:
    found = load()
    assert (found.port, found.address, found.plain_http, found.api_port) == (8443, "127.0.0.1", False, None)


def test_state_directory_follows_xdg(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().state_dir == home / "state" / "headgate"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert load().state_dir == home / ".local/state/headgate"


@pytest.mark.parametrize(
    ("file", "variable", "flag", "expected"),
    [
        (None, None, None, 8443),
        (1111, None, None, 1111),
        (1111, "2222", None, 2222),
        (1111, "2222", "3333", 3333),
        (1111, None, "3333", 3333),
        (None, "2222", None, 2222),
        (1111, "", None, 1111),
    ],
)
def test_flag_beats_variable_beats_file_beats_default(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: int | None,
    variable: str | None,
    flag: str | None,
    expected: int,
) -> None:
    if file is not None:
        write(home / "headgate.toml", f"port = {file}\n")
    if variable is not None:
        monkeypatch.setenv("HEADGATE_PORT", variable)
    assert load({"port": flag}).port == expected


def test_a_flag_can_switch_off_what_the_file_switched_on(home: Path) -> None:
    write(home / "headgate.toml", "plain_http = true\n")
    assert load().plain_http is True
    assert load({"plain_http": False}).plain_http is False


def test_file_is_found_here_then_in_the_configuration_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file(None) is None
    there = write(home / "config/headgate/headgate.toml", "port = 2000\n")
    assert find_file(None) == there
    write(home / "headgate.toml", "port = 3000\n")
    assert load().port == 3000
    other = write(home / "other.toml", "port = 4000\n")
    monkeypatch.setenv("HEADGATE_CONFIG", str(other))
    assert load().port == 4000
    assert load(config=str(there)).port == 2000


def test_paths_of_the_file_are_relative_to_it(home: Path) -> None:
    config = write(home / "elsewhere/headgate.toml", 'state_dir = "memory"\nrepo = "../models"\n')
    found = load(config=str(config))
    assert found.state_dir == home / "elsewhere/memory"
    assert found.repo == str(home / "models")


@pytest.mark.parametrize(
    "repo", ["https://example.org/m.git", "git@example.org:m.git", "ssh://git@example.org/m", "file:///srv/m"]
)
def test_a_remote_repository_is_left_as_it_is(repo: str) -> None:
    assert load({"repo": repo}).repo == repo


def test_envoy_bin_has_its_common_variable_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = write(home / "one", ""), write(home / "two", "")
    monkeypatch.setenv("ENVOY_BIN", str(one))
    assert load().envoy_bin == one
    monkeypatch.setenv("HEADGATE_ENVOY_BIN", str(two))
    assert load().envoy_bin == two


def test_sizes_have_units() -> None:
    assert load({"max_request_bytes": "2MiB"}).max_request_bytes == 2 * 2**20


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "70000"}, ["--port", "70000"]),
        ({"api_port": "0"}, ["--api-port", "from 1 to 65535"]),
        ({"port": "web"}, ["--port", "'web'", "integer"]),
        ({"address": "nowhere"}, ["--address", "'nowhere'"]),
        ({"domain": "localhost"}, ["--domain", "two labels"]),
        ({"path": "../secrets"}, ["--path", "inside the repository"]),
        ({"tls_key": "/no/such.pem"}, ["--tls-key", "/no/such.pem"]),
        ({"log_level": "loud"}, ["--log-level", "'debug'"]),
        ({"api_port": "9000", "api_address": "192.0.2.1"}, ["--api-address", "clear text", "tls_certificate"]),
        ({"port": "9000", "api_port": "9000"}, ["--port", "--api-port", "9000"]),
    ],
)
def test_a_wrong_flag_is_named(flags: dict[str, object], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(flags)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_wrong_variable_and_a_wrong_key_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "headgate.toml", "poll_seconds = -1\n")
    monkeypatch.setenv("HEADGATE_PORT", "0")
    monkeypatch.setenv("ENVOY_BIN", "/no/envoy")
    with pytest.raises(SettingsError) as caught:
        load()
    lines = str(caught.value).splitlines()
    assert [re.match(r"\S+:", line) is not None for line in lines] == [True] * 3
    assert {line.split(": ")[0] for line in lines} == {"headgate.toml:poll_seconds", "HEADGATE_PORT", "ENVOY_BIN"}


def test_certificate_and_key_go_together(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TLS_CERTIFICATE", str(write(home / "cert.pem", "")))
    with pytest.raises(SettingsError, match=r"HEADGATE_TLS_CERTIFICATE: .*go together"):
        load()


def test_an_unknown_key_gets_a_near_match(home: Path) -> None:
    write(home / "headgate.toml", "prot = 1\n")
    with pytest.raises(SettingsError, match=r"headgate.toml:prot: .*did you mean port"):
        load()


def test_a_file_that_is_no_toml_is_named(home: Path) -> None:
    write(home / "headgate.toml", "port: 1\n")
    with pytest.raises(SettingsError, match=r"headgate.toml: cannot be read as TOML"):
        load()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"--config: there is no file nowhere.toml"):
        load(config="nowhere.toml")
    monkeypatch.setenv("HEADGATE_CONFIG", "gone.toml")
    with pytest.raises(SettingsError, match=r"HEADGATE_CONFIG: there is no file gone.toml"):
        load()
