"""Variables that Headgate sets itself are warned of where a file sets them too."""

from collections.abc import Callable

from spec.loader import Loaded
from spec.problem import Severity
from tests.spec.commits import DEPLOYMENT
from tests.spec.shop import HEAD, MODEL

Build = Callable[..., Loaded]

SET = "environment_variables:\n  MINE: a\n  %s: /hunter2\n"


def test_a_variable_that_is_not_used_is_warned_of_in_the_deployments_file(loaded: Build) -> None:
    for name in ("AZUREML_MODEL_DIR", "AZUREML_ENTRY_SCRIPT", "HEADGATE_RELEASE", "SERVER_PORT"):
        found = loaded({"blue.yml": DEPLOYMENT + SET % name}).catalog
        assert set(found.endpoints) == {"shop"}
        (warning,) = found.warnings
        line = (DEPLOYMENT + SET).splitlines().index("  %s: /hunter2") + 1
        assert (warning.file, warning.line, warning.column) == ("blue.yml", line, 3)
        assert (warning.field, warning.severity) == (f"environment_variables.{name}", Severity.WARNING)
        assert warning.message.startswith(f"`{name}` is not used: Headgate sets this variable")
        assert "hunter2" not in str(warning)


def test_what_only_an_mlflow_model_has_set_is_free_elsewhere(loaded: Build) -> None:
    text = SET % "MLFLOW_MODEL_FOLDER"
    assert loaded({"blue.yml": DEPLOYMENT + text}).catalog.warnings == ()
    files = {"mlf/MLmodel": "flavors: {}", "mlf/conda.yaml": "dependencies: [python=3.10]"}
    mlflow = HEAD + MODEL.replace("model/model.pkl", "mlf, type: mlflow_model") + text
    found = loaded({**files, "blue.yml": mlflow}).catalog
    assert [one.field for one in found.warnings] == ["environment_variables.MLFLOW_MODEL_FOLDER"]


def test_the_warning_goes_with_the_variable(loaded: Build) -> None:
    assert loaded({"blue.yml": DEPLOYMENT + SET % "OTHER"}).catalog.problems == ()
