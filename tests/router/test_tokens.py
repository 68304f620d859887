"""Tokens: Azure's document, rotation with overlap, and that PyJWT and a real Envoy accept exactly the right ones."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from router.tokens import (
    ISSUER,
    LENGTH,
    LONGEST_LIFETIME,
    ROTATE_AFTER,
    SPELLING,
    KeyRing,
    dump,
    jwks,
    load,
    mint,
    needs_rotation,
    new_ring,
    rotate,
)
from spec.errors import StalledError

NOW = datetime.now(UTC).replace(microsecond=0)
EXTENSIONS = "type.googleapis.com/envoy.extensions."


def verify(token: str, ring: KeyRing, audience: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_json(jwks(ring))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, ["ES256"], audience=audience, issuer=ISSUER)
    return claims


def test_a_token_says_what_azure_says() -> None:
    ring = new_ring(NOW)
    token = mint("iris", ring, NOW, timedelta(hours=2))
    end = int((NOW + timedelta(hours=2)).timestamp())
    assert token.as_json() == {
        "accessToken": token.access_token,
        "expiryTimeUtc": end,
        "refreshAfterTimeUtc": end - 1800,
        "tokenType": "Bearer",
    }
    assert verify(token.access_token, ring, "iris")["exp"] == end


def test_every_token_is_spelt_as_envoy_is_told() -> None:
    ring = new_ring(NOW)
    tokens = [mint("iris", ring, NOW).access_token for _ in range(100)]
    assert all(re.fullmatch(SPELLING, token) for token in tokens)
    assert all(re.fullmatch(LENGTH.replace(r"\C", "."), token) for token in tokens)
    assert {token[-1] for token in tokens} == set("AQgw")


def test_a_token_is_good_for_its_endpoint_only() -> None:
    ring = new_ring(NOW)
    token = mint("iris", ring, NOW).access_token
    with pytest.raises(jwt.InvalidAudienceError):
        verify(token, ring, "digits")
    with pytest.raises(KeyError):
        verify(token, new_ring(NOW), "iris")


def test_an_expired_token_is_refused() -> None:
    ring = new_ring(NOW)
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(mint("iris", ring, NOW - timedelta(hours=1), timedelta(minutes=30)).access_token, ring, "iris")


@pytest.mark.parametrize("lifetime", [timedelta(seconds=59), LONGEST_LIFETIME + timedelta(seconds=1)])
def test_lifetimes_have_bounds(lifetime: timedelta) -> None:
    with pytest.raises(StalledError, match="between one minute and one day"):
        mint("iris", new_ring(NOW), NOW, lifetime)


def test_rotation_keeps_the_old_key_until_its_tokens_are_gone() -> None:
    ring = new_ring(NOW)
    old = mint("iris", ring, NOW, LONGEST_LIFETIME).access_token
    second = rotate(ring, NOW)
    assert second.signing.kid != ring.signing.kid
    assert verify(old, second, "iris")
    assert len(rotate(second, NOW + LONGEST_LIFETIME).keys) == 3
    later = rotate(second, NOW + timedelta(days=2))
    assert [key.kid for key in later.keys][1:] == [second.signing.kid]
    with pytest.raises(KeyError):
        verify(old, later, "iris")


def test_when_rotation_is_due() -> None:
    ring = new_ring(NOW)
    assert not needs_rotation(ring, NOW + ROTATE_AFTER - timedelta(seconds=1))
    assert needs_rotation(ring, NOW + ROTATE_AFTER)


def test_storage_returns_the_same_ring() -> None:
    ring = rotate(new_ring(NOW), NOW)
    again = load(dump(ring))
    assert again == ring
    assert jwks(again) == jwks(ring)
    assert verify(mint("iris", again, NOW).access_token, ring, "iris")


@pytest.mark.parametrize("text", ["", "[]", '{"keys": []}', '{"keys": [{"pem": "SECRET", "created": "2026-01-01"}]}'])
def test_what_cannot_be_read_is_said_without_showing_it(text: str) -> None:
    with pytest.raises(StalledError, match="cannot be read") as caught:
        load(text)
    assert "SECRET" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_secrets_show_nowhere() -> None:
    ring = new_ring(NOW)
    token = mint("iris", ring, NOW)
    assert token.access_token not in f"{token} {token!r}"
    private = ring.signing.private.private_numbers().private_value
    assert str(private) not in repr(ring)
    assert not {"d", "p", "q"} & json.loads(jwks(ring))["keys"][0].keys()


@pytest.mark.real
async def test_envoy_takes_the_right_tokens_only(start_envoy: Any) -> None:  # noqa: ANN401
    ring = rotate(new_ring(NOW), NOW)
    envoy = await start_envoy(_guarded(ring))
    old = mint("iris", KeyRing(ring.keys[1:]), NOW)
    expired = mint("iris", ring, NOW - timedelta(hours=3))
    stranger = mint("iris", new_ring(NOW), NOW)
    good = mint("iris", ring, NOW).access_token
    forged = good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB")
    answers = {
        "good": (good, 200),
        "old key": (old.access_token, 200),
        "other endpoint": (mint("digits", ring, NOW).access_token, 403),
        "expired": (expired.access_token, 401),
        "unknown key": (stranger.access_token, 401),
        "forged": (forged, 401),
        "nonsense": ("nonsense", 401),
    }
    seen = {
        name: (await envoy.request(Authorization=f"Bearer {text}")).status_code for name, (text, _) in answers.items()
    }
    assert seen == {name: status for name, (_, status) in answers.items()}
    assert (await envoy.request()).status_code == 401


def _guarded(ring: KeyRing) -> dict[str, Any]:
    provider = {"issuer": ISSUER, "audiences": ["iris"], "local_jwks": {"inline_string": jwks(ring)}}
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "headgate"}}
    jwt_authn = {
        "@type": f"{EXTENSIONS}filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"headgate": provider},
        "rules": [rule],
    }
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    return {
        "http_filters": [{"name": "envoy.filters.http.jwt_authn", "typed_config": jwt_authn}],
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
    }
