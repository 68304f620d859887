"""The reference of all fields as Markdown, made from the models: `python -m spec.reference` prints it."""

import inspect
import sys
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from spec.fields import Strict
from spec.schema import FILES, schemas

_TITLES = {
    "endpoint": ("Managed endpoint", "Kubernetes endpoint"),
    "deployment": ("Managed deployment", "Kubernetes deployment"),
    "model": ("Model",),
    "environment": ("Environment",),
    "settings": ("Settings (`kind: settings`)",),
    "values": ("Values (`kind: values`)",),
    "rollout_policy": ("Rollout policy (`kind: rollout_policy`)",),
    "checks": ("Checks (`kind: checks`)",),
}


def render() -> str:
    """Every kind of file with a table of its fields, nested ones by dotted name."""
    definitions = {name: schema for one in schemas().values() for name, schema in one["$defs"].items()}
    parts = ["# Fields", "", "Made from the models by `spec.reference`. `*` stands for a name of your own."]
    for kind, models in FILES.items():
        for title, model in zip(_TITLES[kind], models, strict=True):
            parts += ["", f"## {title}", "", inspect.cleandoc(model.__doc__ or ""), "", *_table(model, definitions)]
    return "\n".join(parts) + "\n"


def _table(model: type[BaseModel], definitions: dict[str, Any]) -> list[str]:
    head = ["| Field | Takes | Default | Meaning |", "|---|---|---|---|"]
    return head + [_row(*row) for row in _rows(model, "", definitions)]


def _rows(
    model: type[BaseModel], prefix: str, definitions: dict[str, Any]
) -> Iterator[tuple[str, FieldInfo, str, str]]:
    for name, field in model.model_fields.items():
        spelt = field.alias or name
        properties = definitions.get(model.__name__, {}).get("properties", {})
        yield f"{prefix}{spelt}", field, _kind(properties.get(spelt, {})), _condition(model, spelt)
        for nested, is_map in _nested(field.annotation):
            inner = f"{prefix}{spelt}.*." if is_map else f"{prefix}{spelt}."
            yield from _rows(nested, inner, definitions)


def _row(name: str, field: FieldInfo, kind: str, condition: str) -> str:
    cells = (f"`{name}`{condition}", kind, _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _condition(model: type[BaseModel], spelt: str) -> str:
    """To which of several shapes of a mapping the field belongs."""
    word = getattr(model, "shape", "").strip("<>")
    return f" with `{word}`" if word and spelt != word else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or value is None or value in ("", {}, []) or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(schema: dict[str, Any]) -> str:
    """What a JSON Schema takes, in a few words."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "examples" in schema:
        return "such as " + ", ".join(f"`{example}`" for example in schema["examples"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_kind(option) for option in options if option.get("type") != "null"))
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = schema.get("type", "object" if "$ref" in schema else "anything")
    first = kinds[0] if isinstance(kinds, list) else kinds
    return {"object": "mapping", "array": "list", "string": "text"}.get(first, str(first))


def _nested(annotation: Any) -> Iterator[tuple[type[Strict], bool]]:  # noqa: ANN401 - any type expression
    """Models inside a type, and whether a mapping of one's own names lies between."""
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        if issubclass(annotation, Strict):
            yield annotation, False
        return
    is_map = typing.get_origin(annotation) is dict
    for argument in typing.get_args(annotation):
        for model, inner in _nested(argument):
            yield model, is_map or inner


if __name__ == "__main__":
    sys.stdout.write(render())
