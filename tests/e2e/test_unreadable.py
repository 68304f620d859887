"""Files that turn unreadable: the endpoint outlives a restart, with its keys."""

import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score
from processes import await_replicas

pytestmark = pytest.mark.real

BOTH = ("fraud/endpoint.yml", "fraud/blue.yml")


def with_endpoint(headgate: Installation) -> str:
    """Serve `fraud`; return its key."""
    headgate.commit(
        {
            BOTH[0]: endpoint_yaml("fraud", {"blue": 100}),
            BOTH[1]: deployment_yaml("fraud", "blue", "../src"),
            "src/score.py": score("one"),
        }
    )
    headgate.up()
    headgate.sync()
    return headgate.key("fraud")


def link(headgate: Installation) -> None:
    """Replace both files by symlinks to files beside them."""
    for name in BOTH:
        path = headgate.repo / name
        path.rename(path.with_suffix(".txt"))
        path.symlink_to(path.with_suffix(".txt").name)
    headgate.commit({})


def encode(headgate: Installation) -> None:
    """Save both files as UTF-16."""
    headgate.commit({name: (headgate.repo / name).read_text().encode("utf-16") for name in BOTH})


def embed(headgate: Installation) -> None:
    """Make a submodule of their folder."""
    head = headgate.git("rev-parse", "HEAD")
    headgate.git("rm", "-rq", "--cached", "fraud")
    headgate.git("update-index", "--add", "--cacheinfo", f"160000,{head},fraud")
    headgate.git("commit", "-q", "-m", "Embed")


def refused(headgate: Installation) -> str:
    done = headgate.cli("sync", "--wait", "--timeout", "60", check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_an_endpoint_and_its_key_outlive_restarts_while_its_files_are_unreadable(headgate: Installation) -> None:
    key = with_endpoint(headgate)
    for spoil, words, is_running in ((encode, "UTF-8", False), (link, "symlink", False), (embed, "submodule", True)):
        assert is_running or headgate.terminate() == 0
        before = headgate.git("rev-parse", "HEAD")
        spoil(headgate)
        assert "x fraud: broken" in headgate.cli("plan", "--path", str(headgate.repo), "--revision", "HEAD").stdout
        if not is_running:
            headgate.up()
        assert words in refused(headgate)
        assert headgate.terminate() == 0
        headgate.up()
        assert words in refused(headgate)
        found = headgate.json("status")
        assert any(words in problem["message"] for problem in found["source"]["problems"])
        assert "EndpointRemoving" not in headgate.cli("events").stdout
        answer = headgate.ask("fraud", key=key)
        assert (answer.status_code, answer.json()["answer"]) == (200, "one")
        headgate.git("reset", "-q", "--hard", before)
    headgate.sync()
    assert headgate.ask("fraud", key=key).status_code == 200
    headgate.commit({"other/endpoint.yml": endpoint_yaml("other", {})})
    headgate.sync()
    headgate.commit(dict.fromkeys(BOTH))
    headgate.sync()
    await_replicas(headgate, 0)
    assert "no longer asks for" in headgate.cli("events").stdout
