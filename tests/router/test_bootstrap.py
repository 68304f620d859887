"""The bootstrap: what it fixes, and that a real Envoy takes it."""

import json
import subprocess
from pathlib import Path

import pytest

from router.binary import Options, command, find_binary
from router.bootstrap import XDS_CLUSTER, Sockets, bootstrap

SOCKETS = Sockets(Path("/run/hg/a.sock"), Path("/run/hg/x.sock"))


def test_envoy_waits_for_its_control_plane_and_finds_it_again_soon() -> None:
    dynamic = bootstrap("one", SOCKETS)["dynamic_resources"]
    assert dynamic["ads_config"]["api_type"] == "DELTA_GRPC"
    [service] = dynamic["ads_config"]["grpc_services"]
    assert service["envoy_grpc"]["cluster_name"] == XDS_CLUSTER
    assert service["envoy_grpc"]["retry_policy"]["retry_back_off"]["max_interval"] == "1s"
    assert {dynamic[kind]["initial_fetch_timeout"] for kind in ("lds_config", "cds_config")} == {"0s"}


def test_the_admin_interface_is_private() -> None:
    admin = bootstrap("one", SOCKETS)["admin"]
    assert admin["address"] == {"pipe": {"path": "/run/hg/a.sock", "mode": 0o600}}
    allowed = {path["prefix"] for path in admin["allow_paths"]}
    assert allowed.isdisjoint({"/", "/runtime_modify", "/certs", "/logging"})


def test_the_same_installation_gets_the_same_text() -> None:
    one, other = (json.dumps(bootstrap(name, SOCKETS), sort_keys=True) for name in ("one", "other"))
    assert one == json.dumps(bootstrap("one", SOCKETS), sort_keys=True)
    assert one != other


@pytest.mark.real
@pytest.mark.parametrize("otlp", [None, Path("/run/hg/o.sock")])
def test_envoy_takes_it(short_dir: Path, otlp: Path | None) -> None:
    path = short_dir / "bootstrap.json"
    path.write_text(json.dumps(bootstrap("one", SOCKETS, otlp_socket=otlp)))
    check = [*command(find_binary(), path, Options(), 0), "--mode", "validate"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "deprecated" not in run.stderr.lower()
    assert "limit" not in run.stderr
