"""Fields of a deployment's data collector."""

from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from spec.fields import SHAPES, Flag, Float, Str, Strict, Words, choice, reject, shape

MAX_COLLECTIONS = 5
_PAYLOAD = frozenset({"request", "response"})


class DataAsset(Strict):
    """Where collected data goes."""

    name: Str = Field(default="", description="Name of the data asset.")
    path: Str = Field(default="", description="Where it is stored.")
    version: Words = Field(default="", description="Its version.")
    data_id: Str = Field(default="", description="Azure's id of it.")


DataField = Annotated[Annotated[Str, Tag(SHAPES[0])] | Annotated[DataAsset, Tag(SHAPES[1])], Discriminator(shape)]


class Collection(Strict):
    """One collection; `request` and `response` are payload logging."""

    enabled: Flag = Field(description="Whether it collects.")
    data: DataField | None = Field(default=None, description="Where it goes.")
    client_id: Str = Field(default="", description="Azure identity that writes it.")


class RequestLogging(Strict):
    """What payload logging adds."""

    capture_headers: list[Str] = Field(default=[], description="Request headers that are kept.")


def _few(found: dict[str, Collection]) -> dict[str, Collection]:
    count = len(set(found) - _PAYLOAD)
    if count > MAX_COLLECTIONS:
        message, most = f"may have {MAX_COLLECTIONS} collections at most.", f"{MAX_COLLECTIONS} collections"
        raise reject(message, most, "service", f"{count} collections")
    return found


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise reject("must be from 0.0 to 1.0.", "0.0 to 1.0")
    return value


class DataCollector(Strict):
    """What is collected of requests and responses."""

    collections: Annotated[dict[Str, Collection], AfterValidator(_few)] = Field(description="Collections by name.")
    rolling_rate: Annotated[str, choice("minute", "hour", "day", "month", "year")] = Field(
        default="hour", description="How often a new file starts."
    )
    sampling_rate: Annotated[Float, AfterValidator(_share)] = Field(
        default=1.0, description="Share of requests that are collected."
    )
    request_logging: RequestLogging | None = Field(default=None, description="Payload logging.")
