"""Envoy's access log: Azure's traffic-log columns, separated by tabs, which costs Envoy half of what JSON does."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from router.bootstrap import STATS_PREFIX
from router.names import EXTENSIONS, METADATA

_MISSING: Final = "-"
_MIRRORED: Final = re.compile(
    rf"{STATS_PREFIX}\.mirrored\.cluster\.[^/]+/(?P<release>[^/]+)/mirror\.code\.(?P<code>\d+)"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: Azure's name (or ours), the type of its values, and what Envoy writes there."""

    name: str
    type: type[str] | type[int] | type[datetime]
    operator: str


# Envoy escapes nothing in a text log. A header may hold a tab (never a line end), so whatever a client or a model
# server chose comes last: there it can spoil columns of its own row only, and none that Headgate vouches for.
_SAFE: Final = (
    Column("TimeGenerated", datetime, "%START_TIME%"),
    # Endpoint, release and kind of the route, which costs a request less than three names of their own would.
    Column("Route", str, "%ROUTE_NAME%"),
    # Of the replica that answered; missing where none did.
    Column("Release", str, f"%UPSTREAM_METADATA({METADATA}:release)%"),
    Column("ResponseCode", int, "%RESPONSE_CODE%"),
    Column("ResponseCodeReason", str, "%RESPONSE_CODE_DETAILS%"),
    Column("ResponseFlags", str, "%RESPONSE_FLAGS%"),
    Column("RequestPayloadSize", int, "%BYTES_RECEIVED%"),
    Column("ResponsePayloadSize", int, "%BYTES_SENT%"),
    Column("TotalDurationMs", int, "%DURATION%"),
    Column("RequestDurationMs", int, "%REQUEST_DURATION%"),
    Column("ResponseDurationMs", int, "%RESPONSE_DURATION%"),
)
_FROM_OUTSIDE: Final = (
    Column("ModelStatusCode", int, "%RESP(MS-AZUREML-MODEL-ERROR-STATUSCODE):8%"),
    Column("ModelStatusReason", str, "%RESP(MS-AZUREML-MODEL-ERROR-REASON):64%"),
    Column("XRequestId", str, "%REQ(X-REQUEST-ID):64%"),
    Column("XMSClientRequestId", str, "%REQ(X-MS-CLIENT-REQUEST-ID):40%"),
    Column("Method", str, "%REQ(:METHOD):16%"),
    # Without the query, where some clients put their secrets.
    Column("Path", str, "%PATH(NQ:ORIG_OR_PATH):512%"),
    Column("UserAgent", str, "%REQ(USER-AGENT):70%"),
)
COLUMNS: Final = _SAFE + _FROM_OUTSIDE
"""In the order of the file; a missing value is `-`."""


@dataclass(frozen=True, slots=True)
class TrafficRecord:
    """One request; sizes in bytes, durations in milliseconds from its start; None and empty: Envoy had no value."""

    time_generated: datetime
    endpoint_name: str
    deployment_name: str
    release: str
    response_code: int | None
    """0: the client went away before there was an answer."""
    response_code_reason: str
    response_flags: str
    request_payload_size: int | None
    response_payload_size: int | None
    total_duration_ms: int | None
    request_duration_ms: int | None
    """Until the last byte of the request came from the client."""
    response_duration_ms: int | None
    """Until the first byte of the answer came from the model."""
    model_status_code: int | None
    model_status_reason: str
    x_request_id: str
    xms_client_request_id: str
    method: str
    path: str
    user_agent: str
    request_throttling_delay_ms: int = 0
    """Headgate limits no bandwidth; the column is Azure's."""
    response_throttling_delay_ms: int = 0


_READ: Final = (
    COLUMNS[0],
    Column("EndpointName", str, ""),
    Column("DeploymentName", str, ""),
    *COLUMNS[2:],
)
_AZURE_NAMES: Final = (
    *(column.name for column in _READ),
    "RequestThrottlingDelayMs",
    "ResponseThrottlingDelayMs",
)


def loggers(path: Path | None, *, stats: bool = False) -> list[dict[str, Any]]:
    """Return the `access_log` of Envoy's connection manager: the file, the statistics logger, both or neither."""
    found = [] if path is None else [_file(path)]
    return [*found, _stats()] if stats else found


def read(lines: Iterable[str]) -> Iterator[TrafficRecord]:
    r"""Yield what the lines say; a line that is no whole record (cut short by a crash, say) is passed over.

    Open the file with `newline="\n"` and `errors="replace"`.
    """
    for line in lines:
        values = _split(line.rstrip("\n"))
        if values is not None:
            record = _record(values)
            if record is not None:
                yield record


def to_json(record: TrafficRecord) -> dict[str, str | int | None]:
    """Return the record under Azure's names; times as ISO 8601."""
    values = asdict(record) | {"time_generated": record.time_generated.isoformat()}
    return dict(zip(_AZURE_NAMES, values.values(), strict=True))


def _file(path: Path) -> dict[str, Any]:
    line = "\t".join(column.operator for column in COLUMNS) + "\n"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{EXTENSIONS}access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": line}},
        },
    }


def _stats() -> dict[str, Any]:
    """Count and time requests by what Headgate chose, never by what a client sent.

    A histogram counts too, and each further tag or statistic costs every request as much as the first.
    """
    tags = [{"name": "route", "value_format": "%ROUTE_NAME%"}, {"name": "code", "value_format": "%RESPONSE_CODE%"}]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": f"{EXTENSIONS}access_loggers.stats.v3.Config",
            "stat_prefix": STATS_PREFIX,
            "histograms": [
                {"stat": {"name": "requests", "tags": tags}, "unit": "Milliseconds", "value_format": "%DURATION%"}
            ],
        },
    }


def mirror_stats() -> dict[str, Any]:
    """Count the answers to mirrored requests, which no other log has: for the router filter's own log."""
    tags = [
        {"name": "cluster", "value_format": "%UPSTREAM_CLUSTER%"},
        {"name": "code", "value_format": "%RESPONSE_CODE%"},
    ]
    stat = {"name": "mirrored", "tags": tags}
    # Only what Envoy itself asks for has this header, which copies are; it spares all others the counting.
    copied = {"name": "x-envoy-internal", "present_match": True}
    return {
        "name": "envoy.access_loggers.stats",
        "filter": {"header_filter": {"header": copied}},
        "typed_config": {
            "@type": f"{EXTENSIONS}access_loggers.stats.v3.Config",
            "stat_prefix": STATS_PREFIX,
            "counters": [{"stat": stat, "value_fixed": 1}],
        },
    }


def read_mirrored(stats: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return answers to mirrored requests by release and status (0: none came), of one endpoint's statistics."""
    found: dict[str, dict[str, int]] = {}
    for name, count in stats.items():
        match = _MIRRORED.fullmatch(name)
        if match is not None and count:
            codes = found.setdefault(match["release"], {})
            codes[match["code"]] = codes.get(match["code"], 0) + count
    return found


def mirrored_of(endpoint: str) -> str:
    """Return the pattern of the names of an endpoint's statistics that `read_mirrored` reads."""
    return rf"^{STATS_PREFIX}\.mirrored\.cluster\.{re.escape(endpoint)}/"


def _split(line: str) -> list[str] | None:
    values = line.split("\t", len(COLUMNS) - 1)
    if len(values) < len(COLUMNS):
        return None
    values[-1] = values[-1].replace("\t", " ")
    time, route, release, *others = ("" if value == _MISSING else value for value in values)
    endpoint, _, chosen = route.partition("/")
    release = release or chosen.partition("/")[0].removeprefix(_MISSING)
    return [time, endpoint, release.partition("@")[0], release, *others]


def _record(values: list[str]) -> TrafficRecord | None:
    found: dict[str, Any] = {}
    for field, column, text in zip(fields(TrafficRecord), _READ, values, strict=False):
        try:
            found[field.name] = _value(column, text)
        except ValueError:
            if column not in _FROM_OUTSIDE:
                return None
            found[field.name] = None
    return TrafficRecord(**_with_model_status(found))


def _with_model_status(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Azure shows the model's status for every answer that came from the model, not only for a failed one."""
    if found["model_status_code"] is not None or found["response_code_reason"] != "via_upstream":
        return found
    return {**found, "model_status_code": found["response_code"]}


def _value(column: Column, text: str) -> str | int | datetime | None:
    if column.type is int:
        return int(text) if text else None
    if column.type is datetime:
        return datetime.fromisoformat(text)
    return text
