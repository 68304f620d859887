"""Certificates: what is made, kept, renewed and refused, and that OpenSSL agrees."""

import asyncio
import socket
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from router import tls
from spec.errors import StalledError

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = tls.server_names("models.example.org", "box")


def test_names_leave_out_what_openssl_refuses() -> None:
    assert tls.server_names("localhost", "box") == ("localhost", "127.0.0.1", "::1", "box")
    assert NAMES[-2:] == ("models.example.org", "*.models.example.org")
    assert tls.server_names("", "my_host name") == ("localhost", "127.0.0.1", "::1")
    assert "10.0.0.7" in tls.server_names("", "10.0.0.7")


def test_a_second_look_changes_nothing(tmp_path: Path) -> None:
    first = tls.ensure(tmp_path / "tls", NAMES, NOW)
    assert tls.ensure(tmp_path / "tls", NAMES, NOW + timedelta(days=1)) == first
    assert first.not_after == NOW + tls.SERVER_LIFETIME
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    for name in ("ca-key.pem", "server.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in (tmp_path / "tls" / "ca.pem").read_text()


@pytest.mark.parametrize(
    ("names", "after", "renewed"),
    [
        (NAMES, tls.SERVER_LIFETIME - tls.RENEW_BEFORE - timedelta(seconds=1), False),
        (NAMES, tls.SERVER_LIFETIME - tls.RENEW_BEFORE, True),
        (tls.server_names("other.example.org", "box"), timedelta(0), True),
    ],
)
def test_renewal(tmp_path: Path, names: tuple[str, ...], after: timedelta, *, renewed: bool) -> None:
    first = tls.ensure(tmp_path, NAMES, NOW)
    authority = (tmp_path / "ca.pem").read_bytes()
    second = tls.ensure(tmp_path, names, NOW + after)
    assert (second != first) is renewed
    assert (tmp_path / "ca.pem").read_bytes() == authority


def test_a_spoilt_server_file_is_made_anew_under_the_same_authority(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES, NOW)
    authority = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "server.pem").write_bytes((tmp_path / "server.pem").read_bytes()[:300])
    tls.ensure(tmp_path, NAMES, NOW)
    assert (tmp_path / "ca.pem").read_bytes() == authority


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "stranger", "expired"])
def test_an_authority_that_clients_trust_is_never_replaced(tmp_path: Path, damage: str) -> None:
    tls.ensure(tmp_path / "a", NAMES, NOW)
    path, now = tmp_path / "a" / "ca-key.pem", NOW
    match damage:
        case "missing":
            path.unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:100])
        case "empty":
            path.write_bytes(b"")
        case "stranger":
            tls.ensure(tmp_path / "b", NAMES, NOW)
            key = (tmp_path / "b" / "ca-key.pem").read_text().partition("-----BEGIN CERT")[0]
            path.write_text(key + (tmp_path / "a" / "ca.pem").read_text())
        case "expired":
            now = NOW + tls.AUTHORITY_LIFETIME
    public = (tmp_path / "a" / "ca.pem").read_bytes()
    with pytest.raises(StalledError, match=r"ca-key\.pem .*backup") as caught:
        tls.ensure(tmp_path / "a", NAMES, now)
    assert "PRIVATE" not in str(caught.value)
    assert (tmp_path / "a" / "ca.pem").read_bytes() == public


def test_a_lost_public_copy_comes_back(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES, NOW)
    public = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "ca.pem").unlink()
    tls.ensure(tmp_path, NAMES, NOW)
    assert (tmp_path / "ca.pem").read_bytes() == public


def test_the_key_shows_in_no_repr(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(tls.ensure(tmp_path, NAMES, NOW))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "models.example.org", "iris.models.example.org"])
async def test_strict_clients_accept_the_chain(tmp_path: Path, host: str) -> None:
    tls.ensure(tmp_path, NAMES, NOW)
    assert await _handshake(tmp_path / "server.pem", tmp_path / "ca.pem", host) == "hello"


async def test_clients_refuse_a_name_that_is_not_covered(tmp_path: Path) -> None:
    tls.ensure(tmp_path, NAMES, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(tmp_path / "server.pem", tmp_path / "ca.pem", "elsewhere.example.org")


async def _handshake(server: Path, authority: Path, host: str) -> str:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(server)
    outside = ssl.create_default_context(cafile=str(authority))
    outside.verify_flags |= ssl.VERIFY_X509_STRICT
    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=inside)
    port = listening.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=outside, server_hostname=host)
        greeting = await reader.read()
        writer.close()
    finally:
        listening.close()
    return greeting.decode()


def test_openssl_verifies_the_chain(tmp_path: Path) -> None:
    certificate = tls.ensure(tmp_path, NAMES, NOW)
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(certificate.certificate_pem)
    check = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(tmp_path / "ca.pem")]
    run = subprocess.run([*check, str(leaf)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def _self_made(directory: Path, ends: timedelta) -> tuple[Path, Path]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "given")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + ends)
    certificate, private = directory / "given.pem", directory / "given.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.TraditionalOpenSSL
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, private


def test_a_given_certificate_is_taken_with_its_chain(tmp_path: Path) -> None:
    certificate, key = _self_made(tmp_path, timedelta(days=1))
    certificate.write_text(certificate.read_text() * 2)
    found = tls.current(tmp_path, NAMES, NOW, (certificate, key))
    assert found.certificate_pem.count("BEGIN CERTIFICATE") == 2
    assert (found.ca_path, found.not_after) == (None, NOW + timedelta(days=1))
    assert not (tmp_path / "ca.pem").exists()
    (tmp_path / "new").mkdir()
    certificate, key = _self_made(tmp_path / "new", timedelta(days=2))
    assert tls.current(tmp_path, NAMES, NOW, (certificate, key)) != found


def test_given_files_that_cannot_serve_are_refused_by_name(tmp_path: Path) -> None:
    certificate, key = _self_made(tmp_path, timedelta(days=1))
    (tmp_path / "other").mkdir()
    old, other_key = _self_made(tmp_path / "other", timedelta(days=-1))
    garbage = tmp_path / "garbage"
    garbage.write_text("SECRET")
    for pair, said in (
        ((certificate, other_key), "not the one"),
        ((old, other_key), "not now"),
        ((garbage, key), "no certificate"),
        ((certificate, garbage), "no private key"),
        ((certificate, tmp_path / "none"), "cannot be read: No such file"),
    ):
        with pytest.raises(StalledError, match=said) as caught:
            tls.given(*pair, NOW)
        assert "SECRET" not in str(caught.value)
        assert caught.value.__context__ is None or "SECRET" not in str(caught.value.__context__)


def test_host_names_of_this_machine_are_usable(tmp_path: Path) -> None:
    names = tls.server_names("localhost", socket.gethostname())
    assert tls.ensure(tmp_path, names, NOW).certificate_pem
