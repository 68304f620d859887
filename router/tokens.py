"""Tokens of `aml_token` endpoints: signed here, checked by Envoy against the public keys. Pure: `now` comes in."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from spec.errors import StalledError

ISSUER = "headgate"
ALGORITHM = "ES256"
TOKEN_TYPE = "Bearer"  # noqa: S105 - a word of the protocol
LIFETIME = timedelta(hours=1)
LONGEST_LIFETIME = timedelta(days=1)
ROTATE_AFTER = timedelta(days=30)
SPELLING = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+[AQgw]"
LENGTH = r"\C*\.\C{86}"
"""The only way to write a token of `ALGORITHM`: of a signature's last letter four bits are spare, and zero.

Two patterns for RE2, since Envoy takes none whose program is longer than 100 instructions.
"""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key and the name that tokens and the public key set call it by."""

    kid: str
    created: datetime
    private: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The newest key signs; tokens of the older ones stay valid until they expire."""

    keys: tuple[SigningKey, ...]
    """Newest first; never empty."""

    @property
    def signing(self) -> SigningKey:
        """The key that new tokens are signed with."""
        return self.keys[0]


@dataclass(frozen=True, slots=True)
class Token:
    """One access token; its repr does not show it."""

    access_token: str = field(repr=False)
    expiry_time_utc: int
    """Seconds since the epoch, as in Azure's answer."""
    refresh_after_time_utc: int
    """From here on a client should ask for the next one."""
    token_type: str = TOKEN_TYPE

    def as_json(self) -> dict[str, str | int]:
        """Azure's credentials document."""
        return {
            "accessToken": self.access_token,
            "expiryTimeUtc": self.expiry_time_utc,
            "refreshAfterTimeUtc": self.refresh_after_time_utc,
            "tokenType": self.token_type,
        }


NewKey = Callable[[], ec.EllipticCurvePrivateKey]


def generate() -> ec.EllipticCurvePrivateKey:
    """Return a fresh private key."""
    return ec.generate_private_key(ec.SECP256R1())


def new_ring(now: datetime, new_key: NewKey = generate) -> KeyRing:
    """Return a ring with one key."""
    return KeyRing((_signing_key(new_key(), now),))


def rotate(ring: KeyRing, now: datetime, new_key: NewKey = generate) -> KeyRing:
    """Return the ring with a new signing key and without those whose tokens have all expired.

    Give Envoy `jwks` of the new ring before anybody gets a token of it.
    """
    kept = (key for old, key in enumerate(ring.keys) if old == 0 or ring.keys[old - 1].created + _OVERLAP > now)
    return KeyRing((_signing_key(new_key(), now), *kept))


def needs_rotation(ring: KeyRing, now: datetime) -> bool:
    """Whether the signing key is due for replacement."""
    return now >= ring.signing.created + ROTATE_AFTER


def mint(endpoint: str, ring: KeyRing, now: datetime, lifetime: timedelta = LIFETIME) -> Token:
    """Sign a token whose audience is the endpoint; a refresh is due after three quarters of its life.

    Raises `StalledError` for a lifetime under a minute or over a day.
    """
    if not timedelta(minutes=1) <= lifetime <= LONGEST_LIFETIME:
        raise StalledError(f"A token's lifetime of {lifetime} is not between one minute and one day. Choose another.")
    begin, end = int(now.timestamp()), int((now + lifetime).timestamp())
    claims = {"iss": ISSUER, "aud": endpoint, "sub": endpoint, "iat": begin, "nbf": begin, "exp": end}
    text = jwt.encode(claims, ring.signing.private, algorithm=ALGORITHM, headers={"kid": ring.signing.kid})
    return Token(text, expiry_time_utc=end, refresh_after_time_utc=int((now + lifetime * 0.75).timestamp()))


def jwks(ring: KeyRing) -> str:
    """Return the public keys as a JSON Web Key Set, ready for Envoy's `local_jwks`; the same ring, the same text."""
    return json.dumps({"keys": [_public_jwk(key) for key in ring.keys]}, sort_keys=True)


def dump(ring: KeyRing) -> str:
    """Return the text to store; as secret as the private keys."""
    keys = [{"created": key.created.isoformat(), "pem": _pem(key.private)} for key in ring.keys]
    return json.dumps({"keys": keys})


def load(text: str) -> KeyRing:
    """Read what `dump` wrote. Raises `StalledError`, which shows nothing of the text, if it is something else."""
    try:
        stored = json.loads(text)["keys"]
        keys = tuple(_load_key(entry["pem"], datetime.fromisoformat(entry["created"])) for entry in stored)
    except (ValueError, TypeError, KeyError):
        keys = ()
    if keys:
        return KeyRing(keys)
    # Raised outside the handler: the chained error would carry the text.
    raise StalledError(
        "The stored token signing keys cannot be read. Restore the state directory from a backup, or remove them "
        "to have new ones made: tokens given out so far then stop working."
    )


_OVERLAP = LONGEST_LIFETIME + timedelta(minutes=5)
"""An older key stays valid this long after its successor came: its last token's life, and some clock skew."""


def _signing_key(private: ec.EllipticCurvePrivateKey, created: datetime) -> SigningKey:
    point = private.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return SigningKey(hashlib.sha256(point).hexdigest()[:16], created.astimezone(UTC), private)


def _load_key(pem: str, created: datetime) -> SigningKey:
    private = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise ValueError("not a P-256 key")
    return _signing_key(private, created)


def _pem(private: ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _public_jwk(key: SigningKey) -> dict[str, str]:
    numbers = key.private.public_key().public_numbers()
    shape = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": ALGORITHM, "kid": key.kid}
    return shape | {"x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode("ascii").rstrip("=")
