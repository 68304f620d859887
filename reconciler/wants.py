"""What the newest readable commit, or memory, asks of one endpoint."""

import json
from collections.abc import Mapping

from reconciler.plan import Want
from reconciler.state import Memory, Removing
from router.table import KeyAuth, TokenAuth
from spec.catalog import AuthMode, Catalog


def want(
    memory: Memory,
    catalog: Catalog | None,
    held: Mapping[str, str],
    auth: KeyAuth | TokenAuth,
    message: str = "",
) -> Want:
    """The want of one endpoint. Without a catalog (Git was never reached) memory speaks for Git."""
    name = memory.endpoint
    if catalog is None:
        spec = None if isinstance(memory.phase, Removing) else memory.spec
        return Want(memory.commit, spec, auth)
    broken = catalog.broken.get(name, ())
    spec = catalog.endpoints.get(name)
    last = memory.spec if broken or name in held else spec
    return Want(catalog.commit, last, auth, broken, held.get(name, ""), message)


def auth_mode(memory: Memory, catalog: Catalog | None) -> AuthMode:
    """How the endpoint asks its callers to prove themselves, now."""
    spec = (catalog.endpoints.get(memory.endpoint) if catalog else None) or memory.spec
    return spec.auth_mode if spec else "key"


def confirmed(text: str | None) -> frozenset[str]:
    """Names whose removal an operator has confirmed, from the store's text."""
    return frozenset(json.loads(text)) if text else frozenset()


def confirmed_text(names: frozenset[str]) -> str:
    """The store's text for confirmed removals."""
    return json.dumps(sorted(names))
