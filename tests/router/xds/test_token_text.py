"""What Envoy takes for a token: every byte that is signed counts, the spelling of the signature's end does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from router.table import TokenAuth
from router.tokens import jwks, mint, new_ring
from tests.router.xds.rig import Rig, backend, endpoint

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

REFUSED: dict[str, Callable[[str], str]] = {
    "header": lambda token: ALPHABET[ALPHABET.index(token[0]) ^ 1] + token[1:],
    "claims": lambda token: token.replace(".", ".A", 1),
    "longer claims": lambda token: "A.".join(token.rsplit(".", 1)),
    "signature": lambda token: token[:-10] + ALPHABET[ALPHABET.index(token[-10]) ^ 1] + token[-9:],
    "last signed bit": lambda token: token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 16],
    "shorter": lambda token: token[:-1],
    "two letters more": lambda token: f"{token}AA",
    "no signature": lambda token: token.rsplit(".", 1)[0] + ".",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as given": lambda token: token,
    "padded": lambda token: f"{token}==",
    "spare bit": lambda token: token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 1],
}


@pytest.mark.real
async def test_only_the_spelling_of_the_signatures_end_is_free(rig: Rig) -> None:
    ring, server = new_ring(datetime.now(UTC)), await rig.server("blue")
    rig.router.set_jwks(jwks(ring))
    await rig.put(replace(endpoint("iris", (backend("blue@1", server),)), auth=TokenAuth("iris")))
    token = mint("iris", ring, datetime.now(UTC)).access_token

    async def status(text: str) -> int:
        return (await rig.client(text).send("/endpoints/iris/score")).status

    assert {name: await status(change(token)) for name, change in REFUSED.items()} == dict.fromkeys(REFUSED, 401)
    assert {name: await status(change(token)) for name, change in SPELLINGS.items()} == dict.fromkeys(SPELLINGS, 200)
