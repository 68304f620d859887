"""Every setting's name, flag and one line of help: the command line, the documentation and errors use this."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `--flag-name`, `HEADGATE_FLAG_NAME` and `flag_name` in headgate.toml."""

    name: str
    metavar: str
    """Empty for a yes/no setting."""
    help: str
    group: str = "Settings"

    @property
    def flag(self) -> str:
        """The flag, `--state-dir`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, `HEADGATE_STATE_DIR`."""
        return "HEADGATE_" + self.name.upper()


SOURCE, ROUTER, RUNTIME, CONTROL = "Source", "Router", "Runtime", "Control"

SETTINGS: tuple[Setting, ...] = (
    Setting("repo", "REPO", "The Git repository: a path, or an https, ssh, http or file URL.", SOURCE),
    Setting("branch", "NAME", "Branch, tag or commit to follow (default: the repository's HEAD).", SOURCE),
    Setting("path", "SUB", "Only this folder of the repository.", SOURCE),
    Setting("worktree", "", "Follow uncommitted edits of a local repository, for trying things.", SOURCE),
    Setting("poll_seconds", "S", "How often a remote repository is looked at.", SOURCE),
    Setting("port", "N", "The port of the endpoints.", ROUTER),
    Setting("address", "IP", "The address that endpoints listen on.", ROUTER),
    Setting("plain_http", "", "Serve HTTP without TLS.", ROUTER),
    Setting("domain", "D", "Also serve NAME.D for each endpoint.", ROUTER),
    Setting("tls_certificate", "FILE", "Certificate chain (PEM) to use instead of Headgate's own CA.", ROUTER),
    Setting("tls_key", "FILE", "Private key (PEM) of that certificate.", ROUTER),
    Setting("token_lifetime", "S", "How long an endpoint's token is valid.", ROUTER),
    Setting("max_request_bytes", "SIZE", "Larger requests get 413; a number, or 16MiB and the like.", ROUTER),
    Setting("envoy_bin", "FILE", "The Envoy to run instead of the one from its wheel.", ROUTER),
    Setting("envoy_concurrency", "N", "Envoy's worker threads (default: one per core).", ROUTER),
    Setting("conda", "FILE", "The conda or mamba to use for conda files (default: uv and PyPI).", RUNTIME),
    Setting("state_dir", "DIR", "Where this installation keeps its memory.", CONTROL),
    Setting("api_port", "N", "Also serve the HTTP API on this TCP port, with a token.", CONTROL),
    Setting("api_address", "IP", "The address of that port.", CONTROL),
    Setting("api_hosts", "NAMES", "Further Host names the API answers to, with commas between.", CONTROL),
    Setting("log_level", "LEVEL", "debug, info, warning or error.", CONTROL),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="The headgate.toml to read.", show_default=False, rich_help_panel=CONTROL
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _parameter(setting: Setting) -> inspect.Parameter:
    flag = setting.flag if setting.metavar else f"{setting.flag}/--no-{setting.flag[2:]}"
    option = typer.Option(
        flag,
        metavar=setting.metavar or None,
        help=setting.help,
        show_default=False,
        rich_help_panel=setting.group,
    )
    kind = str if setting.metavar else bool
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def takes_settings(*names: str) -> Callable[[Command], Command]:
    """Give a command with `**flags` the flags of these settings, and `--config`."""

    def extend(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        config = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigOption)
        flags = [_parameter(BY_NAME[name]) for name in names]
        command.__signature__ = signature.replace(parameters=[*own, *flags, config])  # type: ignore[attr-defined]
        return command

    return extend


def takes_state(command: Command) -> Command:
    """Give a command with `**flags` the flags that say which installation is meant."""
    return takes_settings("state_dir")(command)
