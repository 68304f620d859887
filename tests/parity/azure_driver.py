"""Azure's own loader as a server: a JSON line with a YAML text in, a JSON line with what was loaded out.

Run by the Python of an environment that has azure-ai-ml, in a folder that holds what the texts refer to.
It has no network: whatever tries to reach it is refused, and named in the next answer.
"""

import contextlib
import enum
import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any, TextIO

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind")
HIDDEN = frozenset(
    {"arm_type", "auto_increment_version", "base_path", "conda_file_path", "creation_context", "ignore_file",
     "intellectual_property", "is_anonymous", "job_name", "kind", "latest_version", "package_model", "print_as_yaml",
     "Resource__source_path", "translated_conda_file", "upload_hash", "utc_time_created"}
)  # fmt: skip
"""Attributes that no key of a YAML file sets, or whose keys the loader drops."""

Value = Any
"""Whatever was loaded."""

attempts: list[str] = []


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: note and refuse."""
    if event in NETWORK:
        attempts.append(f"{event} {arguments[1:]!r}")
        raise PermissionError(f"no network here: {event}")


def plain(value: Value) -> Value:
    """A loaded value as JSON; objects become mappings of their attributes without leading underscores."""
    match value:
        case enum.Enum():
            found = plain(value.value)
        case None | bool() | int() | str():
            found = value
        case float():
            found = {"!": repr(value)}
        case os.PathLike():
            found = {"!path": os.path.relpath(value)}
        case dict():
            found = {"!mapping": [[plain(key), plain(item)] for key, item in value.items()]}
        case list() | tuple():
            found = [plain(item) for item in value]
        case _:
            found = plain_other(value)
    return found


def plain_other(value: Value) -> Value:
    """Azure's own objects by their attributes; anything else, such as a date, as kind and text."""
    if hasattr(value, "as_dict"):
        return plain_object(dict(value.as_dict()))
    if hasattr(value, "__dict__"):
        return plain_object(dict(vars(value)))
    return {"!": f"{type(value).__name__} {value}"}


def plain_object(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes by name; an asset without a name of its own gets none."""
    names = {name.lstrip("_"): plain(value) for name, value in attributes.items()}
    if attributes.get("_is_anonymous"):
        names["name"] = names["version"] = None
    return {name: value for name, value in names.items() if name not in HIDDEN}


def reference(value: str) -> dict[str, Any]:
    """The name, version and label that a loaded reference stands for, as azure-ai-ml's own parsers read it."""
    from azure.ai.ml._utils._arm_id_utils import AMLVersionedArmId, parse_name_label, parse_name_version

    registry = re.fullmatch(r"azureml://registries/[^/]+/\w+/([^/]+)(?:/(versions|labels)/([^/]+))?", value)
    if registry is not None:
        name, by, which = registry.groups()
        return {
            "name": name,
            "version": which if by == "versions" else None,
            "label": which if by == "labels" else None,
        }
    if "/" in value:
        asset = AMLVersionedArmId(value)
        return {"name": asset.asset_name, "version": asset.asset_version, "label": None}
    name, label = parse_name_label(value)
    name, version = (name, None) if label else parse_name_version(value)
    return {"name": name, "version": version, "label": label}


def referring(values: dict[str, Any]) -> dict[str, Any]:
    """The values with references in the place of their texts; a text that the parsers refuse stays."""
    from azure.ai.ml.exceptions import ValidationException

    for key in ("model", "environment"):
        if isinstance(values.get(key), str):
            with contextlib.suppress(ValidationException):
                values[key] = reference(values[key])
    return values


def reason(error: BaseException) -> str:
    """The kind and text of an error, and of what caused it."""
    return f"{type(error).__name__}: {error}"[:2000]


def load(request: dict[str, str], file: Path) -> dict[str, Any]:
    """Load one text; every exception is a refusal, as it is for a user of `az ml`."""
    from azure.ai.ml import load_online_deployment, load_online_endpoint

    file.write_text(request["text"], encoding="utf-8")
    loader = load_online_endpoint if request["kind"] == "endpoint" else load_online_deployment
    attempts.clear()
    try:
        entity = loader(source=str(file))
        answer = {"accepted": True, "values": referring(plain_object(vars(entity))), "error": ""}
    except Exception as error:  # noqa: BLE001 - a crash of the loader refuses the file too
        answer = {"accepted": False, "values": {}, "error": reason(error)}
    finally:
        file.unlink()
    return {**answer, "network": list(attempts)}


def serve(source: TextIO, target: TextIO) -> None:
    """Answer requests until there are no more."""
    from azure.ai import ml

    print(json.dumps({"version": ml.__version__}), file=target, flush=True)
    for line in source:
        file = Path(f"input-{uuid.uuid4().hex}.yml")
        print(json.dumps(load(json.loads(line), file)), file=target, flush=True)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.addaudithook(refuse_network)
    serve(sys.stdin, answers)
