"""A conda environment document, or a requirements file, as what a runtime installs with pip."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from spec import matchspec, piplines

_KEYS = frozenset(("name", "channels", "dependencies", "prefix", "platforms"))


@dataclass(frozen=True, slots=True)
class Translation:
    """The pip-installable form of a document; with `errors` it must not be used."""

    python: str | None
    """`3.10`, `3.10.12`, or a specifier such as `>=3.9,<3.12`; None: any."""
    requirements: tuple[str, ...]
    pip_options: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]
    """Field, such as `dependencies.2.pip.0`, and message."""
    canonical: str
    """The document as canonical JSON."""


@dataclass(slots=True)
class _Draft:
    has_conda: bool = False
    python: str | None = None
    from_conda: list[str] = field(default_factory=list)
    from_pip: list[piplines.PipLine] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, where: str, message: str) -> None:
        self.errors.append((where, message))

    def finish(self, canonical: str) -> Translation:
        # Conda installs first and pip after it, so where both name a package, pip has the last word.
        named = {line.name for line in self.from_pip if not line.is_option}
        conda = [text for text in self.from_conda if canonicalize_name(Requirement(text).name) not in named]
        pip = [line.text for line in self.from_pip if not line.is_option]
        return Translation(
            python=self.python,
            requirements=(*conda, *pip),
            pip_options=tuple(line.text for line in self.from_pip if line.is_option),
            errors=tuple(self.errors),
            canonical=canonical,
        )


def translate(document: object, *, has_conda: bool = False) -> Translation:
    """Translate a conda environment document (parsed YAML); every error is reported, not just the first.

    With `has_conda` a real conda takes the document, so what pip cannot say is left out and is no error.
    """
    draft = _Draft(has_conda)
    canonical = canonical_json(document)
    if not isinstance(document, dict):
        draft.fail("", "a conda file is a mapping with `dependencies`")
        return draft.finish(canonical)
    for key in sorted(map(str, document.keys() - _KEYS)):
        draft.fail(key, _unknown(key))
    dependencies = document.get("dependencies") or []
    if not isinstance(dependencies, list):
        draft.fail("dependencies", "`dependencies` is a list of packages")
        return draft.finish(canonical)
    for index, entry in enumerate(dependencies):
        _add(draft, f"dependencies.{index}", entry)
    return draft.finish(canonical)


def parse_requirements(text: str) -> Translation:
    """Translate the text of a `requirements.txt`; fields of errors are `line N`, counted from 1."""
    draft = _Draft()
    _add_pip(draft, ((f"line {number + 1}", line) for number, line in piplines.logical_lines(text)))
    return draft.finish(json.dumps(text))


def canonical_json(document: object) -> str:
    """Return parsed YAML as JSON with sorted keys and no spaces; keys and dates become text."""
    return json.dumps(_with_text_keys(document), sort_keys=True, separators=(",", ":"), default=str)


def _with_text_keys(value: object) -> object:
    match value:
        case dict():
            return {str(key): _with_text_keys(item) for key, item in value.items()}
        case list():
            return [_with_text_keys(item) for item in value]
        case _:
            return value


def _unknown(key: str) -> str:
    if key == "variables":
        return "only conda sets a conda file's `variables`; put them under the deployment's `environment_variables`"
    return f"`{key}` is no key of a conda file; allowed: {', '.join(sorted(_KEYS))}"


def _add(draft: _Draft, where: str, entry: object) -> None:
    match entry:
        case str():
            _add_conda(draft, where, entry)
        case {"pip": list() as lines, **others} if not others:
            _add_pip(draft, ((f"{where}.pip.{index}", line) for index, line in enumerate(lines)))
        case {"pip": None, **others} if not others:
            return
        case _:
            draft.fail(where, "a dependency is a text such as `numpy=1.26`, or `pip:` with a list of requirements")


def _add_conda(draft: _Draft, where: str, text: str) -> None:
    try:
        match = matchspec.parse(text)
        requirement = None if match.name == "python" else matchspec.requirement(match)
    except matchspec.CondaOnlyError as error:
        if not draft.has_conda:
            draft.fail(where, str(error))
        return
    except matchspec.MatchSpecError as error:
        draft.fail(where, str(error))
        return
    if requirement is not None:
        draft.from_conda.append(requirement)
    if match.name == "python":
        draft.python = matchspec.python_version(match) or draft.python


def _add_pip(draft: _Draft, lines: Iterable[tuple[str, object]]) -> None:
    for where, text in lines:
        if not isinstance(text, str):
            draft.fail(where, f"`{text}` is no requirement; write it as in PEP 508, such as `numpy>=1.26,<2`")
            continue
        try:
            line = piplines.parse(text)
        except piplines.PipLineError as error:
            draft.fail(where, str(error))
            continue
        if line is not None:
            draft.from_pip.append(line)
