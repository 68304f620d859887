"""The loop on ports in memory and a real store: commits, failures, restarts and removals."""

from pathlib import Path

import pytest
from ports import endpoint_files
from rig import Rig

from spec.errors import TransientError


def lose(folder: Path) -> None:
    for path in folder.glob("memory.db*"):
        path.unlink()


async def test_a_commit_becomes_a_ready_endpoint(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    assert rig.reconciler.applied == "c1"
    assert sum(share for _, share in rig.router.routes["fraud"].split) == 10_000


async def test_one_broken_endpoint_does_not_hold_up_its_neighbour(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud") | endpoint_files("churn", extra="instance_cuont: 2\n"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving" and rig.status("churn") == "False InvalidSpec")
    assert "churn" not in rig.router.routes


async def test_a_transient_failure_of_one_key_backs_off_and_heals(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.loop.FIRST_BACKOFF", 0.05)
    rig.runtime.failures = [TransientError("the runtime is away"), TransientError("still away")]
    rig.source.push(endpoint_files("fraud") | endpoint_files("churn"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == rig.status("churn") == "True Serving")
    assert rig.runtime.failures == []


async def test_a_bug_in_one_pass_is_logged_and_tried_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.loop.FIRST_BACKOFF", 0.05)
    rig.runtime.failures = [ZeroDivisionError("oops")]
    rig.source.push(endpoint_files("fraud"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    assert "a bug while reconciling fraud" in caplog.text


async def test_restart_puts_remembered_routes_before_anything_else(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    served = rig.router.routes["fraud"]
    await rig.kill()
    rig.router.routes.clear()
    rig.source.away = True
    await rig.start()
    assert rig.router.routes["fraud"] == served
    rig.source.away = False
    await rig.until(lambda: rig.reconciler.catalog is not None)
    assert rig.router.drops == []
    assert rig.runtime.stops == 0


async def test_lost_memory_takes_running_replicas_over(rig: Rig, tmp_path: Path) -> None:
    rig.source.push(endpoint_files("fraud"))
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    await rig.kill()
    lose(tmp_path)
    await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    assert rig.runtime.stops == 0


async def test_removal_goes_through_and_keys_go_with_it(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud") | endpoint_files("churn"))
    reconciler = await rig.start()
    await rig.until(lambda: rig.status("fraud") == rig.status("churn") == "True Serving")
    rig.source.push(endpoint_files("churn"))
    await rig.until(lambda: "fraud" not in reconciler.memories and not reconciler.access.has("fraud"))
    assert reconciler.store.load().keys() == {"churn"}
    assert {ref.endpoint for ref in rig.runtime.seen()} == {"churn"}


async def test_removing_everything_waits_for_a_word(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud"))
    reconciler = await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    rig.source.push({"README.md": "nothing"})
    await rig.until(lambda: rig.status("fraud") == "False RemovalHeld")
    await reconciler.confirm(frozenset({"fraud"}))
    await rig.until(lambda: "fraud" not in reconciler.memories)


async def test_a_confirmation_ends_when_the_files_come_back(rig: Rig) -> None:
    rig.source.push(endpoint_files("fraud"))
    reconciler = await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    await reconciler.confirm(frozenset({"fraud"}))
    rig.source.push(endpoint_files("fraud") | {"README.md": "more"})
    await rig.until(lambda: reconciler.catalog.commit == "c2" and not reconciler.confirmed)
    rig.source.push({"README.md": "nothing"})
    await rig.until(lambda: rig.status("fraud") == "False RemovalHeld")


async def test_a_commit_that_changes_nothing_relevant_reconciles_nobody(rig: Rig) -> None:
    files = endpoint_files("fraud")
    rig.source.push(files)
    reconciler = await rig.start()
    await rig.until(lambda: rig.status("fraud") == "True Serving" and reconciler.queue.idle)
    looks = rig.runtime.looks
    rig.source.push(files | {"README.md": "words"})
    await rig.until(lambda: reconciler.applied == "c2")
    assert rig.runtime.looks == looks


async def test_events_are_told_and_kept(rig: Rig) -> None:
    heard = []
    rig.source.push(endpoint_files("fraud"))
    reconciler = await rig.start()
    reconciler.listen(lambda event: heard.append(event.reason))
    await rig.until(lambda: "EndpointReady" in heard)
    kept = [event.reason for _, event in reconciler.store.events("fraud")]
    assert kept[0] == "SpecChanged"
    assert {"RolloutStarted", "TrafficSettled", "EndpointReady"} <= set(kept)


async def test_a_decision_on_the_former_commit_makes_no_newer_one_live(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is read while a pass that found the endpoint Ready is still being written down."""
    rig.source.push(endpoint_files("fraud"))
    reconciler = await rig.start()
    await rig.until(lambda: reconciler.applied == "c1" and reconciler.queue.idle)
    persist, read = reconciler._persist, []  # noqa: SLF001 - a slow disk

    async def slow(*arguments: object) -> None:
        await persist(*arguments)
        if not read:
            read.append(rig.source.push(endpoint_files("fraud", extra="instance_cuont: 2\n")))
            await rig.until(lambda: reconciler.catalog.commit == "c2")

    monkeypatch.setattr(reconciler, "_persist", slow)
    reconciler.queue.add("fraud")
    await rig.until(lambda: bool(read) and reconciler.catalog.commit == "c2" and reconciler.queue.idle)
    assert reconciler.applied == "c1"
