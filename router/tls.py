"""The server's certificate: from Headgate's own authority in the state directory, or one that was given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router import private_file
from spec.errors import StalledError

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
SERVER_LIFETIME: Final = timedelta(days=90)
RENEW_BEFORE: Final = timedelta(days=30)
_SKEW: Final = timedelta(hours=1)
"""Certificates hold from this long ago on, for clients whose clock is behind."""
_LONGEST_NAME: Final = 253
_LABEL = re.compile(r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What Envoy presents; equal ones need no push."""

    certificate_pem: str
    """The server's certificate first, then the chain."""
    key_pem: str = field(repr=False)
    ca_path: Path | None
    """What clients name in `--cacert`; None: a given certificate, which clients trust already."""
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """Both, the key first."""
        return _key_pem(self.key) + self.certificate.public_bytes(serialization.Encoding.PEM)


def server_names(domain: str, host: str) -> tuple[str, ...]:
    """Return the names and addresses that a server certificate covers.

    OpenSSL refuses a wildcard below a single label (`*.localhost`), so that one is left out.
    """
    wildcard = f"*.{domain}" if "." in domain.strip(".") else ""
    names = ("localhost", "127.0.0.1", "::1", host, domain, wildcard)
    return tuple(dict.fromkeys(name for name in names if _is_address(name) or _is_dns_name(name)))


def ensure(directory: Path, names: Sequence[str], now: datetime) -> ServerCertificate:
    """Return a server certificate for `names` that is not due for renewal, made or renewed as needed.

    Raises `StalledError` if the authority's files are unreadable or lost: clients trust them, so none is made anew.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _authority(directory, now)
    path = directory / "server.pem"
    server = _readable_pair(path)
    if server is None or needs_renewal(server.certificate, authority.certificate, names, now):
        server = _issue(authority, names, now)
        private_file.write(path, server.pem)
    return ServerCertificate(
        certificate_pem=_pem(server.certificate),
        key_pem=_key_pem(server.key).decode("ascii"),
        ca_path=directory / "ca.pem",
        not_after=server.certificate.not_valid_after_utc,
    )


def needs_renewal(
    certificate: x509.Certificate, authority: x509.Certificate, names: Sequence[str], now: datetime
) -> bool:
    """Whether the server's certificate is due, covers other names, or comes from another authority."""
    if not _covers(certificate, names) or not _is_issued_by(certificate, authority):
        return True
    ends = certificate.not_valid_after_utc
    could_last_longer = ends < authority.not_valid_after_utc
    return now >= ends or (could_last_longer and now >= ends - RENEW_BEFORE)


def current(
    directory: Path, names: Sequence[str], now: datetime, own: tuple[Path, Path] | None = None
) -> ServerCertificate:
    """Return what to present now: the operator's `own` certificate and key, or one of Headgate's authority.

    Costs a millisecond or two: call it every minute, and push when the answer differs from the last one. Raises
    `StalledError`; go on with the last answer then, since the two files may be in the middle of an exchange.
    """
    if own is not None:
        certificate, key = own
        return given(certificate, key, now)
    return ensure(directory, names, now)


def given(certificate_path: Path, key_path: Path, now: datetime) -> ServerCertificate:
    """Return a certificate (with its chain) and key that the operator supplies.

    Raises `StalledError` if one is unreadable, they do not belong together, or the certificate does not hold now.
    """
    chain = _chain(certificate_path)
    key = _given_key(key_path)
    leaf = chain[0]
    if _spki_of(key) != _spki(leaf.public_key()):
        raise StalledError(f"The key {key_path} is not the one of the certificate {certificate_path}.")
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise StalledError(
            f"The certificate {certificate_path} holds from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, which is not now. Supply a current one."
        )
    return ServerCertificate("".join(map(_pem, chain)), _given_key_pem(key), None, leaf.not_valid_after_utc)


def _authority(directory: Path, now: datetime) -> _Pair:
    path, public = directory / "ca-key.pem", directory / "ca.pem"
    if not path.exists():
        if public.exists():
            raise StalledError(_lost(path, "is missing"))
        private_file.write(path, _new_authority(now).pem)
    authority = _readable_pair(path)
    if authority is None:
        raise StalledError(_lost(path, "does not hold a certificate and its key"))
    if now >= authority.certificate.not_valid_after_utc:
        raise StalledError(_lost(path, "has expired"))
    if not public.exists() or public.read_bytes() != _pem(authority.certificate).encode():
        private_file.write(public, _pem(authority.certificate).encode())
        public.chmod(0o644)
    return authority


def _lost(path: Path, how: str) -> str:
    return (
        f"The certificate authority in {path} {how}, and clients trust it. Restore the file from a backup; or remove "
        f"{path} and {path.with_name('ca.pem')} to have a new one made, which every client must then be given."
    )


def _readable_pair(path: Path) -> _Pair | None:
    """Return the pair in the file; None if there is no file or it holds something else."""
    try:
        content = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, None)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StalledError(
            f"{path} cannot be read: {error.strerror}. Give it back to the user of Headgate."
        ) from error
    except (ValueError, TypeError):
        return None
    is_pair = isinstance(key, ec.EllipticCurvePrivateKey) and _spki(key.public_key()) == _spki(
        certificate.public_key()
    )
    return _Pair(certificate, key) if is_pair and isinstance(key, ec.EllipticCurvePrivateKey) else None


def _new_authority(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Two installations on one machine: the subject tells their authorities apart.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Headgate CA {identifier.digest.hex()[:8]}")])
    certificate = (
        _builder(name, name, key.public_key(), now)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _issue(authority: _Pair, names: Sequence[str], now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Headgate endpoints")])
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, authority.certificate.subject, key.public_key(), now)
        .not_valid_after(min(now + SERVER_LIFETIME, authority.certificate.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ip_address(name)) if _is_address(name) else x509.DNSName(name) for name in names]


def _covers(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    try:
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return list(covered) == _alternative_names(names)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise StalledError(f"The certificate {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise StalledError(f"{path} holds no certificate in PEM form.") from error


def _given_key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise StalledError(f"The key {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError):
        problem = f"{path} holds no private key in PEM form without a passphrase."
    # Raised outside the handler: the chained error could carry the text.
    raise StalledError(problem)


def _given_key_pem(key: PrivateKeyTypes) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode("ascii")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return _given_key_pem(key).encode("ascii")


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _spki_of(key: PrivateKeyTypes) -> bytes:
    """Return the public half; empty for a kind of key that no server certificate has."""
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return b""
    return _spki(key.public_key())


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_dns_name(name: str) -> bool:
    labels = name.removeprefix("*.").split(".")
    return len(name) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)
