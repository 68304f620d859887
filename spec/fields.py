"""Types of fields in YAML files, with the coercions that Azure's own loader makes."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError

_PATTERN = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"
_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")

_TRUE = frozenset({"t", "true", "on", "y", "yes", "1"})
_FALSE = frozenset({"f", "false", "off", "n", "no", "0"})


def reject(message: str, allowed: str = "", kind: str = "loader", found: object = None) -> PydanticCustomError:
    """Make an error for one field.

    `kind` is `loader` where Azure's loader refuses too, `service` where only Azure's service does, and
    `headgate` where only Headgate does. `found` is what is said to be found where that is not the whole value.
    """
    escaped = message.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError(kind, escaped, {"allowed": allowed, "found": found})


class Strict(BaseModel):
    """A mapping whose keys are all known, and whose values are never null."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())

    dropped: ClassVar[tuple[str, ...]] = ()
    """Keys that Azure's loader drops silently, whatever is in them."""

    @model_validator(mode="before")
    @classmethod
    def drop(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        """Leave out the keys that are dropped."""
        if not cls.dropped or not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if key not in cls.dropped}

    @field_validator("*", mode="before")
    @classmethod
    def reject_null(cls, value: object) -> object:
        """Refuse `key:` without a value, as Azure does."""
        if value is None:
            raise reject("is empty: give it a value or delete the key.", "a value")
        return value


def integer(value: object) -> int:
    """A whole number: `'60'` is 60 and 33.5 is 33, as in Azure; true and false are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise reject("must be a whole number.", "a whole number")
    try:
        return int(value)
    except (ValueError, OverflowError) as error:
        raise reject("must be a whole number.", "a whole number") from error


def number(value: object) -> float:
    """A finite number; text that spells one is taken."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise reject("must be a number.", "a number")
    try:
        found = float(value)
    except (ValueError, OverflowError) as error:
        raise reject("must be a number.", "a number") from error
    if not math.isfinite(found):
        raise reject("must be a finite number.", "a number")
    return found


def text(value: object) -> str:
    """Text; a number must be quoted."""
    if not isinstance(value, str):
        raise reject("must be text: put it in quotes.", "text")
    return value


def words(value: object) -> str:
    """Text, or a number that is taken as text: `version: 1`, `cpu: 0.5`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise reject("must be text or a number.", "text or a number")
    return str(value)


def boolean(value: object) -> bool:
    """True or false, in any of YAML's spellings, quoted or not."""
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    word = value if isinstance(value, str) and value in {value.lower(), value.upper(), value.capitalize()} else ""
    if word.lower() in _TRUE | _FALSE:
        return word.lower() in _TRUE
    raise reject("must be true or false.", "true or false")


def flag(value: object) -> bool:
    """True or false; Azure takes only the quoted words here, Headgate the bare ones too."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise reject("must be true or false.", "true or false")


def snake(value: str) -> str:
    """`AMLToken` as `aml_token`, as Azure turns camel case."""
    value = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", value)
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", value).lower()


def choice(*allowed: str, casing: Callable[[str], str] = str.lower) -> object:
    """Annotation for one of a few words, whatever their case."""

    def pick(value: object) -> str:
        if isinstance(value, str) and casing(value) in allowed:
            return casing(value)
        listed = ", ".join(allowed)
        raise reject(f"must be one of: {listed}.", listed)

    return Shaped(BeforeValidator(pick), {"type": "string", "enum": list(allowed)})


def between(low: int, high: int, why: str = "", kind: str = "service") -> object:
    """Annotation for the bounds of a number; checked after coercion."""

    def check(value: float) -> float:
        if low <= value <= high:
            return value
        reason = f" {why}" if why else ""
        raise reject(f"must be from {low} to {high}.{reason}", f"{low} to {high}", kind)

    return Shaped(AfterValidator(check), {"minimum": low, "maximum": high})


class Shaped:
    """A validator, and what it means in JSON Schema."""

    def __init__(self, validator: BeforeValidator | AfterValidator, schema: Mapping[str, Any]) -> None:
        self._validator = validator
        self._schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:  # noqa: ANN401 - pydantic's hook
        return self._validator.__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), **self._schema}


def name(value: object) -> str:
    """An endpoint's name, in lower case."""
    return _named(value, "loader")


def deployment_name(value: object) -> str:
    """A deployment's name, in lower case; Azure checks it only on submit."""
    return _named(value, "service")


def _named(value: object, kind: str) -> str:
    found = text(value)
    if not _NAME.fullmatch(found):
        raise reject(
            "must start with a letter, end with a letter or digit, and have only letters, digits and hyphens.",
            _PATTERN,
            kind,
        )
    if not 3 <= len(found) <= 32:  # noqa: PLR2004 - Azure's limits, said in the message
        raise reject("must have 3 to 32 characters.", "3 to 32 characters", "service")
    return found.lower()


def reference_name(value: object) -> str:
    """The name of an endpoint that a deployment points to, in lower case."""
    return text(value).lower()


Int = Annotated[int, BeforeValidator(integer), WithJsonSchema({"type": ["integer", "string", "number"]})]
Float = Annotated[float, BeforeValidator(number), WithJsonSchema({"type": ["number", "string"]})]
Str = Annotated[str, BeforeValidator(text), WithJsonSchema({"type": "string"})]
Words = Annotated[str, BeforeValidator(words), WithJsonSchema({"type": ["string", "number"]})]
Bool = Annotated[bool, BeforeValidator(boolean), WithJsonSchema({"type": ["boolean", "string"]})]
Flag = Annotated[bool, BeforeValidator(flag), WithJsonSchema({"type": ["boolean", "string"]})]
_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": _PATTERN, "minLength": 3, "maxLength": 32})
Name = Annotated[str, BeforeValidator(name), _NAME_SCHEMA]
DeploymentName = Annotated[str, BeforeValidator(deployment_name), _NAME_SCHEMA]
EndpointName = Annotated[str, BeforeValidator(reference_name), WithJsonSchema({"type": "string"})]
Access = Annotated[str, choice("enabled", "disabled")]
STEPS = ("weight", "pause", "gate", "mirror", "warmup", "headers")
"""The words that say what a rollout step does; each step has one of them."""
SHAPES = ("<text>", "<mapping>", "<steps>", "<ladder>", *(f"<{word}>" for word in STEPS))
"""What a field that takes one of several shapes adds to the place of an error."""


def shape(value: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """Discriminator between text and a mapping."""
    return SHAPES[0] if isinstance(value, str) else SHAPES[1]


Facts = Annotated[dict[Any, Any], WithJsonSchema({"type": "object"})]
"""A mapping with keys and values of any kind: tags, properties."""


def ignored(description: str) -> Any:  # noqa: ANN401 - pydantic's Field is typed so too
    """Field for what Azure's service fills in: taken and not used."""
    return Field(default="", description=f"Read-only in Azure: {description} Taken and ignored.")
