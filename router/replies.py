"""What Envoy itself answers, as Azure would: status codes, headers and JSON bodies. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_Fields = dict[str, Any]

_RETRY_AFTER: Final = {"retry-after": "1"}
_MALFORMED: Final = "The request is not valid HTTP, or has no usable path or Host header (%RESPONSE_CODE_DETAILS%)."
_CHALLENGE: Final = {"www-authenticate": "Bearer"}


def local_replies() -> _Fields:
    """Map Envoy's response flags and statuses; the first that fits applies. Answers of a container pass untouched."""
    return {
        "mappers": [
            _mapper(
                _flags("UO"),
                429,
                "TooManyRequests",
                "The deployment has more requests in flight than it may (too_many_pending_request).",
                _RETRY_AFTER,
            ),
            _mapper(
                _flags("UMSDR", "UT", "SI", "DT"),
                408,
                "RequestTimeout",
                "The deployment did not answer within its request_timeout_ms.",
            ),
            _mapper(
                _flags("UH", "NC"), 503, "ServiceUnavailable", "No replica of the deployment is ready.", _RETRY_AFTER
            ),
            _mapper(
                _flags("UF"),
                503,
                "ServiceUnavailable",
                "No replica of the deployment could be connected to.",
                _RETRY_AFTER,
            ),
            _mapper(
                _flags("UC", "UR", "LR", "UPE"), 502, "BadGateway", "The replica closed the connection unanswered."
            ),
            _mapper(_flags("NR"), 404, "NotFound", "There is no endpoint at this address."),
            _mapper(_status(404), 404, "NotFound"),
            _mapper(_status(401), 401, "Unauthorized", "The credential is missing, wrong or expired.", _CHALLENGE),
            _mapper(_status(403), 401, "Unauthorized", "The token is for another endpoint.", _CHALLENGE),
            _mapper(
                _status(413), 413, "RequestTooLarge", "The request body is larger than this installation accepts."
            ),
            {
                "filter": _status(400),
                "status_code": 400,
                "body_format_override": _body("BadRequest", _MALFORMED),
            },
            _mapper(_status(431), 431, "RequestHeaderFieldsTooLarge"),
        ],
        "body_format": _body("Error"),
    }


def _mapper(
    condition: _Fields, status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None
) -> _Fields:
    """An empty `message` keeps the reply's own."""
    mapper: _Fields = {"filter": condition, "status_code": status, "body_format_override": _body(code)}
    if message:
        mapper["body"] = {"inline_string": message}
    if headers:
        mapper["headers_to_add"] = [_instead(key, value) for key, value in headers.items()]
    return mapper


def _instead(key: str, value: str) -> _Fields:
    """The token filter has said `www-authenticate` already."""
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _body(code: str, message: str = "%LOCAL_REPLY_BODY%") -> _Fields:
    return {"json_format": {"error": {"code": code, "message": message}}}


def _flags(*flags: str) -> _Fields:
    names: Sequence[str] = list(flags)
    return {"response_flag_filter": {"flags": names}}


def _status(status: int) -> _Fields:
    value = {"default_value": status, "runtime_key": "headgate.status"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
