"""What serves, sizes, runtimes and what has no effect: from fields to a recipe."""

import json

import pytest

from spec.release import Server
from tests.spec.shop import CODE, ENVIRONMENT, HEAD, MODEL, Build, blue, problem

K8S = {"endpoint.yml": "name: shop\ncompute: azureml:k8s\ntraffic: {blue: 100}\n"}
K8S_SETTINGS = {"settings.yml": "kind: settings\ncomputes: {k8s: process}\n"}
K8S_HEAD = "name: blue\nendpoint_name: shop\ntype: kubernetes\n"
MLFLOW = {
    "mlf/MLmodel": "flavors: {}",
    "mlf/conda.yaml": "dependencies: [python=3.10, pip, {pip: [mlflow==2.1]}]",
    "mlf/model.pkl": "x",
}


class TestServing:
    def test_mlflow_without_code_or_environment(self, loaded: Build) -> None:
        text = HEAD + "model: {path: mlf, type: mlflow_model}\n"
        recipe = blue(loaded({**MLFLOW, "blue.yml": text})).recipe
        assert recipe.server is Server.MLFLOW
        assert recipe.environment.python == "3.10"
        assert recipe.environment.requirements == ("mlflow==2.1",)

    def test_mlflow_with_requirements_only(self, loaded: Build) -> None:
        files = {**MLFLOW, "mlf/conda.yaml": None, "mlf/requirements.txt": "mlflow\nnumpy\n"}
        recipe = blue(loaded({**files, "blue.yml": HEAD + "model: {path: mlf, type: mlflow_model}\n"})).recipe
        assert recipe.environment.requirements == ("mlflow", "numpy")

    def test_mlflow_with_an_environment_of_its_own(self, loaded: Build) -> None:
        text = HEAD + "model: {path: mlf, type: mlflow_model}\n" + ENVIRONMENT
        recipe = blue(loaded({**MLFLOW, "blue.yml": text})).recipe
        assert (recipe.server, recipe.environment.python) == (Server.MLFLOW, "3.11")

    def test_mlflow_with_code_is_scored_by_the_code(self, loaded: Build) -> None:
        text = HEAD + "model: {path: mlf, type: mlflow_model}\n" + CODE + ENVIRONMENT
        assert blue(loaded({**MLFLOW, "blue.yml": text})).recipe.server is Server.INFERENCE_SERVER

    @pytest.mark.parametrize(
        ("text", "where", "words"),
        [
            ("model: {path: model, type: mlflow_model}\n" + ENVIRONMENT, "blue.yml:4:8: model:", "a file `MLmodel`"),
            ("model: {path: model, type: mlflow_model}\n", "blue.yml:4:8: model:", "a file `MLmodel`"),
            ("model: {path: bare, type: mlflow_model}\n", "blue.yml:4:8: model:", "neither conda.yaml nor"),
            ("model: {path: model, type: triton_model}\n", "blue.yml:4:8: model:", "leave this deployment out"),
            (MODEL + ENVIRONMENT, "blue.yml:1:1:", "`code_configuration` is missing"),
            (MODEL + CODE, "blue.yml:1:1:", "`environment` is missing"),
        ],
    )
    def test_what_is_wrong(self, loaded: Build, text: str, where: str, words: str) -> None:
        found = problem(loaded({"blue.yml": HEAD + text, "bare/MLmodel": "flavors: {}"}))
        assert found.startswith(where)
        assert words in found


class TestSizesAndRuntimes:
    def test_kubernetes_on_a_mapped_compute(self, loaded: Build) -> None:
        resources = "resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: '2', nvidia.com/gpu: 1}}\n"
        files = {**K8S, **K8S_SETTINGS, "blue.yml": K8S_HEAD + MODEL + CODE + ENVIRONMENT + resources}
        size = blue(loaded(files)).recipe.instance_type
        assert (size.cpu, size.memory, size.gpu) == (2.0, 1 << 30, 1)

    def test_an_instance_type_of_the_repository(self, loaded: Build) -> None:
        settings = "kind: settings\ninstance_types: {tiny: {cpu: 500m, memory: 256Mi}}\n"
        text = HEAD.replace("Standard_DS3_v2", "Tiny") + MODEL + CODE + ENVIRONMENT
        size = blue(loaded({"settings.yml": settings, "blue.yml": text})).recipe.instance_type
        assert (size.name, size.cpu, size.memory) == ("tiny", 0.5, 256 << 20)

    @pytest.mark.parametrize(
        ("files", "where", "words"),
        [
            ({"blue.yml": HEAD.replace("DS3_v2", "DS3v2") + CODE + ENVIRONMENT}, "blue.yml:3:16: instance_type:",
             "Did you mean `Standard_DS3_v2`?"),
            ({**K8S, "blue.yml": K8S_HEAD + CODE + ENVIRONMENT}, "endpoint.yml:2:10: compute:",
             "add `k8s: process` below `computes:` in a YAML file with `kind: settings`"),
            ({**K8S, "s.yml": "kind: settings\ncomputes: {k9s: process}", "blue.yml": K8S_HEAD + CODE + ENVIRONMENT},
             "endpoint.yml:2:10: compute:", "in `s.yml`. Did you mean `k9s`?"),
            ({**K8S, "s.yml": "kind: settings\ncomputes: {k8s: docker}", "blue.yml": K8S_HEAD + CODE + ENVIRONMENT},
             "endpoint.yml:2:10: compute:", "has only `process`"),
            ({"s.yml": "kind: settings\ndefault_runtime: docker"}, "endpoint.yml:1:1:", "has only `process`"),
            ({**K8S, **K8S_SETTINGS, "blue.yml": HEAD + CODE + ENVIRONMENT},
             "blue.yml:1:1: type:", "must be kubernetes, and it is managed."),
            ({**K8S, **K8S_SETTINGS,
              "blue.yml": K8S_HEAD.replace("kub", "Kub") + CODE + ENVIRONMENT + "resources: {limits: {cpu: 1}}\n"},
             "blue.yml:3:7: type:", "it is `Kubernetes`, which Azure takes for managed: write it in small letters."),
            ({"blue.yml": K8S_HEAD + CODE + ENVIRONMENT}, "blue.yml:3:7: type:", "must be managed"),
            ({**K8S, **K8S_SETTINGS,
              "blue.yml": K8S_HEAD + CODE + ENVIRONMENT + "resources: {limits: {memory: lots}}\n"},
             "blue.yml:6:30: resources.limits.memory:", "no amount of memory"),
            ({"blue.yml": HEAD + CODE + ENVIRONMENT + "environment_variables: {A=B: hunter2}\n"},
             "blue.yml:6:30: environment_variables.A=B:", "no `=`"),
        ],
    )  # fmt: skip
    def test_what_is_wrong(self, loaded: Build, files: dict[str, str], where: str, words: str) -> None:
        found = problem(loaded(files))
        assert found.startswith(where)
        assert words in found
        assert "hunter2" not in found


class TestRecipe:
    def test_everything_a_replica_sees(self, loaded: Build) -> None:
        text = HEAD + MODEL + CODE + ENVIRONMENT + (
            "instance_count: 3\ntags: {b: 1, a: x}\ndescription: d\nproperties: {p: q}\n"
            "environment_variables: {B: 1, A: true, C: null, D: [1]}\napp_insights_enabled: yes\n"
            "request_settings: {request_timeout_ms: 60000, max_concurrent_requests_per_instance: 2,"
            " max_queue_wait_ms: 9}\n"
            "liveness_probe: {period: 7}\nreadiness_probe: {timeout: 3}\nmodel_mount_path: /m\n"
            "data_collector: {collections: {model_inputs: {enabled: 'True'}}, sampling_rate: 0.5}\n"
            "egress_public_network_access: disabled\n"
        )  # fmt: skip
        found = blue(loaded({"blue.yml": text, "s.yml": "kind: settings\nexact_python: true\n"}))
        recipe = found.recipe
        assert (found.instance_count, found.max_queue_wait_ms, found.description) == (3, 9, "d")
        assert (found.tags, found.properties) == ((("a", "x"), ("b", "1")), (("p", "q"),))
        assert recipe.variables == (("A", "True"), ("B", "1"), ("C", ""), ("D", "[1]"))
        assert (recipe.request_timeout_ms, recipe.max_concurrent_requests_per_instance) == (60000, 2)
        assert (recipe.liveness.period, recipe.readiness.timeout, recipe.readiness.period) == (7, 3, 10)
        assert (recipe.app_insights_enabled, recipe.model_mount_path, recipe.exact_python) == (True, "/m", True)
        assert json.loads(recipe.data_collector or "")["collections"]["model_inputs"]["enabled"] is True
        assert [note.reason for note in found.notes] == [
            "DataCollectorNotInEffect",
            "AppInsightsNotInEffect",
            "NetworkAccessNotEnforced",
        ]

    def test_what_is_not_in_the_release_changes_no_digest(self, loaded: Build) -> None:
        before = blue(loaded()).release
        extra = "instance_count: 3\ntags: {a: b}\ndescription: d\nrequest_settings: {max_queue_wait_ms: 9}\n"
        text = HEAD + "model: {path: model/model.pkl}\n" + CODE + extra
        text += (
            "environment: {conda_file: conda.yml, image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest}\n"
        )
        assert blue(loaded({"blue.yml": text})).release == before

    def test_an_identity_is_not_used_and_that_is_said(self, loaded: Build) -> None:
        text = "name: shop\nidentity: {type: system_assigned}\ntraffic: {blue: 100}\n"
        notes = blue(loaded({"endpoint.yml": text})).notes
        assert [note.reason for note in notes] == ["BaseImageNotUsed", "IdentityNotUsed"]

    def test_private_endpoint_says_that_it_is_not_enforced(self, loaded: Build) -> None:
        text = "name: shop\npublic_network_access: disabled\ntraffic: {blue: 100}\n"
        found = loaded({"endpoint.yml": text})
        assert found.catalog.endpoints["shop"].public_network_access is False
        assert [note.reason for note in blue(found).notes] == ["BaseImageNotUsed", "NetworkAccessNotEnforced"]


KUBERNETES = {
    "endpoint.yml": "name: shop\ncompute: azureml:edge\nauth_mode: key\n",
    "s.yml": "kind: settings\ncomputes: {edge: process}\n",
}


class TestWithoutEffect:
    """What is accepted and does nothing is said as a note."""

    @pytest.mark.parametrize(
        ("text", "reason", "words"),
        [
            (
                "scale_settings: {type: target_utilization, max_instances: 3}\n",
                "ScaleSettingsNotInEffect",
                "stays 1, as `instance_count` says",
            ),
            ("app_insights_enabled: true\n", "AppInsightsNotInEffect", "`headgate logs`"),
            (
                "data_collector: {collections: {model_inputs: {enabled: 'True'}}}\n",
                "DataCollectorNotInEffect",
                "no inputs or outputs are kept",
            ),
        ],
    )
    def test_is_said(self, loaded: Build, text: str, reason: str, words: str) -> None:
        kubernetes = HEAD + "type: kubernetes\n" + MODEL + CODE + ENVIRONMENT + text
        (note,) = blue(loaded({**KUBERNETES, "blue.yml": kubernetes})).notes
        assert note.reason == reason
        assert "is accepted and " in note.message
        assert words in note.message

    def test_is_not_said_of_what_asks_for_nothing(self, loaded: Build) -> None:
        text = (
            HEAD + MODEL + CODE + ENVIRONMENT + "scale_settings: {type: default}\napp_insights_enabled: false\n"
            "data_collector: {collections: {model_inputs: {enabled: 'False'}}}\n"
        )
        assert blue(loaded({"blue.yml": text})).notes == ()
