"""One conda match spec as what pip understands."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

_NAME = re.compile(r"^(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)(?P<rest>.*)$", re.DOTALL)
_BRACKET = re.compile(r"\[(?P<inside>[^\]]*)\]\s*$")
_KEY = re.compile(r"""(?P<key>\w+)\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^,\s]+))""")
_PART = re.compile(r"^(?P<operator>===|==|~=|!=|>=|<=|=|>|<)?\s*(?P<version>[^=<>!~\s]+)$")
_PLAIN = re.compile(r"^==(?P<version>\d+(?:\.\d+){0,2})(?P<any>\.\*)?$")


class MatchSpecError(ValueError):
    """A match spec that has no pip form; the message says why and what to do."""


class CondaOnlyError(MatchSpecError):
    """A match spec that is good for conda and has no pip form."""


@dataclass(frozen=True, slots=True)
class Match:
    """A match spec: conda's package name in lower case and a PEP 440 specifier (empty: any version)."""

    name: str
    specifier: str


def parse(text: str) -> Match:
    """Read a match spec; channel and build string are dropped. Raises `MatchSpecError`."""
    body, bracket = _without_bracket(text.strip())
    if re.match(r"^\w+://", body) or body.endswith((".conda", ".tar.bz2")):
        raise MatchSpecError(f"`{text}` names a package file; name a package and version instead")
    found = _NAME.match(body.rpartition("::")[2].strip())
    if found is None:
        raise MatchSpecError(f"`{text}` is no conda match spec; write `name`, `name=1.2` or `name>=1.2,<2`")
    version, exact = _version(found["rest"].strip())
    if "version" in bracket:
        version, exact = bracket["version"], "build" in bracket
    return Match(found["name"].lower(), _specifier(version, text, exact=exact))


def requirement(match: Match) -> str | None:
    """Return the PEP 508 requirement, or None where PyPI needs none. Raises `MatchSpecError` for conda's own."""
    name = _tables().names.get(match.name, match.name)
    if not name:
        return None
    if match.name not in _tables().names and _conda_only(match.name):
        raise CondaOnlyError(_refusal(match.name))
    specifier = match.specifier
    if canonicalize_name(name) in _tables().longer and _PLAIN.match(specifier) and not specifier.endswith(".*"):
        specifier = f"{specifier}.*"
    try:
        Requirement(f"{name}{specifier}")
    except InvalidRequirement as error:
        raise MatchSpecError(f"`{name}{specifier}` is no requirement that pip understands") from error
    return f"{name}{specifier}"


def python_version(match: Match) -> str | None:
    """Return the Python asked for: `3.10`, `3.10.12`, or a specifier such as `>=3.9,<3.12`; None for any."""
    found = _PLAIN.match(match.specifier)
    return found["version"] if found else match.specifier or None


def _without_bracket(text: str) -> tuple[str, Mapping[str, str]]:
    found = _BRACKET.search(text)
    if found is None:
        return text, {}
    keys = {hit["key"]: hit["single"] or hit["double"] or hit["bare"] or "" for hit in _KEY.finditer(found["inside"])}
    return text[: found.start()].strip(), keys


def _version(rest: str) -> tuple[str, bool]:
    """Split `=1.2=build`, `1.2.* build` or `>=1, <2` into the version and whether it is exact (a build follows)."""
    if not rest:
        return "", False
    fields = re.match(r"^=(?P<version>[^=<>!~,|\s]+)=(?P<build>[^=\s]+)$", rest)
    if fields:
        return fields["version"], True
    exact = re.match(r"^==(?P<version>[^=<>!~,|\s]+)=(?P<build>[^=\s]+)$", rest)
    if exact:
        return f"=={exact['version']}", True
    # A space separates version and build, but may also follow an operator or a comma.
    joined = re.sub(r"\s*(,|\||>=|<=|==|!=|~=|>|<)\s*", r"\1", rest)
    joined = re.sub(r"^=\s+", "=", joined)
    version, _, build = joined.partition(" ")
    return version, bool(build)


def _specifier(version: str, text: str, *, exact: bool) -> str:
    if "|" in version or "(" in version or version.startswith("^"):
        raise CondaOnlyError(
            f"`{text}` offers alternatives, which pip cannot say; write one range, such as `>=1.2,<2`"
        )
    parts = (_comparison(part.strip(), text, exact=exact) for part in version.split(",") if part.strip())
    joined = ",".join(part for part in parts if part)
    try:
        SpecifierSet(joined)
    except InvalidSpecifier as error:
        raise MatchSpecError(
            f"the version in `{text}` is none that pip understands; write it as in PEP 440"
        ) from error
    return joined


def _comparison(part: str, text: str, *, exact: bool) -> str:
    found = _PART.match(part)
    if found is None:
        raise MatchSpecError(f"`{part}` in `{text}` is no version; write `=1.2`, `==1.2.3` or `>=1.2,<2`")
    bare = found["version"].removesuffix("*").removesuffix(".")
    star = found["version"].endswith("*")
    match found["operator"]:
        case None | "=" | "==" | "!=" if not bare:
            return ""
        case "=" if not exact:
            return _prefix(bare)
        case None | "=" | "==" | "===":
            return _prefix(bare) if star else f"=={bare}"
        case "!=":
            return f"!={bare}.*" if star else f"!={bare}"
        case operator:
            return f"{operator}{bare}"


def _prefix(version: str) -> str:
    """Conda's fuzzy `=1.2` is 1.2 and all that begins with `1.2.`, which is `==1.2.*` in PEP 440."""
    try:
        SpecifierSet(f"=={version}.*")
    except InvalidSpecifier:
        return f"=={version}"
    return f"=={version}.*"


@dataclass(frozen=True, slots=True)
class _Tables:
    names: Mapping[str, str]
    longer: frozenset[str]
    only: frozenset[str]
    patterns: tuple[str, ...]
    exceptions: frozenset[str]
    advice: Mapping[str, str]


@cache
def _tables() -> _Tables:
    document = tomllib.loads(files("spec").joinpath("data/conda.toml").read_text("utf-8"))
    only = document["conda_only"]
    return _Tables(
        names=document["names"],
        longer=frozenset(canonicalize_name(name) for name in document["longer_versions"]["names"]),
        only=frozenset(only["names"]),
        patterns=tuple(only["patterns"]),
        exceptions=frozenset((*only["python"], *only["libraries"])),
        advice=document["advice"],
    )


def _conda_only(name: str) -> bool:
    tables = _tables()
    if name in tables.exceptions:
        return False
    return name in tables.only or any(fnmatchcase(name, pattern) for pattern in tables.patterns)


def _refusal(name: str) -> str:
    advice = _tables().advice.get(name, "remove it if the deployment does not need it")
    return (
        f"only conda has `{name}`, and Headgate installs from PyPI: {advice}; otherwise configure a real conda or "
        "mamba, or run this deployment on a container runtime"
    )
