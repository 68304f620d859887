"""Downloads as the environment says: proxies, certificates, a mirror of PyPI with a user and password."""

import base64
import http.client
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
MIRRORS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


class DownloadError(Exception):
    """What could not be fetched and what to do next."""


def mirror() -> str | None:
    """Return the package index that the user chose instead of PyPI, or None."""
    chosen = next((os.environ[name].strip() for name in MIRRORS if os.environ.get(name, "").strip()), None)
    if chosen is None or urllib.parse.urlsplit(chosen).hostname == "pypi.org":
        return None
    return chosen.rstrip("/")


def with_credentials(url: str, index: str) -> str:
    """Give a link on the index's own host the index's user and password."""
    parts, source = urllib.parse.urlsplit(url), urllib.parse.urlsplit(index)
    same = "@" not in parts.netloc and parts.hostname == source.hostname
    return parts._replace(netloc=source.netloc).geturl() if same else url


def without_credentials(url: str) -> str:
    """Return a URL that may be printed."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def download(url: str, attempts: int = 3) -> bytes:
    """Return what is at a URL; proxies and certificates as the environment says."""
    for attempt in range(1, attempts + 1):
        try:
            return fetch(url)
        except urllib.error.HTTPError as error:
            failure: Exception = error
            if error.code < http.client.INTERNAL_SERVER_ERROR:
                break
        except (OSError, http.client.HTTPException) as error:
            failure = error
        if attempt < attempts:
            time.sleep(attempt)
    reason = getattr(failure, "reason", None) or failure
    raise DownloadError(
        f"cannot download {without_credentials(url)}: {reason}; check the network, HTTPS_PROXY and SSL_CERT_FILE, "
        "name a mirror in UV_DEFAULT_INDEX, or put a uv of at least 0.9 on PATH"
    )


def fetch(url: str) -> bytes:
    """Download once, with a line of progress."""
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(without_credentials(url), headers={"User-Agent": "headgate-setup"})  # noqa: S310
    if parts.username:
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
    with urllib.request.urlopen(request, timeout=60, context=tls()) as response:  # noqa: S310
        total = int(response.headers.get("Content-Length") or 0)
        content = bytearray()
        name = parts.path.rstrip("/").rpartition("/")[2]
        for chunk in iter(lambda: response.read(1 << 18), b""):
            content += chunk
            progress(name, len(content), total)
    if total and len(content) != total:
        raise http.client.IncompleteRead(b"", total - len(content))
    return bytes(content)


def progress(name: str, done: int, total: int) -> None:
    """Show how far a large download is: a moving line on a terminal, one line elsewhere."""
    large = 1 << 20
    if total < large:
        return
    text = f"Fetching {name}: {done >> 20} of {total >> 20} MB"
    if sys.stderr.isatty():
        print(f"\r{text}", end="\n" if done >= total else "", file=sys.stderr, flush=True)
    elif done >= total:
        print(text, file=sys.stderr, flush=True)


def tls() -> ssl.SSLContext:
    """Trust what the environment names, else the system's certificates wherever they are."""
    named = certificates()
    context = ssl.create_default_context(cafile=named)
    if named is None and not context.cert_store_stats()["x509_ca"]:
        for path in filter(os.path.exists, CERTIFICATES):
            context.load_verify_locations(path)
    return context


def trust() -> dict[str, str]:
    """Return what makes uv trust what every other program here does, unless the environment says whom to trust.

    By itself uv trusts a list of its own, without a company's CA; that stays so where the system has no list.
    """
    if any(os.environ.get(name) for name in TRUST):
        return {}
    bundle = certificates()
    if bundle is not None:
        return {"SSL_CERT_FILE": bundle}
    if not any(map(os.path.isfile, CERTIFICATES)):
        return {}
    return {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}  # the second is for a uv on PATH that is older


def certificates() -> str | None:
    """Return the certificate bundle that the environment names, or None."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and Path(path).is_file():
            return path
    return None
