"""`kind: checks` files: the fields, as users write them."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from spec.fields import DeploymentName, EndpointName, Float, Int, Str, between, choice, reject
from spec.rollout.words import HeaderName, HeaderValue, Own, duration

_PATH = re.compile(r"/[!-~]*")
_MAX_PATH = 2048
_MAX_NAME = 128


def _name(value: str) -> str:
    if not value.strip() or len(value) > _MAX_NAME or not value.isprintable():
        raise reject(f"must be 1 to {_MAX_NAME} printable characters.", f"1 to {_MAX_NAME} characters", "headgate")
    return value.strip()


def _path(value: str) -> str:
    is_plain = _PATH.fullmatch(value) and len(value) <= _MAX_PATH and "#" not in value
    if not is_plain or value.startswith("//") or ".." in value.partition("?")[0].split("/"):
        raise reject("must be a path below the endpoint, such as /score.", "/PATH", "headgate")
    return value


def _positive(value: float) -> float:
    if value < 0:
        raise reject("must not be negative.", "0 or more", "headgate")
    return value


Amount = Annotated[Float, AfterValidator(_positive)]
Json = Annotated[Any, WithJsonSchema({})]


class CheckFields(Own):
    """One request, and what must hold for its answer."""

    name: Annotated[Str, AfterValidator(_name)] = Field(description="Its name, unique in the file.")
    request: Json = Field(default=None, description="The request's body, sent as JSON.")
    request_file: Str | None = Field(
        default=None, description="A text file with the body instead, relative to this file; 1 MB at most."
    )
    method: Annotated[str, choice("GET", "POST", "PUT", "PATCH", "DELETE", casing=str.upper)] = Field(
        default="POST", description="HTTP method."
    )
    path: Annotated[Str, AfterValidator(_path)] = Field(default="/score", description="Path below the endpoint.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Headers beside `content-type: application/json`."
    )
    timeout: Annotated[float, duration(0.1, 300)] = Field(default=30, description="How long to wait for the answer.")
    status: Annotated[Int, between(200, 599, kind="headgate")] = Field(
        default=200, description="The answer's status code."
    )
    schema_: Json = Field(default=None, alias="schema", description="A JSON Schema that the answer satisfies.")
    schema_file: Str | None = Field(default=None, description="A JSON file with the schema instead.")
    expect: Json = Field(default=None, description="The answer, as JSON.")
    tolerance: Amount = Field(default=0.0, description="Numbers that differ by no more than this are equal.")
    max_difference: Amount | None = Field(
        default=None, description="How far numbers may be from the stable release's answer. Not given: not compared."
    )


class ChecksFile(Own):
    """Requests to a deployment and what their answers must be; they run before a candidate's first share."""

    dropped = ("$schema",)

    kind: Literal["checks"] = Field(description="Says that these are checks.")
    deployment: DeploymentName = Field(description="The deployment that is checked.")
    endpoint: EndpointName = Field(
        default="", description="Its endpoint; may be left out where the folder holds exactly one."
    )
    checks: list[CheckFields] = Field(description="The checks.")
    max_changed: Annotated[Int, between(0, 1000, kind="headgate")] | None = Field(
        default=None, description="How many answers may differ by more than `max_difference`. Default: none."
    )
