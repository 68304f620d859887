"""Whose certificates a build trusts."""

from pathlib import Path

import pytest

from runtime import uv


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that the system keeps its certificates in."""
    found = tmp_path / "ca.pem"
    found.write_text("")
    monkeypatch.setattr(uv, "_STORES", (str(tmp_path / "none"), str(found)))
    return found


def chosen(given: dict[str, str]) -> dict[str, str]:
    """What a build's environment says of certificates."""
    kept = uv.child_environment(given)
    return {name: value for name, value in kept.items() if "CERT" in name or "TLS" in name}


def test_a_build_trusts_what_the_system_trusts(bundle: Path) -> None:
    assert bundle.exists()
    assert chosen({"PATH": "/bin"}) == {"UV_SYSTEM_CERTS": "1"}


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"])
def test_the_operators_word_stands(bundle: Path, name: str) -> None:
    assert chosen({name: str(bundle)}) == {name: str(bundle)}


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"])
def test_a_bundle_for_other_programs_is_meant_for_uv_too(bundle: Path, name: str) -> None:
    assert chosen({name: str(bundle)}) == {"SSL_CERT_FILE": str(bundle)}
    assert chosen({name: f"{bundle}.gone"}) == {"UV_SYSTEM_CERTS": "1"}


def test_a_system_without_certificates_leaves_uv_its_own(bundle: Path) -> None:
    bundle.unlink()
    assert chosen({}) == {}
