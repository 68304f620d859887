"""A request whose time is over is answered 408, however close the model server's own clock is to Envoy's."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score

pytestmark = pytest.mark.real

SLOW = """
    import time
    answer_now = run

    def run(raw):
        time.sleep(json.loads(raw)["seconds"])
        return answer_now(raw)
"""
AT_ONCE = 8


def test_every_timeout_is_a_408_and_leaves_its_worker_free(headgate: Installation) -> None:
    limits = {"request_timeout_ms": 1000, "max_queue_wait_ms": 500, "max_concurrent_requests_per_instance": AT_ONCE}
    headgate.commit(
        {
            "slow/endpoint.yml": endpoint_yaml("slow", {"blue": 100}),
            "slow/blue.yml": deployment_yaml("slow", "blue", "./src", request_settings=limits),
            "slow/src/score.py": score("yes", SLOW),
        }
    )
    headgate.up()
    headgate.sync()
    uri, key = headgate.endpoint("slow")["scoring_uri"], headgate.key("slow")

    def ask(seconds: float) -> tuple[int, str]:
        answer = headgate.ask("slow", content=f'{{"seconds": {seconds}}}', uri=uri, key=key)
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert Counter(pool.map(ask, [4] * 12 * AT_ONCE)) == {(408, "RequestTimeout"): 12 * AT_ONCE}
        assert Counter(pool.map(ask, [0] * AT_ONCE)) == {(200, ""): AT_ONCE}
