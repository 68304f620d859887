"""References and paths of models, code and environments: from fields to what a recipe holds."""

import json

import pytest

from spec.files import Changes
from spec.loader import load
from spec.release import Server
from tests.spec.commits import MemoryFiles
from tests.spec.shop import CODE, ENVIRONMENT, HEAD, MODEL, Build, blue, problem

PREBUILT = "mcr.microsoft.com/azureml/minimal-py311-inference:latest"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


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
            ("{path: model/modle.pkl}", "blue.yml:4:15: model.path:", "Did you mean `model/model.pkl`?"),
            ("{path: ../x}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: model/../../repo/x}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: /etc/passwd}", "blue.yml:4:15: model.path:", "leaves the repository"),
            ("{path: link}", "blue.yml:4:15: model.path:", "`link` is a symlink"),
            ("{path: link/x/y}", "blue.yml:4:15: model.path:", "`link` is a symlink"),
            ("{path: sub/x}", "blue.yml:4:15: model.path:", "`sub` is a submodule"),
            ("{path: deep}", "blue.yml:4:15: model.path:", "contains the symlink `deep/link`"),
            ("{name: a/b, path: model}", "blue.yml:4:15: model.name:", "part of a path"),
            ("{name: .., path: model}", "blue.yml:4:15: model.name:", "part of a path"),
            ("{name: x}", "blue.yml:4:8: model.path:", "`path` is missing"),
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
            "m/m.yml:2:7: path: `path` names `modle`, which is not in the repository. Did you mean `../model`?"
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
            ("{image: my/own:1}", "blue.yml:6:14: environment:", "the runtime to use is `docker` or `kubernetes`"),
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
