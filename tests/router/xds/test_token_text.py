"""What is taken for a token: what was minted, letter by letter."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from router.table import TokenAuth
from router.tokens import jwks, mint, new_ring
from tests.router.xds.rig import Answer, Rig, backend, endpoint

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

REFUSED: dict[str, Callable[[str], str]] = {
    "header": lambda token: ALPHABET[ALPHABET.index(token[0]) ^ 1] + token[1:],
    "claims": lambda token: token.replace(".", ".A", 1),
    "longer claims": lambda token: "A.".join(token.rsplit(".", 1)),
    "signature": lambda token: token[:-10] + ALPHABET[ALPHABET.index(token[-10]) ^ 1] + token[-9:],
    "last signed bit": lambda token: token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 16],
    "shorter": lambda token: token[:-1],
    "two letters more": lambda token: f"{token}AA",
    "padded": lambda token: f"{token}==",
    "a dot more": lambda token: f"{token}.",
    "spare bit": lambda token: token[:-1] + ALPHABET[ALPHABET.index(token[-1]) ^ 1],
    "list": lambda token: f"{token},",
    "twice": lambda token: f"{token} {token}",
    "no signature": lambda token: token.rsplit(".", 1)[0] + ".",
}
REFUSED |= {f"{letter} more": lambda token, letter=letter: token + letter for letter in f"{ALPHABET}+/=.~"}


@pytest.mark.real
async def test_every_change_is_refused_as_a_wrong_token_is(rig: Rig) -> None:
    ring, server = new_ring(datetime.now(UTC)), await rig.server("blue")
    rig.router.set_jwks(jwks(ring))
    await rig.put(replace(endpoint("iris", (backend("blue@1", server),)), auth=TokenAuth("iris")))
    token, wrong = (mint(name, ring, datetime.now(UTC)).access_token for name in ("iris", "other"))

    async def ask(credential: str, path: str = "score") -> Answer:
        return await rig.client().send(f"/endpoints/iris/{path}", authorization=credential)

    found = {name: (await ask(f"Bearer {change(token)}")).status for name, change in REFUSED.items()}
    assert found == dict.fromkeys(REFUSED, 401)
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (await ask(f"{scheme} {token}")).status == 200
    missing, usual, spelt = await ask(""), await ask(f"Bearer {wrong}"), await ask(f"Bearer {token}A", "else")
    for answer in (missing, spelt):
        assert (answer.status, answer.json["error"]["code"]) == (401, "Unauthorized")
        assert answer.body == (await ask("Bearer x")).body
        assert answer.headers.keys() ^ usual.headers.keys() <= {"azureml-model-deployment"}
        assert answer.headers["www-authenticate"] == usual.headers["www-authenticate"] == "Bearer"
    assert [start for start, _, _ in server.seen] == ["POST /score HTTP/1.1"] * 3
