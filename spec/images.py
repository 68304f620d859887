"""Microsoft's prebuilt inference images, which stand for the inference server on one Python version."""

import re

_REPOSITORY = re.compile(
    r"""^(?:https?://)?mcr\.microsoft\.com/azureml/(?:curated/)?
    (?P<name>[a-z0-9][a-z0-9._-]*?)
    (?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$""",
    re.IGNORECASE | re.VERBOSE,
)
_PYTHON = re.compile(r"(?:^|-)py(?P<major>[23])\.?(?P<minor>\d{1,2})(?=-|$)")


def prebuilt_name(image: str) -> str | None:
    """Return the image's name without registry, tag and digest if it is a prebuilt inference image, else None."""
    found = _REPOSITORY.match(image.strip())
    if found is None:
        return None
    name = found["name"].lower()
    return name if name.endswith("-inference") and _PYTHON.search(name) else None


def prebuilt_python(image: str) -> str | None:
    """Return the Python version, such as `3.11`, of a prebuilt inference image; None for any other image."""
    name = prebuilt_name(image)
    found = name and _PYTHON.search(name)
    return f"{found['major']}.{found['minor']}" if found else None
