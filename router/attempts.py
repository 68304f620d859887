"""Envoy's gRPC access log of endpoints in a move, and its entries as attempts on releases. Pure.

Envoy sends entries at most 0.1 s late over the control plane's socket, and drops them while nobody listens there.

A request's own entry says what became of its last attempt, in the same words as the client got it. Only where a
release is shielded may an earlier attempt have been on another release; there each failed attempt has an entry too,
which comes before the request's, and what the two say is put together by the request's id.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from router.bootstrap import XDS_CLUSTER
from router.names import EXTENSIONS, METADATA, ON_TRIAL, SHIELDED

TAG: Final = "hg"
"""The custom tag of each entry; all that is read of it."""

_FACTS: Final = (
    "%ACCESS_LOG_TYPE%",
    "%ROUTE_NAME%",
    "%UPSTREAM_CLUSTER%",
    f"%UPSTREAM_METADATA({METADATA}:release)%",
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "%RESPONSE_CODE%",
    "%RESPONSE_FLAGS%",
    "%RESP(MS-AZUREML-MODEL-ERROR-STATUSCODE):3%",
)
_OWN: Final = (
    # A client may have chosen it, and put a tab there: so it stands where that spoils no other column.
    "%REQ(X-REQUEST-ID)%",
    "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%",
    "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
    "%DURATION%",
)
TAG_VALUE: Final = "\t".join((*_FACTS, *_OWN))

_FLUSH: Final = "0.1s"
_BUFFER_BYTES: Final = 65_536
"""Entries that one worker keeps at most before it sends them, or drops them if it cannot."""
_REQUEST: Final = "DownstreamEnd"
_MODEL_ERROR: Final = 424
_SUCCESS: Final = 200
_ORPHANS: Final = 4096
_OUT_OF_TIME: Final = frozenset({"UMSDR", "UT", "SI", "DT"})
_NOT_SENT: Final = frozenset({"UH", "NC", "UO"})
_NONE: Final = ("", "-")
_BROKEN: Final = frozenset({"UC", "UF", "UH", "NC", "UR", "LR", "UPE"})


_Fields = dict[str, Any]


class Attempt(NamedTuple):
    """One attempt on a release by a live request. A tuple, since it is made for every request of a move."""

    endpoint: str
    release: str
    outcome: str
    """`ok`, `4xx`, `408`, `429`, `5xx` or `reset`."""
    milliseconds: float
    """From the first byte sent to the replica to its last, so without the time in the queue; or, if the time ran
    out, of the whole request."""


class Facts(NamedTuple):
    """What few entries differ in."""

    endpoint: str
    release: str
    """Whose replica it reached; where it reached none, the one that the route chose."""
    chosen: str
    outcome: str
    """Empty: the entry says nothing of the release."""
    request: bool
    """It is a request's own entry, not that of one attempt."""
    shielded: bool
    attempts: int
    sent: bool
    """The last attempt found a replica, and room there."""


def request_log() -> _Fields:
    """Describe the connection manager's log: one entry for each request of a route on trial."""
    noted = {"filter": METADATA, "path": [{"key": ON_TRIAL}], "value": {"present_match": True}}
    return _log({"metadata_filter": {"matcher": noted, "match_if_key_not_found": False}})


def attempt_log() -> _Fields:
    """Describe the router filter's log: one entry for each failed attempt, where another release is tried next."""
    failed = {"op": "NE", "value": {"default_value": _SUCCESS, "runtime_key": "headgate.status"}}
    # In this order: a request that succeeds, as nearly all do, pays for the comparison only.
    conditions = [{"status_code_filter": {"comparison": failed}}, _route_ends(f"/{SHIELDED}")]
    return _log({"and_filter": {"filters": conditions}})


class Reader:
    """Reads the entries of one stream, in their order."""

    def __init__(self) -> None:
        self._earlier: dict[str, list[Attempt]] = {}
        """Request id → attempts of a request whose own entry has not come."""

    def read(self, entries: Iterable[Any]) -> list[Attempt]:
        """Return the attempts that are known with these `HTTPAccessLogEntry` messages."""
        found: list[Attempt] = []
        for entry in entries:
            head, request, answered, begun, whole = entry.common_properties.custom_tags[TAG].rsplit("\t", 4)
            facts = read_facts(head)
            sent = answered or begun
            milliseconds = int(sent) / 1000 if sent else float(whole)
            if facts.shielded:
                found += self._join(facts, request, milliseconds)
            elif facts.request and facts.outcome:
                found.append(Attempt(facts.endpoint, facts.release, facts.outcome, milliseconds))
        return found

    def _join(self, facts: Facts, request: str, milliseconds: float) -> list[Attempt]:
        attempt = Attempt(facts.endpoint, facts.release, facts.outcome, milliseconds)
        if not facts.request:
            self._keep(request, attempt)
            return []
        known = self._earlier.pop(request, [])[: max(0, facts.attempts - 1)]
        if not known and facts.release != facts.chosen:
            # An attempt that found no replica has no entry, nor has one that was cut off after it had said 200.
            known = [Attempt(facts.endpoint, facts.chosen, "reset", 0.0)]
        # Where the second release had no replica or no room, nothing names it.
        nameless = known and not facts.sent
        return known if nameless or not facts.outcome else [*known, attempt]

    def _keep(self, request: str, attempt: Attempt) -> None:
        """Keep what waits for its request's entry; where the client went away, that has come already."""
        self._earlier.setdefault(request, []).append(attempt)
        if len(self._earlier) > _ORPHANS:
            del self._earlier[next(iter(self._earlier))]


@lru_cache(maxsize=4096)
def read_facts(head: str) -> Facts:
    """Read the columns `_FACTS`."""
    entry, route, cluster, host, attempts, code, texts, status, *_ = head.split("\t", 8)
    endpoint, named, kind = route.split("/")
    chosen = cluster.split("/")[1] if named == "-" else named
    request, flags = entry == _REQUEST, frozenset(texts.split(","))
    judge = outcome_of_request if request else outcome_of_retried
    return Facts(
        endpoint=endpoint,
        release=chosen if host in _NONE else host,
        chosen=chosen,
        outcome=judge(_number(code), flags, _number(status)),
        request=request,
        shielded=kind == SHIELDED,
        attempts=_number(attempts),
        sent=not flags & _NOT_SENT,
    )


def outcome_of_request(code: int, flags: frozenset[str], status: int) -> str:
    """Tell by its response what became of a request's last attempt; empty: nothing that the release did.

    `status` is the model's own where `code` is 424; 0: none. Envoy's own answers (401, 413) and clients that went
    away say nothing.
    """
    if flags & _OUT_OF_TIME:
        return "408"
    if "UO" in flags:
        return "429"
    if flags & _BROKEN:
        return "reset"
    if code == _SUCCESS:
        return "ok"
    return _of_model(status) if code == _MODEL_ERROR else ""


def outcome_of_retried(code: int, flags: frozenset[str], status: int) -> str:
    """Tell by its own entry what became of an attempt that another one followed."""
    # A time that ran out leaves no flag on the attempt, and no code; nothing else that is retried does so.
    return outcome_of_request(code, flags, status) or "408"


def _of_model(status: int) -> str:
    match status:
        case 408 | 429:
            return str(status)
        case _ if 0 < status < 400:  # noqa: PLR2004 - the first status of a client's error
            return "ok"
        case _:
            return "4xx" if 0 < status < 500 else "5xx"  # noqa: PLR2004 - the first status of a server's error


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _route_ends(ending: str) -> _Fields:
    # The route's name costs half of what its metadata does, and every request pays it.
    condition = {
        "@type": f"{EXTENSIONS}access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": f"xds.route_name.endsWith('{ending}')",
    }
    return {"extension_filter": {"name": "cel", "typed_config": condition}}


def _log(condition: _Fields) -> _Fields:
    """Both logs are configured alike but for their filter: so they share a stream, and the order is kept."""
    common = {
        "log_name": "evidence",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": XDS_CLUSTER}},
        "buffer_flush_interval": _FLUSH,
        "buffer_size_bytes": _BUFFER_BYTES,
        "custom_tags": [{"tag": TAG, "value": TAG_VALUE}],
    }
    return {
        "name": "envoy.access_loggers.http_grpc",
        "filter": condition,
        "typed_config": {
            "@type": f"{EXTENSIONS}access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": common,
        },
    }
