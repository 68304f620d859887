"""Commands that a message can offer: they paste as they are."""

import os
import shlex
import sys
from pathlib import Path


def program() -> str:
    """How to call this very Headgate from a shell, as one word."""
    called = sys.argv[0] if sys.argv else ""
    own = Path(called).name == "headgate" and "/" in called
    return shlex.quote(str(Path(called).absolute())) if own else "headgate"


def paste(*words: str, state: Path | None = None) -> str:
    """A command line of this Headgate; `--state-dir` is added unless a shell finds `state` without it."""
    from console.settings import default_state_dir

    found = " ".join([program(), *map(shlex.quote, words)])
    known = Path(os.environ.get("HEADGATE_STATE_DIR") or default_state_dir()).absolute()
    return found if state is None or state == known else f"{found} --state-dir {shlex.quote(str(state))}"
