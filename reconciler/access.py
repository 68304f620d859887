"""Credentials of every endpoint: made once, kept in the store, at hand in memory."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.store import Store
from router import credentials, tokens
from router.credentials import Keys, KeyType
from router.table import KeyAuth, TokenAuth
from spec.catalog import AuthMode

ENDPOINT = "endpoint/"
RING = "token-signing-keys"


@dataclass
class Access:
    """Keys and tokens. Methods that say so write to the store and block; the others only read memory."""

    store: Store
    _keys: dict[str, Keys] = field(default_factory=dict, repr=False)
    _ring: tokens.KeyRing | None = field(default=None, repr=False)

    def load(self, now: datetime) -> None:
        """Read all credentials; make the signing keys if there are none. Blocks."""
        self._keys = {
            name.removeprefix(ENDPOINT): credentials.load(text) for name, text in self.store.secrets(ENDPOINT).items()
        }
        text = self.store.secret(RING)
        self._ring = tokens.load(text) if text else None
        if self._ring is None:
            self._keep_ring(tokens.new_ring(now))

    def ensure(self, name: str) -> None:
        """Give the endpoint keys if it has none. Blocks only then."""
        if name not in self._keys:
            self._keep(name, credentials.new_keys())

    def has(self, name: str) -> bool:
        """Whether the endpoint has keys."""
        return name in self._keys

    def auth(self, name: str, mode: AuthMode) -> KeyAuth | TokenAuth:
        """What the router should ask of callers; the endpoint must have keys."""
        if mode == "aml_token":
            return TokenAuth(audience=name)
        keys = self._keys[name]
        return KeyAuth(keys.primary, keys.secondary)

    def rotate(self, name: str, which: KeyType) -> None:
        """Replace one key; the other goes on. Blocks."""
        self._keep(name, credentials.rotate(self._keys[name], which))

    def forget(self, name: str) -> None:
        """Forget a removed endpoint's keys: one of the same name gets new ones. Blocks."""
        self.store.keep_secret(ENDPOINT + name, None)
        self._keys.pop(name, None)

    def token(self, name: str, now: datetime, lifetime: timedelta) -> tokens.Token:
        """A fresh token for the endpoint."""
        return tokens.mint(name, self._signing(), now, lifetime)

    def jwks(self) -> str:
        """The public keys that the router checks tokens against."""
        return tokens.jwks(self._signing())

    def renew_ring(self, now: datetime) -> bool:
        """Replace the signing key if it is due; return whether it was. Blocks."""
        ring = self._signing()
        if not tokens.needs_rotation(ring, now):
            return False
        self._keep_ring(tokens.rotate(ring, now))
        return True

    def _signing(self) -> tokens.KeyRing:
        if self._ring is None:
            raise RuntimeError("credentials are read before they are used")
        return self._ring

    def _keep(self, name: str, keys: Keys) -> None:
        self.store.keep_secret(ENDPOINT + name, credentials.dump(keys))
        self._keys[name] = keys

    def _keep_ring(self, ring: tokens.KeyRing) -> None:
        self.store.keep_secret(RING, tokens.dump(ring))
        self._ring = ring
