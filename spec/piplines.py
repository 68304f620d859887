"""Lines of a requirements file: PEP 508 requirements and index options, and nothing that leaves the repository."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"^(?P<flag>--?[A-Za-z][\w-]*)(?:\s*=\s*|\s+)?(?P<value>.*)$")
_INDEX_OPTIONS = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
}
_FLAGS = ("--pre",)
_PACKAGES = ("--no-binary", "--only-binary")
_HARMLESS = ("--prefer-binary", "--no-cache-dir", "--no-cache", "--upgrade", "-U")
_REFUSED = {
    "-r": "write the requirements here instead of naming another file",
    "--requirement": "write the requirements here instead of naming another file",
    "-c": "write the versions here instead of naming a constraints file",
    "--constraint": "write the versions here instead of naming a constraints file",
    "-e": "put the package in the code directory, or publish it to an index",
    "--editable": "put the package in the code directory, or publish it to an index",
    "--trusted-host": "an index must have a valid certificate",
    "--no-index": "name the index to use with `--index-url`",
    "--hash": "hashes are not checked here; pin versions instead",
}
_SCHEMES = ("https", "http")
_VCS_EGG = re.compile(r"(?:^|&)egg=(?P<egg>[A-Za-z0-9._-]+(?:\[[^\]]*\])?)")


class PipLineError(ValueError):
    """A line that is refused; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PipLine:
    """One line: a requirement as the user wrote it, or an option such as `--extra-index-url URL`."""

    text: str
    name: str = ""
    """The canonical package name; empty for an option."""

    @property
    def is_option(self) -> bool:
        """Whether it is an option for the installer."""
        return not self.name


def parse(line: str) -> PipLine | None:
    """Read one line; None for a blank, a comment, or an option without effect here. Raises `PipLineError`."""
    text = _COMMENT.sub("", line).strip()
    if not text:
        return None
    if "${" in text:
        raise PipLineError(f"`{_redact(text)}` uses a variable; write the value, and keep secrets out of Git")
    if text.startswith("-"):
        return _option(text)
    if _is_url(text):
        return _bare_url(text)
    if _is_path(text):
        raise PipLineError(
            f"`{text}` is a local path; put the package in the code directory, or publish it to an index"
        )
    return _requirement(text)


def logical_lines(text: str) -> tuple[tuple[int, str], ...]:
    """Join continued lines; return each with the number, from 0, of the line that it begins on."""
    joined: list[tuple[int, str]] = []
    continued = False
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines()):
        start, before = joined.pop() if continued else (number, "")
        continued = line.endswith("\\")
        joined.append((start, before + line.removesuffix("\\")))
    return tuple(joined)


def _option(text: str) -> PipLine | None:
    found = _OPTION.match(text)
    flag, value = (found["flag"], found["value"].strip().strip("\"'")) if found else (text, "")
    if flag in _HARMLESS and not value:
        return None
    if flag in _FLAGS and not value:
        return PipLine(flag)
    if flag in _PACKAGES and re.fullmatch(r"[\w.:,-]+", value):
        return PipLine(f"{flag} {value}")
    if flag in _INDEX_OPTIONS:
        _check_url(value, text, is_index=True)
        return PipLine(f"{_INDEX_OPTIONS[flag]} {value}")
    what = _REFUSED.get(flag, f"allowed are {', '.join(sorted({*_INDEX_OPTIONS.values(), *_FLAGS, *_PACKAGES}))}")
    raise PipLineError(f"`{_redact(text)}` is not supported: {what}")


def _requirement(text: str) -> PipLine:
    if " --hash" in text:
        raise PipLineError(f"`{text.partition(' ')[0]} --hash=…` is not supported: {_REFUSED['--hash']}")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise PipLineError(_explain(text)) from error
    if requirement.url:
        _check_url(requirement.url, text)
    return PipLine(text, canonicalize_name(requirement.name))


def _explain(text: str) -> str:
    if re.match(r"^[\w.\[\],-]+\s*=[^=]", text):
        return f"`{text}` is conda's form; pip wants `{text.replace('=', '==', 1)}`"
    return f"`{_redact(text)}` is no requirement; write it as in PEP 508, such as `numpy>=1.26,<2`"


def _is_url(text: str) -> bool:
    return re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:/", text) is not None


def _is_path(text: str) -> bool:
    if text.startswith((".", "/", "~")) or "\\" in text:
        return True
    return text.endswith((".whl", ".tar.gz", ".zip", "/")) and "@" not in text


def _bare_url(text: str) -> PipLine:
    _check_url(text, text)
    url, _, fragment = text.partition("#")
    egg = _VCS_EGG.search(fragment)
    name = egg["egg"] if egg else _name_from(url)
    if name is None:
        raise PipLineError(f"`{_redact(text)}` does not say which package it is; write `name @ {_redact(text)}`")
    return _requirement(f"{name} @ {url}")


def _name_from(url: str) -> str | None:
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    try:
        return parse_wheel_filename(filename)[0] if filename.endswith(".whl") else parse_sdist_filename(filename)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def is_fetched(url: str) -> bool:
    """Whether a package or index is fetched from there: https, also below git+, or http from this very host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    scheme = parts.scheme.removeprefix("git+")
    return bool(host) and (scheme == "https" or (scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_url(url: str, text: str, *, is_index: bool = False) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise PipLineError(f"`{_redact(text)}` holds no valid URL") from error
    if not is_fetched(url) or (is_index and parts.scheme not in _SCHEMES):
        raise PipLineError(f"`{_redact(text)}` must name an `https` URL (or `http` on this host)")
    if "@" in parts.netloc:
        raise PipLineError(
            f"`{_redact(text)}` holds credentials, which do not belong in Git; "
            "configure the index for the user that runs Headgate"
        )


def _redact(text: str) -> str:
    return re.sub(r"://[^/\s]*@", "://…@", text)
