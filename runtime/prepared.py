"""What a release needs before a replica can start, once it is all there."""

from dataclasses import dataclass
from pathlib import Path

from runtime.launch import Launch, command
from runtime.layout import Layout
from spec.release import Recipe, ReleaseRef


@dataclass(frozen=True, slots=True)
class Prepared:
    """Artifacts laid out and environment built: `launch` starts as many replicas as wanted."""

    release: ReleaseRef
    recipe: Recipe
    layout: Layout
    python: Path
    """The interpreter of the release's environment."""
    environment: str
    """The environment's key, equal for releases that share it."""
    notes: tuple[tuple[str, str], ...] = ()
    """Reason and message of what a user should know: `PythonVersionNotFound`."""

    def launch(self, port: int) -> Launch:
        """How to start one replica that listens on 127.0.0.1 at `port`."""
        return command(self.recipe, self.layout, self.python, port)
