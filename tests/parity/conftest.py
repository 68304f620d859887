"""One driver a session (a worker): importing azure-ai-ml takes seconds."""

from collections.abc import Iterator

import pytest

from tests.parity.azure import Azure
from tests.parity.files import FILES


@pytest.fixture(scope="session")
def azure() -> Iterator[Azure]:
    driver = Azure(FILES)
    yield driver
    driver.close()
