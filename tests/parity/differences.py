"""Where Headgate and Azure's loader are meant to differ, and why: all of it, and each with at least one example."""

import sys
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """In which way the two differ."""

    TAKEN = "taken"
    REFUSED = "refused"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: what, and the reason for it."""

    name: str
    kind: Kind
    what: str
    why: str


def _all(kind: Kind, *rows: tuple[str, str, str]) -> tuple[Difference, ...]:
    return tuple(Difference(name, kind, what, why) for name, what, why in rows)


TAKEN = _all(
    Kind.TAKEN,
    (
        "bare-enabled",
        "`enabled: true` of a data collector's collection. Azure: only the quoted words.",
        "Everybody writes it so, and it can mean one thing only.",
    ),
    (
        "collector-version",
        "A number as `version` of a collection's data asset.",
        "Azure's own examples write `version: 1`.",
    ),
    (
        "rolling-rates",
        "`rolling_rate: month` and `year`.",
        "Azure's documentation lists them; its loader knows minute, hour and day.",
    ),
    (
        "resource-numbers",
        "Numbers as `cpu`, `memory` and `nvidia.com/gpu` of `resources`.",
        "As in Kubernetes itself.",
    ),
    (
        "no-endpoint-name",
        "A deployment without `endpoint_name`.",
        "Its folder says which endpoint it belongs to; Azure's own examples give it on the command line.",
    ),
    (
        "kubernetes-registry",
        "Registry URIs (`azureml://registries/…`) in Kubernetes deployments.",
        "The registry is the repository itself, whatever the deployment runs on.",
    ),
    (
        "empty-dropped-key",
        "A key that is dropped anyway (`$schema`, `creation_context` …) and empty. Azure drops it only with a value.",
        "It means nothing either way.",
    ),
    (
        "creation-context",
        "`creation_context` in Kubernetes deployments; it is dropped, as in managed ones.",
        "Azure writes it into what it shows of either kind.",
    ),
    (
        "unused-unchecked",
        "Anything as `id` and `auto_delete_setting` of an environment.",
        "Both mean something to Azure only, and are not used.",
    ),
)

SERVICE = _all(
    Kind.REFUSED,
    ("name-length", "Names of fewer than 3 or more than 32 characters.", "Azure's service refuses them."),
    (
        "deployment-name",
        "A deployment's name that is no name of an endpoint either: letters, digits and hyphens.",
        "Azure checks it when the deployment is submitted.",
    ),
    (
        "traffic-sum",
        "Traffic that adds up to neither 0 nor 100, and negative shares.",
        "Azure's service refuses them.",
    ),
    (
        "mirror",
        "Mirror traffic to more than one deployment, of more than 50 percent or less than 0.",
        "Azure's service refuses it.",
    ),
    (
        "request-settings",
        "A timeout, a concurrency or a wait that is out of range (180000 ms managed, 300000 ms on Kubernetes).",
        "Azure documents these limits of timeouts; nothing can be served by the others.",
    ),
    ("probes", "Times and thresholds of probes that are out of range.", "No probe works so."),
    ("instance-count", "Instance counts below 1 and above 50.", "Azure documents the limit."),
    (
        "scaling",
        "`target_utilization` in a managed deployment; limits that are out of range or contradict each other.",
        "Azure refuses the first when the deployment is submitted; the others cannot be met.",
    ),
    ("collections", "More than five collections besides `request` and `response`.", "Azure documents the limit."),
    (
        "image-and-build",
        "An environment with `image` and `build`.",
        "Azure refuses it when the environment is submitted.",
    ),
    (
        "incomplete-environment",
        "An environment without image, build and conda file; a build without a path or a Dockerfile.",
        "Azure has nothing to build from either, and says so later.",
    ),
    (
        "incomplete-code",
        "A `code_configuration` that is empty, without `code` or `scoring_script`, or with one that is not there.",
        "Azure looks for the script when the deployment is submitted.",
    ),
    (
        "resource-amounts",
        "Amounts in `resources` that Kubernetes could not read, such as `cpu: x`.",
        "Azure's loader takes any text; Kubernetes refuses it.",
    ),
    (
        "incomplete-model",
        "A model without a path, or with one that is not there. Azure's loader looks only if the model has no name.",
        "Azure finds out when it uploads the model.",
    ),
)

HEADGATE = _all(
    Kind.REFUSED,
    ("aad-token", "`auth_mode: aad_token`.", "There is no access by OpenID Connect yet."),
    (
        "azure-files",
        "Models that are files in Azure or elsewhere: `azureml://jobs/…`, `azureml://datastores/…`, `runs:/…`, URLs.",
        "A release is made of what the repository holds.",
    ),
    (
        "outside",
        "A Docker build or code from a URL, an absolute path, and a path that leaves the repository.",
        "A release is made of what the repository holds.",
    ),
    (
        "empty-reference",
        "A reference that names nothing, or something else: `azureml:`, `azureml::1`, an environment as model.",
        "Azure's loader does not look behind the prefix; its service finds nothing there.",
    ),
    (
        "path-in-name",
        "A model's name or version that is `.` or `..` or has a slash.",
        "It becomes part of `AZUREML_MODEL_DIR`.",
    ),
    ("windows", "`os_type: windows`.", "Only Linux is served."),
    (
        "conda-only",
        "A conda file with what pip cannot install, or that is none.",
        "Environments are made by pip unless a conda is configured; the message names the package.",
    ),
    ("duplicate-keys", "A key that is there twice. Azure takes the last.", "It is a mistake, and a hidden one."),
    (
        "yaml-limits",
        "Files over 1 MiB, 64 levels deep or 100000 values, with aliases written out; numbers over 400 digits.",
        "Repositories may be hostile.",
    ),
    (
        "yaml-tags",
        "Tags such as `!!set` and `!!binary`.",
        "No field means such a value.",
    ),
    (
        "placeholders",
        "`${NAME}` and `<NAME>` without a value. Azure takes them as text.",
        "They are placeholders that were forgotten.",
    ),
    (
        "newline-in-name",
        "An endpoint's name that ends in a line break.",
        "The pattern of Azure's loader lets it pass by accident; its service does not.",
    ),
    (
        "environment-name",
        "An inline environment's name that is no text, and an empty version. Azure's loader drops both silently.",
        "It is a mistake, and a hidden one.",
    ),
    ("boolean-version", "`version: true` of a model or environment. Azure: the version `True`.", "It is a mistake."),
    (
        "nameless-environment-file",
        "`environment: file:FILE` where the file has no `name`. Azure takes it in the same folder only.",
        "Azure's schema of such files requires it.",
    ),
)

VALUES = _all(
    Kind.VALUE,
    (
        "defaults",
        "What is left out has the value that Azure's service gives it. In Azure's loader it is empty.",
        "There is no service behind Headgate that would fill it.",
    ),
    ("zero-shares", "Shares of 0 percent are left out.", "They mean nothing; Azure's service leaves them out too."),
    (
        "endpoint-name-case",
        "`endpoint_name` becomes lower case, as `name` does in both.",
        "It would name no endpoint otherwise.",
    ),
    (
        "requirements-file",
        "A `conda_file` that ends in `.txt` is read as a requirements file. Azure's loader reads it as YAML text.",
        "Only so can it be installed.",
    ),
    (
        "unnamed-environment",
        "The version of an inline environment without a name is kept, but not used.",
        "Azure drops it; neither has a meaning for it.",
    ),
)

DIFFERENCES = (*TAKEN, *SERVICE, *HEADGATE, *VALUES)

_SECTIONS = (
    ("Taken here, refused by Azure's loader", TAKEN),
    ("Refused here as Azure does later", SERVICE),
    ("Refused here only", HEADGATE),
    ("Loaded otherwise", VALUES),
)


INTRODUCTION = """\
# Differences from Azure's loader

Headgate reads the YAML of the Azure ML CLI as it is. The tests in `tests/parity` load the same files, written by
hand and generated, with `azure-ai-ml` 1.35.2 and with Headgate, and compare what is taken, what is refused and every
loaded value. This page lists all differences, and is made from `tests/parity/differences.py`. A difference that is
not listed fails the tests, and so does a listed one without an example.
"""


def render() -> str:
    """All differences as Markdown: the text of docs/differences.md."""
    lines = INTRODUCTION.splitlines()
    for title, rows in _SECTIONS:
        lines += ["", f"## {title}", "", "| What | Why |", "|---|---|"]
        lines += [f"| {row.what} | {row.why} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
