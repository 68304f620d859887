from collections.abc import Callable, Mapping
from textwrap import dedent

import pytest

from spec.files import Kind
from spec.loader import Loaded, load
from tests.spec.commits import REPOSITORY, MemoryFiles


@pytest.fixture
def repository() -> dict[str, bytes | str]:
    """A good repository with one endpoint `shop` and one deployment `blue`, to be changed at will."""
    return dict(REPOSITORY)


Check = Callable[..., Loaded]


@pytest.fixture
def loaded(repository: dict[str, bytes | str]) -> Check:
    """Load the good repository with some files replaced (None: removed)."""

    def build(files: Mapping[str, str | bytes | None] | None = None, **specials: Kind) -> Loaded:
        for path, text in (files or {}).items():
            repository.pop(path, None)
            if text is not None:
                repository[path] = dedent(text) if isinstance(text, str) else text
        return load("c1", MemoryFiles(repository, specials))

    return build
