"""Settings: from a flag, else an environment variable, else `headgate.toml`, else the default."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from console.options import BY_NAME
from spec.errors import HeadgateError

FILE = "headgate.toml"
OWN_VARIABLES = {"envoy_bin": "ENVOY_BIN"}
"""Settings that have a second environment variable, known outside Headgate."""


class SettingsError(HeadgateError):
    """A setting is wrong; the message names the flag, the variable, or the file and key it came from."""


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 (resolve() would follow symbolic links)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


Location = Annotated[Path, AfterValidator(_absolute)]
ExistingFile = Annotated[Path, AfterValidator(_absolute), AfterValidator(_existing)]


def _is_port(value: int) -> int:
    if not 1 <= value <= MAX_PORT:
        raise ValueError(f"a port is a number from 1 to {MAX_PORT}; none is chosen for you")
    return value


MAX_PORT = 65535
Port = Annotated[int, AfterValidator(_is_port)]
Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400)]


def default_state_dir() -> Path:
    """`$XDG_STATE_HOME/headgate`, or `~/.local/state/headgate`."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "headgate"


class Settings(BaseSettings):
    """One installation's settings; times in seconds, sizes in bytes, paths absolute."""

    model_config = SettingsConfigDict(env_prefix="HEADGATE_", extra="forbid", frozen=True, env_ignore_empty=True)

    repo: str | None = None
    branch: str | None = None
    path: str = ""
    worktree: bool = False
    poll_seconds: Seconds = 30.0
    port: Port = 8443
    address: str = "127.0.0.1"
    plain_http: bool = False
    domain: str | None = None
    tls_certificate: ExistingFile | None = None
    tls_key: ExistingFile | None = None
    token_lifetime: Annotated[int, Field(ge=60, le=86400)] = 3600
    max_request_bytes: Annotated[ByteSize, Field(ge=1024, le=2**31)] = ByteSize(16 * 2**20)
    envoy_bin: ExistingFile | None = None
    envoy_concurrency: Annotated[int, Field(ge=1, le=1024)] | None = None
    conda: ExistingFile | None = None
    state_dir: Location = Field(default_factory=default_state_dir)
    api_port: Port | None = None
    api_address: str = "127.0.0.1"
    api_hosts: Annotated[str, Field(pattern=r"^[A-Za-z0-9.,:\[\] -]*$")] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: str(v).lower())] = (
        "info"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *sources: PydanticBaseSettingsSource,  # noqa: ARG003
        **more: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` gathered: it reads the other sources itself, so as to know where each value is from."""
        return (init_settings,)

    @field_validator("address", "api_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        ip_address(value)
        return value

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", value.lower()):
            raise ValueError("a domain has two labels or more, such as models.example.org")
        return value.lower() if value else None

    @field_validator("path")
    @classmethod
    def _is_inside(cls, value: str) -> str:
        parts = [part for part in value.split("/") if part not in ("", ".")]
        if ".." in parts or value.startswith("/"):
            raise ValueError("a folder inside the repository, without `..` and without a leading `/`")
        return "/".join(parts)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: give both or neither")
        if self.plain_http and self.tls_certificate:
            raise ValueError("plain_http and tls_certificate exclude each other: drop one of them")
        if self.api_port and not ip_address(self.api_address).is_loopback and not self.tls_certificate:
            raise ValueError(
                f"api_address {self.api_address} is not loopback, and the API's token would travel in clear text: "
                "give tls_certificate and tls_key, or leave api_address at 127.0.0.1"
            )
        if self.api_port is not None and self.api_port == self.port:
            raise ValueError(f"port and api_port are both {self.port}: choose another api_port")
        return self


def find_file(config: str | None) -> Path | None:
    """The settings file: the one named, else ./headgate.toml, else $XDG_CONFIG_HOME/headgate/headgate.toml."""
    named = config or os.environ.get("HEADGATE_CONFIG")
    if named:
        if not Path(named).is_file():
            origin = "--config" if config else "HEADGATE_CONFIG"
            raise SettingsError(f"{origin}: there is no file {named}.")
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return next((path for path in (Path(FILE), home / "headgate" / FILE) if path.is_file()), None)


def is_local(repo: str) -> bool:
    """Whether Git would take this for a path: no `scheme://`, and no `host:` before the first slash."""
    return "://" not in repo and ":" not in repo.partition("/")[0]


PATHS = ("tls_certificate", "tls_key", "envoy_bin", "conda", "state_dir")


def _read_file(path: Path | None, *, strict: bool) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = TomlConfigSettingsSource(Settings, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}.") from error
    for key in found:
        if key not in BY_NAME:
            near = get_close_matches(key, BY_NAME, n=1)
            if not strict and near != ["state_dir"]:
                continue
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(BY_NAME))}."
            raise SettingsError(f"{path}:{key}: there is no such setting; {hint}")
    return {key: _anchor(key, value, path.absolute().parent) for key, value in found.items() if key in BY_NAME}


def _anchor(key: str, value: object, folder: Path) -> object:
    """Make a path of the file relative to the file's own folder."""
    if not isinstance(value, str) or value.startswith(("~", "/")):
        return value
    return str(folder / value) if key in PATHS or (key == "repo" and is_local(value)) else value


def _read_environment() -> dict[str, Any]:
    try:
        found = EnvSettingsSource(Settings, env_ignore_empty=True)()
    except SourceError as error:
        raise SettingsError(f"environment: {error}.") from error
    for key, variable in OWN_VARIABLES.items():
        if key not in found and os.environ.get(variable):
            found[key] = os.environ[variable]
    return found


def _variable(key: str) -> str:
    if key in OWN_VARIABLES and BY_NAME[key].variable not in os.environ:
        return OWN_VARIABLES[key]
    return BY_NAME[key].variable


def load(
    flags: Mapping[str, object] | None = None,
    *,
    config: str | None = None,
    only: Collection[str] = tuple(BY_NAME),
    strict: bool = True,
) -> Settings:
    """Gather every setting; flags that are None were not given. Raises `SettingsError`.

    Variables and files give only the settings named in `only`; not `strict`: keys that do not exist are ignored,
    unless one looks like `state_dir`, for then another installation would be meant.
    """
    path = find_file(config)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    layers = (
        (_read_file(path, strict=strict), lambda key: f"{path}:{key}"),
        (_read_environment(), _variable),
        (given, lambda key: "REPO" if key == "repo" else BY_NAME[key].flag),
    )
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer, name in layers:
        for key, value in layer.items():
            if layer is not given and key not in only:
                continue
            values[key] = value
            origins[key] = name(key)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error, origins)) from None
    return settings.model_copy(update={"repo": _absolute_repo(settings.repo)})


def _absolute_repo(repo: str | None) -> str | None:
    return str(_absolute(Path(repo))) if repo and is_local(repo) else repo


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for found in error.errors(include_url=False):
        key = str(found["loc"][0]) if found["loc"] else ""
        message = found["msg"].removeprefix("Value error, ")
        if key:
            lines.append(f"{origins.get(key, key)}: {found['input']!r} is wrong: {message}.")
        else:
            named = [origins[name] for name in origins if re.search(rf"\b{name}\b", message)]
            lines.append(f"{', '.join(named)}: {message}.")
    return "\n".join(lines)
