"""Which versions run here."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from console.shapes import Version


def own_version() -> str:
    """Headgate's version."""
    try:
        return version("headgate")
    except PackageNotFoundError:
        return "unknown"


def envoy_version(binary: object) -> str:
    """What `envoy --version` says. Raises `OSError` or `subprocess.SubprocessError` if it does not run."""
    done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=30, check=True)
    parts = done.stdout.strip().rpartition("version: ")[2].split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def versions() -> Version:
    """Everything that a report of a fault should name."""
    from router.binary import find_binary
    from spec.errors import HeadgateError

    try:
        envoy = envoy_version(find_binary())
    except (HeadgateError, OSError, subprocess.SubprocessError):
        envoy = None
    return Version(
        headgate=own_version(),
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        envoy=envoy,
    )
