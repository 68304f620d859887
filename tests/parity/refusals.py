"""Which documented difference it is when only Headgate refuses: by the kind, place and words of its problem."""

import re
from dataclasses import dataclass

from tests.parity.headgate import Refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """A refusal that is a documented difference; the patterns are searched for."""

    name: str
    kind: str
    place: str
    words: str
    of: str = "endpoint|deployment"
    found: str = ""
    """Pattern of the value's repr; empty: any."""

    def fits(self, kind: str, refusal: Refusal) -> bool:
        return bool(
            re.fullmatch(self.of, kind)
            and re.fullmatch(self.kind, refusal.kind)
            and re.fullmatch(self.place, refusal.place)
            and re.search(self.words, refusal.message)
            and re.search(self.found, refusal.found, re.DOTALL)
        )


_TIMES = "initial_delay|period|timeout|success_threshold|failure_threshold"
_LIMITS = "min_instances|max_instances|target_utilization_percentage|polling_interval"
_REQUESTS = "request_timeout_ms|max_concurrent_requests_per_instance|max_queue_wait_ms"

RULES = (
    Rule("name-length", "service", "name", "3 to 32 characters"),
    Rule("deployment-name", "service", "name", "must start with a letter", of="deployment"),
    Rule("newline-in-name", "loader", "name", "must start with a letter", of="endpoint", found=r"\\n'$"),
    Rule("traffic-sum", "service", "traffic", "adds up to|negative share"),
    Rule("mirror", "service", "mirror_traffic", "one deployment only|from 0 to 50"),
    Rule("request-settings", "service", rf"request_settings(\.({_REQUESTS}))?", "must be from"),
    Rule("probes", "service", rf"(liveness|readiness)_probe\.({_TIMES})", "must be from"),
    Rule("instance-count", "service", "instance_count", "from 1 to 50"),
    Rule("scaling", "service", rf"scale_settings(\.({_LIMITS}))?", "must be from|type: default|above max_instances"),
    Rule("collections", "service", r"data_collector\.collections", "5 collections"),
    Rule("image-and-build", "resolution", r"environment\.build", "`image` or `build`, not both"),
    Rule(
        "incomplete-environment",
        "resolution",
        r"environment(\.build(\.path|\.dockerfile_path)?)?",
        "needs `conda_file`|is missing|no Dockerfile|must be a folder",
    ),
    Rule(
        "incomplete-code",
        "resolution",
        r"code_configuration\.(code|scoring_script)",
        "is missing and required|which is not in the repository|must be a folder|leaves the code folder",
    ),
    Rule(
        "resource-amounts",
        "resolution",
        r"resources\.(requests|limits)\.(cpu|memory|nvidia\.com/gpu)",
        "is no amount of",
    ),
    Rule("incomplete-model", "resolution", r"model(\.path)?", "is missing|which is not in the repository"),
    Rule("aad-token", "headgate", "auth_mode", "OpenID Connect"),
    Rule("azure-files", "resolution", r"model(\.path)?", "live in Azure|is not a path of the repository"),
    Rule(
        "outside",
        "resolution",
        r"environment\.build\.path|code_configuration\.code",
        "is not a path of the repository",
    ),
    Rule(
        "outside",
        "resolution",
        r"model\.path|environment\.(conda_file|build\.path)|code_configuration\.code",
        "leaves the repository",
    ),
    Rule("empty-reference", "loader", "model|environment", "must be a reference", found="^'azureml:[:/]*'$"),
    Rule("empty-reference", "loader", "compute", "must name a compute", found="^'azureml:'$"),
    Rule("empty-reference", "resolution", "model|environment", "is no reference to"),
    Rule("path-in-name", "resolution", r"model\.(name|version)", "becomes part of a path"),
    Rule("windows", "resolution", r"environment\.os_type", "only linux"),
    Rule("conda-only", "resolution", r".*\.ya?ml|environment\.conda_file.*", r"conda|pip|package|requirement"),
    Rule("duplicate-keys", "document", ".*", "is here twice"),
    Rule(
        "yaml-limits",
        "document",
        "",
        "at most 1048576 are read|more than 100000 values|nested deeper than 64|too long",
    ),
    Rule("yaml-tags", "document", "", "This tag is not taken"),
    Rule("yaml-tags", "loader", ".*", "must be text", found="^b'"),
    Rule("placeholders", "document", ".*", "placeholder"),
    Rule(
        "boolean-version",
        "loader",
        r"(model|environment)\.version",
        "must be text or a number",
        found="^(True|False)$",
    ),
    Rule("environment-name", "loader", r"environment\.name", "must be text|is empty"),
    Rule("environment-name", "loader", r"environment\.version", "is empty"),
    Rule("nameless-environment-file", "resolution", r".*nameless\.yml", "`name` is missing"),
)


def explain(kind: str, refusal: Refusal) -> str | None:
    """The documented difference that the refusal is, if it is one."""
    return next((rule.name for rule in RULES if rule.fits(kind, refusal)), None)
