"""The loop and files that cannot be read: nothing is removed by them, while it runs or by a restart."""

import pytest
from ports import Special, endpoint_files
from rig import Rig

Content = str | bytes | None


def spoilt(name: str, how: str) -> dict[str, Content]:
    """The endpoint's files after somebody meant well."""
    endpoint, deployment = f"{name}/endpoint.yml", f"{name}/blue.yml"
    files: dict[str, Content] = dict(endpoint_files(name))
    match how:
        case "utf-16":
            return files | {path: str(files[path]).encode("utf-16") for path in (endpoint, deployment)}
        case "locked":
            return files | dict.fromkeys((endpoint, deployment), b"\0GITCRYPT\0\xff\xfe\x01")
        case "list":
            return files | {endpoint: f"- name: {name}\n", deployment: "- name: blue\n"}
        case "symlinks":
            return files | dict.fromkeys((endpoint, deployment), Special("symlink"))
        case _:
            return {name: Special("submodule")}


NAMES = ("fraud", "churn", "score")
HOW = pytest.mark.parametrize("how", ["utf-16", "locked", "list", "symlinks", "submodule"])


def there(*parts: dict[str, Content]) -> dict[str, str | bytes]:
    merged = {path: content for part in parts for path, content in part.items()}
    return {path: content for path, content in merged.items() if content is not None}


async def serve(rig: Rig, *names: str) -> None:
    rig.source.push(there(*(dict(endpoint_files(name)) for name in names)))
    await rig.start()
    await rig.until(lambda: all(rig.status(name) == "True Serving" for name in names))


@HOW
@pytest.mark.parametrize("is_running", [True, False])
async def test_an_endpoint_and_its_keys_outlive_files_that_cannot_be_read_and_restarts(
    rig: Rig, how: str, *, is_running: bool
) -> None:
    await serve(rig, "fraud", "churn")
    keys = rig.reconciler.access.auth("fraud", "key")
    if not is_running:
        await rig.kill()
    rig.source.push(there(dict(endpoint_files("churn")), spoilt("fraud", how)))
    if is_running:
        await rig.until(lambda: rig.status("fraud") == "False InvalidSpec")
        await rig.kill()
    for _ in range(2):
        reconciler = await rig.start()
        await rig.until(lambda: reconciler.catalog is not None and reconciler.queue.idle)  # noqa: B023 - awaited here
        assert (rig.status("fraud"), rig.status("churn")) == ("False InvalidSpec", "True Serving")
        assert any(problem.is_error for problem in reconciler.catalog.problems)
        assert reconciler.access.auth("fraud", "key") == keys
        await rig.kill()
    assert (rig.router.drops, rig.runtime.stops) == ([], 0)


@HOW
async def test_what_is_kept_is_removed_once_its_files_are_and_serves_again_once_they_are_mended(
    rig: Rig, how: str
) -> None:
    await serve(rig, "fraud", "churn")
    await rig.kill()
    rig.source.push(there(dict(endpoint_files("churn")), spoilt("fraud", how)))
    reconciler = await rig.start()
    await rig.until(lambda: rig.status("fraud") == "False InvalidSpec")
    rig.source.push(there(dict(endpoint_files("churn")), dict(endpoint_files("fraud"))))
    await rig.until(lambda: rig.status("fraud") == "True Serving")
    rig.source.push(there(dict(endpoint_files("churn")), spoilt("fraud", how)))
    await rig.until(lambda: rig.status("fraud") == "False InvalidSpec")
    rig.source.push(endpoint_files("churn"))
    await rig.until(lambda: "fraud" not in reconciler.memories)


async def test_what_is_kept_does_not_count_as_removed(rig: Rig) -> None:
    await serve(rig, *NAMES, "last")
    await rig.kill()
    rig.source.push(there(*(spoilt(name, "utf-16") for name in NAMES)))
    reconciler = await rig.start()
    await rig.until(lambda: "last" not in reconciler.memories)
    assert {rig.status(name) for name in NAMES} == {"False InvalidSpec"}
    assert reconciler.held == {}
