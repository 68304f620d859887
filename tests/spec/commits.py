"""Commits in memory, and a good one to start from."""

import hashlib
from collections.abc import Mapping

from spec.files import Changes, Entry, Kind
from spec.problem import Problem


class MemoryFiles:
    """A commit in memory: path → bytes, symlinks and submodules apart; counts what is asked of it."""

    def __init__(self, files: Mapping[str, bytes | str], specials: Mapping[str, Kind] | None = None) -> None:
        self.blobs = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.specials = dict(specials or {})
        self.listed = 0
        self.reads: list[str] = []
        self.unreadable: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.left_out: tuple[Problem, ...] = ()

    def entries(self) -> Mapping[str, Entry]:
        self.listed += 1
        found = {path: Entry(path, "file", self._oid(path), self._size(path)) for path in self.blobs}
        return found | {path: Entry(path, kind, "0" * 40) for path, kind in self.specials.items()}

    def directory(self, path: str) -> Entry | None:
        prefix = f"{path}/" if path else ""
        inside = sorted(name for name in self.blobs if name.startswith(prefix))
        if not inside:
            return None
        text = "\n".join(f"{name.removeprefix(prefix)} {self._oid(name)}" for name in inside)
        return Entry(path, "directory", hashlib.sha1(b"tree\0" + text.encode(), usedforsecurity=False).hexdigest())

    def read(self, entry: Entry) -> bytes:
        self.reads.append(entry.path)
        if entry.path in self.unreadable:
            raise OSError("no such object")
        return self.blobs[entry.path]

    def problems(self) -> tuple[Problem, ...]:
        return self.left_out

    def _size(self, path: str) -> int:
        return self.sizes.get(path, len(self.blobs[path]))

    def _oid(self, path: str) -> str:
        blob = self.blobs[path]
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob, usedforsecurity=False).hexdigest()


ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: shop
auth_mode: key
traffic:
  blue: 100
"""

DEPLOYMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: shop
model:
  path: model/model.pkl
code_configuration:
  code: code
  scoring_script: score.py
environment:
  conda_file: conda.yml
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest
instance_type: Standard_DS3_v2
instance_count: 1
"""

CONDA = """\
name: env
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=2.3.1
  - pip:
      - azureml-inference-server-http
"""

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

REPOSITORY: Mapping[str, bytes | str] = {
    "endpoint.yml": ENDPOINT,
    "blue.yml": DEPLOYMENT,
    "conda.yml": CONDA,
    "code/score.py": SCORE,
    "model/model.pkl": b"\x80model",
}


def without(text: str, start: str) -> str:
    """The text without the lines that start so."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(start))


def differences(before: Mapping[str, bytes | str], after: Mapping[str, bytes | str]) -> Changes:
    """The paths that differ."""
    return Changes.of(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
