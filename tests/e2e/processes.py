"""Processes of one real installation: its replicas, and everything else that names its state directory."""

import os
import signal
import time

import psutil
from installation import Installation


def replicas(headgate: Installation, name: str = "fraud", release: str = "") -> list[psutil.Process]:
    """The leading process of each replica, by the identity in its environment."""
    installation = (headgate.state / "installation").read_text().strip()
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except psutil.Error:
            continue
        mine = environ.get("HEADGATE_INSTALLATION") == installation
        if (
            mine
            and environ.get("HEADGATE_RELEASE", "").startswith(f"{name}/{release}")
            and os.getsid(process.pid) == process.pid
        ):
            found.append(process)
    return found


def signal_release(headgate: Installation, release: str, number: signal.Signals) -> int:
    """Send a signal to every process of a release; return how many replicas that were."""
    leaders = replicas(headgate, release=release)
    for process in [each for leader in leaders for each in (leader, *leader.children(recursive=True))]:
        process.send_signal(number)
    return len(leaders)


def await_replicas(headgate: Installation, count: int, name: str = "fraud", release: str = "") -> None:
    """Replicas that leave get a moment to answer what they have: the longest request, and the look after it."""
    deadline = time.monotonic() + 60
    while len(found := replicas(headgate, name, release)) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def processes_of(headgate: Installation, name: str = "") -> list[psutil.Process]:
    """Processes whose command line names the state directory."""
    found = psutil.process_iter(["cmdline", "name"])
    state = str(headgate.state)
    return [each for each in found if state in " ".join(each.info["cmdline"] or []) and name in each.info["name"]]
