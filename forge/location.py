"""Where a repository is: the operator's words, checked, with credentials kept apart from what is shown."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from spec.errors import StalledError

Kind = Literal["local", "https", "http", "ssh"]

_HELPER = re.compile(r"^[A-Za-z0-9+.-]+::")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP_LIKE = re.compile(
    r"^(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.][A-Za-z0-9_.-]*):(?!//).+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRETS = (
    (re.compile(r"(https?://)[^/@\s]*@"), r"\1***@"),
    (re.compile(r"(://[^/@\s:]*):[^/@\s]*@"), r"\1:***@"),
    (re.compile(r"(?i)((?:token|password|secret|key)=)[^&\s'\"]+"), r"\1***"),
)


@dataclass(frozen=True, slots=True)
class Location:
    """A repository's place; `target` is a path or a URL and holds no password."""

    kind: Kind
    target: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the repository is a directory of this machine."""
        return self.kind == "local"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, so that proxies must stay out."""
        return self.kind in ("http", "https") and _is_loopback(urlsplit(self.target).hostname or "")


def mask(text: str) -> str:
    """Return the text without the credentials of URLs in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def parse_location(text: str) -> Location:
    """Read what the operator named as source; raise `StalledError` for a scheme that is not allowed."""
    if not text or text.startswith("-") or _CONTROL.search(text):
        raise StalledError(f"{mask(text)!r} names no repository: give a path, an https URL or an ssh URL.")
    if _HELPER.match(text):
        raise StalledError(f"{mask(text)!r} uses a Git remote helper, which could run any program: use https or ssh.")
    if match := _SCHEME.match(text):
        return _parse_url(text, match[1].lower())
    if _SCP_LIKE.match(text) and not Path(text).exists():
        return Location("ssh", text)
    return Location("local", str(Path(text).expanduser().absolute()))


def _parse_url(text: str, scheme: str) -> Location:
    match scheme:
        case "file":
            return Location("local", unquote(urlsplit(text).path))
        case "ssh":
            return _parse_ssh(text)
        case "https":
            return _parse_http(text, "https")
        case "http" if _is_loopback(urlsplit(text).hostname or ""):
            return _parse_http(text, "http")
        case "http":
            raise StalledError(f"{mask(text)} is not encrypted: use https (plain http is for loopback hosts only).")
        case _:
            raise StalledError(f"{mask(text)}: the scheme {scheme!r} is not allowed; use https, ssh or a local path.")


def _parse_ssh(text: str) -> Location:
    parts = urlsplit(text)
    if parts.password:
        raise StalledError(f"{mask(text)}: ssh takes no password in its URL; use a key or an agent.")
    if not parts.hostname or parts.hostname.startswith("-") or (parts.username or "").startswith("-"):
        raise StalledError(f"{mask(text)} names no host.")
    return Location("ssh", text)


def _parse_http(text: str, kind: Literal["https", "http"]) -> Location:
    parts = urlsplit(text)
    if not parts.hostname:
        raise StalledError(f"{mask(text)} names no host.")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return Location(kind, bare, unquote(parts.username or ""), unquote(parts.password or ""))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_subpath(path: str) -> str:
    """Normalise the sub-path to watch (`""` is the root); raise `StalledError` if it leaves the repository."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or path.startswith("/") or _CONTROL.search(path):
        raise StalledError(f"The sub-path {path!r} must be relative and stay inside the repository.")
    return "/".join(parts)
