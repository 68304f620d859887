"""Models and environments of deployments: every form of reference, and everything inline."""

from tests.parity.case import Case, bad, good
from tests.parity.deployment_cases import KUBERNETES, MANAGED

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
REGISTRY = "azureml://registries/azureml"
ROUTES = "liveness_route: {path: /live, port: 5001}, readiness_route: {path: /ready, port: '5001'}, "
ROUTES += "scoring_route: {path: /score, port: 8080}"
WRONG_PORT = ROUTES.replace("'5001'", "x")
WRONG_PATH = ROUTES.replace("path: /live", "path: 5")


def model(written: str, *shows: str) -> Case:
    """A deployment with a model that somebody takes."""
    return good(f"{MANAGED}model: {written}\n", *shows)


def no_model(written: str) -> Case:
    """A deployment with a model that nobody takes."""
    return bad(f"{MANAGED}model: {written}\n")


def environment(written: str, *shows: str) -> Case:
    """A deployment with an environment that somebody takes."""
    return good(f"{MANAGED}environment: {written}\n", *shows)


def no_environment(written: str) -> Case:
    """A deployment with an environment that nobody takes."""
    return bad(f"{MANAGED}environment: {written}\n")


MODELS: tuple[Case, ...] = (
    model("azureml:m:1"),
    model("azureml:m:1.2.3"),
    model("azureml:m:a:b"),
    model("azureml:m@latest"),
    model("azureml:m:1@latest"),
    model("azureml:m"),
    model("'azureml:m:'"),
    model("azureml:my model:1"),
    model(f"azureml:{WORKSPACE}/models/m/versions/1"),
    model(f"azureml:{WORKSPACE[1:]}/models/m/versions/1"),
    model(f"{REGISTRY}/models/m/versions/1"),
    model(f"{REGISTRY}/models/m/labels/latest"),
    model(f"{REGISTRY}/models/m"),
    model("{path: model}"),
    model("{path: ./model/}"),
    model("{path: model/model.pkl}"),
    model("{path: folder/../model, name: m, version: 3}"),
    model("{path: model, name: m, version: 1.10, type: MLFLOW_MODEL, stage: Production}"),
    model("{path: model, name: m, description: d, tags: {1: 2}, properties: {a: [b]}, datastore: s}"),
    model("{path: model, type: triton_model, flavors: {python_function: {a: b}}, system_metadata: {a: b}}"),
    model("{path: model, default_deployment_template: {asset_id: x}}"),
    model("{path: model, allowed_deployment_templates: [{asset_id: x}, {}]}"),
    model("{path: model, $schema: x, id: 5, creation_context: {a: b}, job_name: j, latest_version: 2}"),
    model("{path: model, utc_time_created: x, intellectual_property: y}"),
    model("{path: model, job_name: }", "empty-dropped-key"),
    model("{name: m}", "incomplete-model"),
    model("{}", "incomplete-model"),
    model("{path: ''}", "incomplete-model"),
    model("{path: nowhere, name: m}", "incomplete-model"),
    model("{path: 'azureml://jobs/j/outputs/o', name: m}", "azure-files"),
    model("{path: 'runs:/r/model', name: m}", "azure-files"),
    model("{path: 'https://x.test/m.pkl', name: m}", "azure-files"),
    model("{path: 'azureml:m:1', name: m}", "azure-files"),
    model("{path: /elsewhere, name: m}", "outside"),
    model("{path: ../elsewhere, name: m}", "outside"),
    model("{path: model, name: a/b}", "path-in-name"),
    model("{path: model, name: m, version: ..}", "path-in-name"),
    model("{path: model, name: m, version: true}", "boolean-version"),
    model("azureml://datastores/d/paths/p", "azure-files"),
    model("'azureml:'", "empty-reference"),
    model("azureml::1", "empty-reference"),
    model("azureml:m@", "empty-reference"),
    model("azureml:/m", "empty-reference"),
    model(f"{REGISTRY}", "empty-reference"),
    model(f"{REGISTRY}/environments/e/versions/1", "empty-reference"),
    good(f"{KUBERNETES}model: {REGISTRY}/models/m/versions/1", "kubernetes-registry"),
    good(f"{KUBERNETES}model: {REGISTRY}/models/m/labels/latest", "kubernetes-registry"),
    good(f"{KUBERNETES}model: azureml:m:1"),
    no_model(""),
    no_model("m"),
    no_model("./model"),
    no_model("file:model"),
    no_model("AzureML:m:1"),
    no_model("azureml:a/b"),
    no_model(f"{WORKSPACE}/models/m/versions/1"),
    no_model(f"azureml:{WORKSPACE}/models/m"),
    no_model(f"azureml:{WORKSPACE}/models/m/labels/latest"),
    no_model("5"),
    no_model("true"),
    no_model("[model]"),
    no_model("''"),
    no_model("{pth: model}"),
    no_model("{path: 5}"),
    no_model("{path: }"),
    no_model("{path: nowhere}"),
    no_model("{path: model, version: 1}"),
    no_model("{path: model, name: m, version: [1]}"),
    no_model("{path: model, name: m, version: }"),
    no_model("{path: model, name: 5}"),
    no_model("{path: model, type: keras}"),
    no_model("{path: model, type: MlflowModel}"),
    no_model("{path: model, tags: [a]}"),
    no_model("{path: model, flavors: a}"),
    no_model("{path: model, allowed_deployment_templates: {asset_id: x}}"),
    no_model("{path: model, allowed_deployment_templates: [x]}"),
    no_model("{path: model, default_deployment_template: {asset: x}}"),
)

ENVIRONMENTS: tuple[Case, ...] = (
    environment("azureml:e:1"),
    environment("azureml:e@latest"),
    environment("azureml:e"),
    environment("azureml:AzureML-sklearn-1.5:1"),
    environment(f"azureml:{WORKSPACE}/environments/e/versions/1"),
    environment(f"{REGISTRY}/environments/sklearn-1.5/labels/latest"),
    environment(f"{REGISTRY}/environments/e/versions/3"),
    environment("{image: i}"),
    environment("{image: i, conda_file: conda.yml}"),
    environment("{image: i, conda_file: ./folder/../conda.yml}"),
    environment("{conda_file: {name: e, channels: [c], dependencies: [python=3.11, {pip: [a==1]}]}}"),
    environment(
        "{image: i, name: e, version: 2, description: d, tags: {a: 1, b: [c]}, os_type: Linux, datastore: s}"
    ),
    environment(f"{{image: i, inference_config: {{{ROUTES}}}}}"),
    environment("{build: {path: docker}}"),
    environment("{build: {path: docker/other, dockerfile_path: Dockerfile.gpu}}"),
    environment("{image: i, conda_file: ''}"),
    environment("{image: i, $schema: x, creation_context: {a: b}, latest_version: 5, intellectual_property: x}"),
    environment("{image: i, id: 'azureml:e'}"),
    environment("{image: i, auto_delete_setting: {condition: created_greater_than, value: 30d}}"),
    environment("{image: i, id: e}", "unused-unchecked"),
    environment("{image: i, auto_delete_setting: 5}", "unused-unchecked"),
    environment("{image: i, $schema: }", "empty-dropped-key"),
    environment("file:folder/environment.yml"),
    environment("file:./folder/environment.yml"),
    environment("file:nameless.yml", "nameless-environment-file"),
    environment("{image: i, version: 2}", "unnamed-environment"),
    environment("{image: i, conda_file: requirements.txt}", "requirements-file"),
    environment("{}", "incomplete-environment"),
    environment("{name: e}", "incomplete-environment"),
    environment("{build: {}}", "incomplete-environment"),
    environment("{build: {path: docker, dockerfile_path: nowhere}}", "incomplete-environment"),
    environment("{build: {path: docker/Dockerfile}}", "incomplete-environment"),
    environment("{image: i, build: {path: docker}}", "image-and-build"),
    environment("{build: {path: 'https://x.test/repository.git'}}", "outside"),
    environment("{name: e, version: 1, build: {path: /}}", "outside"),
    environment("{image: i, os_type: Windows}", "windows"),
    environment("{conda_file: only-conda.yml}", "conda-only"),
    environment("{conda_file: list.yml}", "conda-only"),
    environment("{conda_file: {dependencies: [5]}}", "conda-only"),
    environment("{image: i, name: 5}", "environment-name"),
    environment("{image: i, name: }", "environment-name"),
    environment("{image: i, name: e, version: }", "environment-name"),
    environment("{image: i, name: e, version: false}", "boolean-version"),
    environment("'azureml:'", "empty-reference"),
    environment(f"{REGISTRY}/models/m/versions/1", "empty-reference"),
    good(f"{KUBERNETES}environment: {REGISTRY}/environments/e/versions/1", "kubernetes-registry"),
    no_environment(""),
    no_environment("e"),
    no_environment("./folder/environment.yml"),
    no_environment("file:nowhere.yml"),
    no_environment("file:folder"),
    no_environment("file:conda.yml"),
    no_environment("file:broken.yml"),
    no_environment("file:list.yml"),
    no_environment("mcr.microsoft.com/azureml/minimal"),
    no_environment("azureml:a/b"),
    no_environment("5"),
    no_environment("[e]"),
    no_environment("{imag: i}"),
    no_environment("{image: 5}"),
    no_environment("{image: }"),
    no_environment("{image: i, properties: {a: b}}"),
    no_environment("{image: i, tags: {1: 2}}"),
    no_environment("{image: i, tags: [a]}"),
    no_environment("{image: i, os_type: mac}"),
    no_environment("{image: i, conda_file: }"),
    no_environment("{image: i, conda_file: 5}"),
    no_environment("{image: i, conda_file: [numpy]}"),
    no_environment("{image: i, conda_file: nowhere.yml}"),
    no_environment("{image: i, conda_file: broken.yml}"),
    no_environment("{image: i, conda_file: folder}"),
    no_environment("{image: i, name: e, version: [1]}"),
    no_environment("{channels: [c], dependencies: [numpy]}"),
    no_environment("{build: docker}"),
    no_environment("{build: {path: nowhere}}"),
    no_environment("{build: {path: 5}}"),
    no_environment("{build: {path: docker, dockerfile: x}}"),
    no_environment("{image: i, inference_config: {}}"),
    no_environment("{image: i, inference_config: {liveness_route: {path: /, port: 1}}}"),
    no_environment(f"{{image: i, inference_config: {{{WRONG_PORT}}}}}"),
    no_environment(f"{{image: i, inference_config: {{{WRONG_PATH}}}}}"),
    no_environment(f"{{image: i, inference_config: {{{ROUTES}, scoring_uri: x}}}}"),
)
