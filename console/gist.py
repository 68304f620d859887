"""The gist of a failure: the user's own last frame and the exception, out of the end of a log. Pure."""

import re

FOREIGN = re.compile(r"/(site|dist)-packages/|/lib/python3[^/]*/|^<frozen")
"""Frames that are not the user's."""
LOG = "Its log ends with:"
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (\S+))?')
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_WHOSE = re.compile(r"^((?:deployment \S+|\S+@[0-9a-f]+): )?((?:replica \S+: |[A-Z]\w+: )*)")
_FOLDER = "/azureml-app/"


def gist(message: str) -> str:
    """The message on one line: whose it is, and where and what was raised if the log's end tells it."""
    said, marker, tail = message.partition(LOG)
    if not marker:
        return message
    lines = [line for line in tail.splitlines() if line.strip()]
    found = _raised(lines)
    if found is None:
        return f"{said}{f'Its log ends with: {lines[-1].strip()}' if lines else ''}".strip()
    return f"{_whose(said)}{found}"


def cause(message: str) -> str:
    """What two tellings of one failure have in common."""
    return _WHOSE.sub("", gist(message), count=1)


def _whose(said: str) -> str:
    found = _WHOSE.match(said)
    return (found[1] or "") if found else ""


def _raised(lines: list[str]) -> str | None:
    """The user's last frame with the exception that follows it, else the last exception alone, else None."""
    frames = [(at, found) for at, line in enumerate(lines) if (found := _FRAME.match(line))]
    own = [(at, found) for at, found in frames if not FOREIGN.search(found[1])]
    if own:
        at, frame = own[-1]
        raised = next((line for line in lines[at + 1 :] if _RAISED.match(line)), "")
        return f"{_place(frame)}{f': {raised}' if raised else ''}"
    last = frames[-1][0] if frames else len(lines)
    return next((line for line in lines[last + 1 :] if _RAISED.match(line)), None)


def _place(frame: re.Match[str]) -> str:
    path = frame[1].rpartition(_FOLDER)[2]
    return f"{path}:{frame[2]}{f' in {frame[3]}' if frame[3] else ''}"
