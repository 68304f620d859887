"""Envoy's protobuf messages, from descriptors in a pool of their own and without generated code."""

import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

ENVOY_VERSION: Final = "1.40.0"
DESCRIPTORS: Final = Path(__file__).parent / "api" / f"envoy-{ENVOY_VERSION}.binpb.zz"
TYPE_PREFIX: Final = "type.googleapis.com/"

_NANOS: Final = 1_000_000_000
_Convert = Callable[[Any], Any]


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """Load Envoy's descriptors once."""
    files = descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(DESCRIPTORS.read_bytes()))
    loaded = descriptor_pool.DescriptorPool()
    for file in files.file:
        loaded.AddSerializedFile(file.SerializeToString())
    return loaded


@cache
def message(name: str) -> type[Any]:
    """Return the class of a message by full name or type URL. Raises `KeyError` if Envoy has none."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name.removeprefix(TYPE_PREFIX)))


def build(name: str, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - its class exists only at run time
    """Build the message `name` from a plain dict as in Envoy's YAML.

    Does the same as `json_format.ParseDict` at a tenth of its cost, for fields named as in the documentation.
    Raises `ValueError` for a field that the message lacks.
    """
    made = message(name)
    return made(**_keywords(made.DESCRIPTOR, fields))


def pack(packed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - its class exists only at run time
    """Build the `Any` of a plain dict that names its message under `@type`."""
    return message("google.protobuf.Any")(**_any(packed))


def plain(built: Message) -> dict[str, Any]:
    """Turn a message back into a plain dict, fields named as in Envoy's documentation."""
    fields: dict[str, Any] = json_format.MessageToDict(
        built, preserving_proto_field_name=True, descriptor_pool=pool()
    )
    return fields


def _keywords(descriptor: Descriptor, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a dict to the constructor's keywords, all the way down."""
    converters = _converters(descriptor)
    try:
        return {name: converters[name](value) for name, value in fields.items()}
    except KeyError as error:
        raise ValueError(f"{descriptor.full_name} has no field {error}") from error


@cache
def _converters(descriptor: Descriptor) -> Mapping[str, _Convert]:
    return {field.name: _converter(field) for field in descriptor.fields}


def _converter(field: FieldDescriptor) -> _Convert:
    kind = field.message_type
    if kind is None:
        return _same
    if kind.GetOptions().map_entry:
        return _map_of(kind.fields_by_name["value"].message_type)
    single = _message(kind)
    return _list_of(single) if field.is_repeated else single


def _message(kind: Descriptor) -> _Convert:
    match kind.full_name:
        case "google.protobuf.Any":
            return _any
        case "google.protobuf.Duration":
            return _duration
        case "google.protobuf.Struct":
            return _struct
        case name if kind.file.name == "google/protobuf/wrappers.proto" and name:
            return _wrapped
        case _:
            return lambda fields: _keywords(kind, fields)


def _same(value: Any) -> Any:  # noqa: ANN401 - any scalar
    return value


def _list_of(single: _Convert) -> _Convert:
    return lambda values: [single(value) for value in values]


def _map_of(kind: Descriptor | None) -> _Convert:
    if kind is None:
        return dict
    single, made = _message(kind), message(kind.full_name)
    return lambda values: {key: made(**single(value)) for key, value in values.items()}


def _any(packed: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(packed)
    url = fields.pop("@type")
    return {"type_url": url, "value": build(url, fields).SerializeToString(deterministic=True)}


def _duration(text: str) -> dict[str, int]:
    seconds, nanos = divmod(int(Decimal(text.removesuffix("s")) * _NANOS), _NANOS)
    return {"seconds": seconds, "nanos": nanos}


def _struct(fields: Mapping[str, Any]) -> dict[str, Any]:
    made = message("google.protobuf.Struct")()
    made.update(fields)
    return {"fields": made.fields}


def _wrapped(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any scalar
    return {"value": value}
