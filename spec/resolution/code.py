"""A deployment's `code_configuration` to code, its entry script looked at."""

import ast
import posixpath
import re
import sys
import warnings

from spec import artifacts
from spec.azure.deployment import CodeConfiguration
from spec.findings import Scope
from spec.near import suggestion
from spec.problem import Problem
from spec.release import Code
from spec.repository import LFS
from spec.resolution.ground import Ground


def resolve(ground: Ground, scope: Scope, fields: CodeConfiguration) -> Code | None:
    """The code that the fields name, or None with problems."""
    written = fields.scoring_script
    for key, value in (("code", fields.code), ("scoring_script", written)):
        if not value and not scope.doubts(key):
            allowed = "a folder" if key == "code" else "a script in the folder"
            scope.error(f"`code_configuration.{key}` is missing and required: add it.", key, allowed=allowed)
    script = posixpath.normpath(written)
    if script.startswith(("/", "..")):
        message = "`scoring_script` leaves the code folder: name a script within it."
        scope.error(message, "scoring_script", found=written, allowed="a script in the folder")
    artifact = artifacts.find_directory(ground.repository, scope, fields.code, "code") if fields.code else None
    if artifact is None or not written or script.startswith(("/", "..")):
        return None
    path = posixpath.join(artifact.path, script)
    if path not in ground.repository.entries:
        _missing(ground, scope, written, path, artifact.path)
        return None
    return Code(artifact, script)


def _missing(ground: Ground, scope: Scope, written: str, path: str, folder: str) -> None:
    prefix = f"{folder}/" if folder else ""
    scripts = [name.removeprefix(prefix) for name in ground.repository.entries if name.startswith(prefix)]
    scripts = [name for name in scripts if name.endswith(".py")]
    hint = suggestion(written, scripts)
    message = f"`scoring_script` names `{path}`, which is not in the repository.{hint}"
    scope.error(message, "scoring_script", found=written, allowed=", ".join(sorted(scripts)[:20]))


def check(ground: Ground, scope: Scope, code: Code, python: str | None) -> None:
    """Note an entry script that is not valid Python, unless it is written for a newer one than Headgate's."""
    path = posixpath.join(code.artifact.path, code.scoring_script)
    if path.endswith(".py") and not _is_newer(python):
        problems = ground.repository.once("syntax", path, lambda: _syntax(path, ground.repository.text(path)))
        scope.findings.problems.extend(problems)


def _syntax(path: str, text: str | None) -> tuple[Problem, ...]:
    if text is None or text.startswith(LFS.decode()):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text, filename=path)
    except SyntaxError as error:
        message = f"This entry script is not valid Python: {error.msg}."
        return (Problem(path, error.lineno or 1, error.offset or 1, "", message),)
    except (ValueError, RecursionError, MemoryError):
        return (Problem(path, 1, 1, "", "This entry script cannot be parsed as Python."),)
    return ()


def _is_newer(python: str | None) -> bool:
    found = re.match(r"(\d+)\.(\d+)", python or "")
    return found is not None and (int(found[1]), int(found[2])) > sys.version_info[:2]
