"""Requests that say that they are over the limit: read to their end, thrown away, and answered 413. Pure.

Envoy stops reading once it has answered, and some clients read only once they have sent everything: over TLS those
see a broken connection instead of the 413. A body without a stated length is cut as soon as it is over the limit.
"""

from typing import Any, Final

from router.names import BUFFER_FILTER, DISCARD_FILTER, EXTENSIONS

_Fields = dict[str, Any]
_LUA: Final = f"{EXTENSIONS}filters.http.lua.v3."
_BUFFER: Final = f"{EXTENSIONS}filters.http.buffer.v3."
_NAME: Final = "discard"

MOST_BYTES: Final = 1 << 30
"""Nobody needs to be told politely of more."""

_DISCARD: Final = """\
function envoy_on_request(handle)
  for chunk in handle:bodyChunks() do
    chunk:setBytes("")
  end
end
"""


def discarding() -> list[_Fields]:
    """Describe the filters that a route turns on: one empties a body as it comes, one waits until it has all come."""
    lua = {"@type": f"{_LUA}Lua", "source_codes": {_NAME: {"inline_string": _DISCARD}}}
    buffer = {"@type": f"{_BUFFER}Buffer", "max_request_bytes": 1}
    return [
        {"name": DISCARD_FILTER, "disabled": True, "typed_config": lua},
        {"name": BUFFER_FILTER, "disabled": True, "typed_config": buffer},
    ]


def turned_on() -> _Fields:
    """Describe what a route says to turn them on."""
    return {
        DISCARD_FILTER: {"@type": f"{_LUA}LuaPerRoute", "name": _NAME},
        BUFFER_FILTER: {"@type": f"{_BUFFER}BufferPerRoute", "buffer": {"max_request_bytes": 1}},
    }


def stated(max_request_bytes: int) -> _Fields | None:
    """Match a `content-length` over the limit; `None` where that would be over `MOST_BYTES`."""
    if max_request_bytes >= MOST_BYTES:
        return None
    return {"name": "content-length", "range_match": {"start": max_request_bytes + 1, "end": MOST_BYTES + 1}}
