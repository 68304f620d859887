"""References, paths, environments, sizes and runtimes: from fields to a recipe."""

import json
from collections.abc import Callable

import pytest

from spec.catalog import DeploymentSpec
from spec.files import Changes
from spec.loader import Loaded, load
from spec.release import Server
from tests.spec.commits import MemoryFiles

Build = Callable[..., Loaded]

HEAD = "name: blue\nendpoint_name: shop\ninstance_type: Standard_DS3_v2\n"
CODE = "code_configuration: {code: code, scoring_script: score.py}\n"
MODEL = "model: {path: model/model.pkl}\n"
ENVIRONMENT = "environment: {conda_file: conda.yml}\n"
PREBUILT = "mcr.microsoft.com/azureml/minimal-py311-inference:latest"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
K8S = {"endpoint.yml": "name: shop\ncompute: azureml:k8s\ntraffic: {blue: 100}\n"}
K8S_SETTINGS = {"settings.yml": "kind: settings\ncomputes: {k8s: process}\n"}
K8S_HEAD = "name: blue\nendpoint_name: shop\ntype: kubernetes\n"
MLFLOW = {
    "mlf/MLmodel": "flavors: {}",
    "mlf/conda.yaml": "dependencies: [python=3.10, pip, {pip: [mlflow==2.1]}]",
    "mlf/model.pkl": "x",
}


def blue(loaded: Loaded) -> DeploymentSpec:
    assert loaded.catalog.problems == ()
    found = loaded.catalog.endpoints["shop"].deployment("blue")
    assert found is not None
    return found


def problem(loaded: Loaded) -> str:
    assert "shop" not in loaded.catalog.endpoints
    (found,) = loaded.catalog.broken["shop"]
    return f"{found} found={found.found}"


class TestModels:
    def test_inline_file(self, loaded: Build) -> None:
        model = blue(loaded()).recipe.model
        assert model is not None
        assert (model.name, model.version, model.type) == ("model.pkl", "1", "custom_model")
        assert (model.artifact.kind, model.artifact.path, model.artifact.basename) == (
            "file",
            "model/model.pkl",
            "model.pkl",
        )

    def test_inline_folder_with_name_and_version(self, loaded: Build) -> None:
        text = HEAD + CODE + ENVIRONMENT + "model: {name: m, version: 3, path: ./model/, type: custom_model}\n"
        model = blue(loaded({"blue.yml": text})).recipe.model
        assert model is not None
        assert (model.name, model.version, model.artifact.kind, model.artifact.path) == (
            "m",
            "3",
            "directory",
            "model",
        )

    def test_a_path_above_the_file_but_within_the_repository(self, loaded: Build, repository: dict[str, str]) -> None:
        for path in ("endpoint.yml", "blue.yml"):
            text = repository.pop(path)
            text = text.replace("model/model", "../../model/model").replace("code: code", "code: ../../code")
            repository[f"a/b/{path}"] = text.replace("conda_file: ", "conda_file: ../../")
        assert blue(loaded()).recipe.model is not None

    @pytest.mark.parametrize(
        ("reference", "version"),
        [
            ("azureml:m:2", "2"),
            ("azureml:m", "10"),
            ("azureml:m@latest", "10"),
            ("azureml://registries/r/models/m/versions/2", "2"),
            ("azureml://registries/r/models/m/labels/latest", "10"),
            (f"azureml:{WORKSPACE}/models/m/versions/2", "2"),
        ],
    )
    def test_references(self, loaded: Build, reference: str, version: str) -> None:
        files = {f"models/{v}.yml": f"name: m\nversion: {v}\npath: ../model/model.pkl\n" for v in (2, 9, 10)}
        text = HEAD + CODE + ENVIRONMENT + f"model: {reference}\n"
        model = blue(loaded({**files, "blue.yml": text})).recipe.model
        assert model is not None
        assert (model.name, model.version, model.artifact.path) == ("m", version, "model/model.pkl")

    @pytest.mark.parametrize(
        ("written", "where", "words"),
        [
            ("azureml:mm:1", "blue.yml:4:8: model:", "Did you mean `m`?"),
            ("azureml:zzz:1", "blue.yml:4:8: model:", "Known: m, n."),
            ("azureml:m:7", "blue.yml:4:8: model:", "Versions of it: 1, 2."),
            ("azureml:m@prod", "blue.yml:4:8: model:", "only `latest` is known"),
            ("azureml:n:1", "blue.yml:4:8: model:", "declared by `n.yml` and `n2.yml`"),
            ("azureml://jobs/j/outputs/o", "blue.yml:4:8: model:", "live in Azure"),
            ("azureml://registries/r/environments/m/versions/1", "blue.yml:4:8: model:", "no reference to a model"),
            ("azureml:a/b", "blue.yml:4:8: model:", "no reference to a model"),
            ("{path: azureml://datastores/d/paths/p}", "blue.yml:4:15: model.path:", "live in Azure"),
            ("{path: https://host/m.pkl}", "blue.yml:4:15: model.path:", "not a path of the repository"),
            ("{path: model/modle.pkl}", "blue.yml:4:15: model.path:", "Did you mean `model.pkl`?"),
            ("{path: ../x}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: model/../../repo/x}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: /etc/passwd}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: link}", "blue.yml:4:15: model.path:", "`link` is a symlink"),
            ("{path: link/x/y}", "blue.yml:4:15: model.path:", "`link` is a symlink"),
            ("{path: sub/x}", "blue.yml:4:15: model.path:", "`sub` is a submodule"),
            ("{path: deep}", "blue.yml:4:15: model.path:", "contains the symlink `deep/link`"),
            ("{name: a/b, path: model}", "blue.yml:4:15: model.name:", "part of a path"),
            ("{name: .., path: model}", "blue.yml:4:15: model.name:", "part of a path"),
            ("{name: x}", "blue.yml:4:8: model:", "`path` is missing"),
        ],
    )
    def test_what_is_wrong(self, loaded: Build, written: str, where: str, words: str) -> None:
        files = {
            "m1.yml": "name: m\nversion: 1\npath: model\n",
            "m2.yml": "name: m\nversion: 2\npath: model\n",
            "n.yml": "name: n\npath: model\n",
            "n2.yml": "name: n\npath: model\n",
            "deep/x": "x",
        }
        specials = {"link": "symlink", "sub": "submodule", "deep/link": "symlink"}
        text = HEAD + f"model: {written}\n" + CODE + ENVIRONMENT
        found = problem(loaded({**files, "blue.yml": text}, **specials))
        assert found.startswith(where)
        assert words in found

    def test_a_problem_in_a_model_file_is_said_at_that_file(self, loaded: Build) -> None:
        files = {
            "m/m.yml": "name: m\npath: ../modle\n",
            "blue.yml": HEAD + "model: azureml:m:1\n" + CODE + ENVIRONMENT,
        }
        found = problem(loaded(files))
        assert found.startswith(
            "m/m.yml:2:7: path: `path` names `modle`, which is not in the repository. Did you mean `model`?"
        )


class TestCode:
    @pytest.mark.parametrize(
        ("code", "where", "words"),
        [
            ("{code: code, scoring_script: scor.py}", "blue.yml:4:50", "Did you mean `score.py`?"),
            ("{code: code, scoring_script: ../x.py}", "blue.yml:4:50", "leaves the code folder"),
            ("{code: code, scoring_script: bad.py}", "code/bad.py:2:9", "not valid Python"),
            ("{code: code, scoring_script: nul.py}", "code/nul.py:1:1", "Python"),
            ("{code: code}", "blue.yml:4:21", "`code_configuration.scoring_script` is missing"),
            ("{scoring_script: score.py}", "blue.yml:4:21", "`code_configuration.code` is missing"),
            ("{code: code/score.py, scoring_script: score.py}", "blue.yml:4:28", "must be a folder"),
            ("{code: azureml:code:1, scoring_script: score.py}", "blue.yml:4:28", "not a path of the repository"),
        ],
    )
    def test_what_is_wrong(self, loaded: Build, code: str, where: str, words: str) -> None:
        files = {
            "code/bad.py": "def init():\n    x = = 1\n",
            "code/nul.py": b"x = '\0'\n",
            "blue.yml": HEAD + f"code_configuration: {code}\n" + MODEL + ENVIRONMENT,
        }
        found = problem(loaded(files))
        assert found.startswith(where)
        assert words in found

    def test_syntax_of_a_newer_python_is_left_to_that_python(self, loaded: Build) -> None:
        files = {"code/score.py": "def init(: pass\n", "conda.yml": "dependencies: [python=3.99]\n"}
        assert blue(loaded(files)).recipe.code is not None

    def test_a_doubtful_escape_in_a_script_is_not_our_business(self, loaded: Build) -> None:
        script = "def init(): pass\ndef run(x): return '\\d'\n"
        assert blue(loaded({"code/score.py": script})).recipe.code is not None


class TestEnvironments:
    def test_conda_file_with_a_base_image(self, loaded: Build) -> None:
        found = blue(loaded())
        environment = found.recipe.environment
        assert found.recipe.server is Server.INFERENCE_SERVER
        assert environment.python == "3.11"
        assert environment.requirements == ("numpy==2.3.1.*", "azureml-inference-server-http")
        assert [note.reason for note in found.notes] == ["BaseImageNotUsed"]
        assert "openmpi4.1.0-ubuntu20.04" in found.notes[0].message

    @pytest.mark.parametrize(
        ("written", "python", "requirements"),
        [
            ("{conda_file: requirements.txt}", None, ("numpy>1",)),
            ("{conda_file: {dependencies: [python=3.12, scipy=1.2.3]}}", "3.12", ("scipy==1.2.3.*",)),
            (f"{{image: {PREBUILT}}}", "3.11", ()),
            ("azureml:mine:1", "3.9", ("a==1",)),
            ("azureml:extra:1", "3.10", ("b==2",)),
            ("file:./mine.yml", "3.9", ("a==1",)),
        ],
    )
    def test_forms(self, loaded: Build, written: str, python: str | None, requirements: tuple[str, ...]) -> None:
        files = {
            "requirements.txt": "numpy>1\n",
            "mine.yml": "name: mine\nversion: '1'\nconda_file: {dependencies: [python=3.9, {pip: [a==1]}]}\n",
            "settings.yml": "kind: settings\nenvironments: {extra: {python: '3.10', requirements: [b==2]}}\n",
            "blue.yml": HEAD + MODEL + CODE + f"environment: {written}\n",
        }
        found = blue(loaded(files))
        assert found.recipe.server is Server.INFERENCE_SERVER
        assert (found.recipe.environment.python, found.recipe.environment.requirements) == (python, requirements)
        assert found.notes == ()

    def test_curated_name(self, loaded: Build) -> None:
        for written in (
            "azureml:sklearn-1.5:1",
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        ):
            files = {"blue.yml": HEAD + MODEL + CODE + f"environment: {written}\n"}
            environment = blue(loaded(files)).recipe.environment
            assert environment.curated is not None
            assert environment.curated.startswith("sklearn-1.5:")
            assert environment.requirements

    def test_a_changed_curated_entry_of_the_repository_is_another_release(self, loaded: Build) -> None:
        files = {"blue.yml": HEAD + MODEL + CODE + "environment: azureml:extra:1\n"}
        settings = "kind: settings\nenvironments: {extra: {python: '3.10', requirements: [b==%d]}}\n"
        first = blue(loaded({**files, "settings.yml": settings % 1})).release
        second = blue(loaded({**files, "settings.yml": settings % 2})).release
        assert first != second

    def test_standard_routes_are_nothing_special(self, loaded: Build) -> None:
        route = "{port: 5001, path: /%s}"
        config = f"{{liveness_route: {route % ''}, readiness_route: {route % ''}, scoring_route: {route % 'score'}}}"
        files = {
            "blue.yml": HEAD + MODEL + CODE + f"environment: {{image: {PREBUILT}, inference_config: {config}}}\n"
        }
        assert blue(loaded(files)).recipe.environment.inference_config is None

    @pytest.mark.parametrize(
        ("written", "where", "words"),
        [
            ("azureml:sklern-1.5:1", "blue.yml:6:14: environment:", "Did you mean `sklearn-1.5`?"),
            ("azureml:extr:1", "blue.yml:6:14: environment:", "Did you mean `extra`?"),
            ("{image: my/own:1}", "blue.yml:6:14: environment:", "has only the `process` runtime"),
            ("file:mine.yml", "blue.yml:6:14: environment:", "`environment` names `mine.yml`, which is not"),
            ("file:docker", "blue.yml:6:14: environment:", "this is a folder"),
            (
                "{build: {path: code}}",
                "blue.yml:6:22: environment.build.dockerfile_path:",
                "no Dockerfile at `code/Dockerfile`",
            ),
            ("{build: {path: docker}}", "blue.yml:6:14: environment:", "Docker `build`"),
            ("{build: {}}", "blue.yml:6:22: environment.build:", "`build.path` is missing"),
            ("{build: {path: docker}, image: x}", "blue.yml:6:22: environment.build:", "not both"),
            ("{name: x}", "blue.yml:6:14: environment:", "needs `conda_file`, `image` or `build`"),
            ("{conda_file: cond.yml}", "blue.yml:6:27: environment.conda_file:", "Did you mean `conda.yml`?"),
            ("{conda_file: [numpy]}", "blue.yml:6:27: environment.conda_file:", "a path or a conda environment"),
            ("{conda_file: code}", "blue.yml:6:27: environment.conda_file:", "is a folder"),
            ("{conda_file: broken.yml}", "broken.yml:2:1:", "not valid YAML"),
            ("{conda_file: wrong.yml}", "wrong.yml:2:5: dependencies.0:", ""),
            ("{conda_file: wrong.txt}", "wrong.txt:2:1:", ""),
            ("{os_type: windows, conda_file: conda.yml}", "blue.yml:6:24: environment.os_type:", "only linux"),
            (
                "{conda_file: conda.yml, image: x, inference_config: %s}",
                "blue.yml:6:14:",
                "`inference_config` of its own",
            ),
        ],
    )
    def test_what_is_wrong(self, loaded: Build, written: str, where: str, words: str) -> None:
        routes = ", ".join(f"{name}_route: {{port: 1, path: /}}" for name in ("liveness", "readiness", "scoring"))
        files = {
            "docker/Dockerfile": "FROM x",
            "broken.yml": "dependencies: [a\n",
            "wrong.yml": "dependencies:\n  - 5.5\n",
            "wrong.txt": "numpy\n-e ./local\n",
            "settings.yml": "kind: settings\nenvironments: {extra: {python: '3.10'}}\n",
            "blue.yml": HEAD + MODEL + CODE + "environment: " + written.replace("%s", f"{{{routes}}}") + "\n",
        }
        found = problem(loaded(files))
        assert found.startswith(where)
        assert words in found


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
             "blue.yml:1:1: type:", "must be kubernetes"),
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


class TestConda:
    """A real conda takes conda files as they are."""

    def test_packages_that_only_conda_has(self, repository: dict[str, bytes | str]) -> None:
        repository["conda.yml"] = "dependencies:\n  - python=3.10\n  - cudatoolkit=11.8\n"
        (problem,) = load("c", MemoryFiles(repository)).catalog.broken["shop"]
        assert str(problem).startswith("conda.yml:3:5: dependencies.1: only conda has `cudatoolkit`")
        found = load("c", MemoryFiles(repository), conda=True)
        environment = blue(found).recipe.environment
        assert (environment.python, environment.requirements) == ("3.10", ())
        assert json.loads(environment.conda or "") == {"dependencies": ["python=3.10", "cudatoolkit=11.8"]}
        changed = {**repository, "conda.yml": "dependencies: [python=3.10, cudnn]\n"}
        after = load("d", MemoryFiles(changed), found, Changes.of(["conda.yml"]), conda=True)
        assert "cudnn" in (blue(after).recipe.environment.conda or "")
        without = load("e", MemoryFiles(changed), after, Changes.of([]))
        assert set(without.catalog.broken) == {"shop"}
