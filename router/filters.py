"""The HTTP filters that every request passes, and the mapping of what containers answer. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from router.access_log import mirror_stats
from router.attempts import attempt_log
from router.names import (
    CLIENT_ID,
    CLIENT_ID_HEADER,
    EXTENSIONS,
    JWT_FILTER,
    KEY_FILTER,
    METADATA,
    NOTING_FILTER,
    ON_TRIAL,
    OTHER_SCHEMES,
)
from router.oversize import discarding

_Fields = dict[str, Any]
_MATCHER: Final = "type.googleapis.com/envoy.type.matcher.v3."

_MODEL_ERROR: Final = """\
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  headers:replace("ms-azureml-model-error-statuscode", status)
  headers:replace("ms-azureml-model-error-reason", "model_error")
  headers:replace(":status", "424")
  if status == "204" or status == "304" then
    headers:replace("content-length", "0")
  end
end
"""

# Of an answer without a length nobody knows how much there will be.
_WHOLE_ANSWER: Final = """\
function envoy_on_response(handle)
  local length = tonumber(handle:headers():get("content-length") or "0")
  if length > 0 and length <= 1048576 then
    handle:body()
  end
end
"""


def http_filters(max_request_bytes: int) -> list[_Fields]:
    """List the filters in order: authentication, the client's request id, what reads a body over the limit, router.

    Authentication is off until a route turns it on, so that an unknown endpoint is 404 and not 401. Envoy decides
    that from the route that it finds first: no filter may change the route.
    """
    key = {
        "@type": f"{EXTENSIONS}filters.http.api_key_auth.v3.ApiKeyAuth",
        "key_sources": [{"header": "Authorization"}],
    }
    token = {
        "config_source": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"},
        "type_urls": [f"{EXTENSIONS}filters.http.jwt_authn.v3.JwtAuthentication"],
    }
    router = {
        "@type": f"{EXTENSIONS}filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
        # Counting each cluster's answers by code costs a request 5 %, and nobody reads it: the logs say more.
        "dynamic_stats": False,
        "upstream_http_filters": upstream(max_request_bytes),
        "upstream_log": [attempt_log(), mirror_stats()],
    }
    return [
        {"name": KEY_FILTER, "disabled": True, "typed_config": key},
        {"name": JWT_FILTER, "disabled": True, "config_discovery": token},
        {"name": NOTING_FILTER, "typed_config": noted()},
        *discarding(),
        {"name": "envoy.filters.http.router", "typed_config": router},
    ]


def tokens(jwks: str, issuer: str, audiences: Sequence[str]) -> _Fields:
    """Describe the token filter: one requirement for each audience, all checked against the same public keys."""
    provider = {
        "issuer": issuer,
        "local_jwks": {"inline_string": jwks or json.dumps({"keys": []})},
        "from_headers": [{"name": "Authorization", "value_prefix": each} for each in ("Bearer ", *OTHER_SCHEMES)],
        "require_expiration": True,
        "clock_skew_seconds": 5,
    }
    config = {
        "@type": f"{EXTENSIONS}filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"headgate": provider} if jwks else {},
        "requirement_map": {
            audience: {"provider_and_audiences": {"provider_name": "headgate", "audiences": [audience]}}
            for audience in (audiences if jwks else ())
        },
    }
    return {"name": JWT_FILTER, "typed_config": config}


def noted(*, on_trial: bool = False) -> _Fields:
    """Note the client's id of a request where there is one, and that it is evidence where it is.

    A client's id with other characters than Azure's becomes empty. The route table puts it in the header's place.
    An expression could tell both from headers and route, and would cost every request.
    """
    azure = {"pattern": {"regex": r"^([A-Za-z0-9_-]*)$|^\C*$"}, "substitution": r"\1"}
    kept = {"metadata_namespace": METADATA, "key": CLIENT_ID, "type": "STRING", "regex_value_rewrite": azure}
    rules = [{"header": CLIENT_ID_HEADER, "on_header_present": kept}]
    if on_trial:
        trial = {"metadata_namespace": METADATA, "key": ON_TRIAL, "type": "STRING", "value": ON_TRIAL}
        rules.append({"header": ":path", "on_header_present": trial})
    return {"@type": f"{EXTENSIONS}filters.http.header_to_metadata.v3.Config", "request_rules": rules}


def upstream(max_request_bytes: int, *, whole_answers: bool = False) -> list[_Fields]:
    """Filters that see only what goes to and comes from a container, never Envoy's own replies.

    With `whole_answers` an answer begins for the client when all of it has come.
    """
    limit = {
        "@type": f"{EXTENSIONS}filters.http.body_size_limit.v3.BodySizeLimit",
        "max_request_bytes": max_request_bytes,
    }
    codec = {"@type": f"{EXTENSIONS}filters.http.upstream_codec.v3.UpstreamCodec"}
    first = [{"name": "headgate.whole_answer", "typed_config": _lua(_WHOLE_ANSWER)}] if whole_answers else []
    return [
        *first,
        {"name": "envoy.filters.http.body_size_limit", "typed_config": limit},
        _model_error(),
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]


def _model_error() -> _Fields:
    """Turn every answer but 200 into 424; a composite costs the successful answers less than a bare script."""
    run = {
        "@type": f"{EXTENSIONS}filters.http.composite.v3.ExecuteFilterAction",
        "typed_config": {"name": "envoy.filters.http.lua", "typed_config": _lua(_MODEL_ERROR)},
    }
    status = {"@type": f"{_MATCHER}HttpResponseHeaderMatchInput", "header_name": ":status"}
    matcher = {
        "matcher_tree": {
            "input": {"name": "status", "typed_config": status},
            "exact_match_map": {"map": {"200": _skip()}},
        },
        "on_no_match": {"action": {"name": "run", "typed_config": run}},
    }
    composite = {"@type": f"{EXTENSIONS}filters.http.composite.v3.Composite"}
    return _matched("headgate.model_error", "envoy.filters.http.composite", composite, matcher)


def _lua(script: str) -> _Fields:
    return {"@type": f"{EXTENSIONS}filters.http.lua.v3.Lua", "default_source_code": {"inline_string": script}}


def _skip() -> _Fields:
    skip = {"@type": f"{EXTENSIONS}filters.common.matcher.action.v3.SkipFilter"}
    return {"action": {"name": "skip", "typed_config": skip}}


def _matched(name: str, filter_name: str, config: Mapping[str, Any], matcher: Mapping[str, Any]) -> _Fields:
    wrapped = {
        "@type": f"{EXTENSIONS}common.matching.v3.ExtensionWithMatcher",
        "extension_config": {"name": filter_name, "typed_config": config},
        "xds_matcher": matcher,
    }
    return {"name": name, "typed_config": wrapped}
