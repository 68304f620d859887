"""The variables of a replica that Headgate sets itself, whatever `environment_variables` says."""

from spec.release import Recipe, Server

ENTRY_SCRIPT, MODEL_FOLDER = "AZUREML_ENTRY_SCRIPT", "MLFLOW_MODEL_FOLDER"
_ALWAYS = frozenset(
    {
        *("AML_APP_ROOT", "AZUREML_MODEL_DIR", "SERVER_PORT", "HEALTH_PORT"),
        *("HEADGATE_REQUEST_TIMEOUT_MS", "HEADGATE_INSTALLATION", "HEADGATE_RELEASE", "HEADGATE_REPLICA"),
    }
)


def unsettable(recipe: Recipe) -> frozenset[str]:
    """Names whose value Headgate decides: a user's would point at paths and ports of Azure's own container."""
    if recipe.server is Server.MLFLOW:
        return _ALWAYS | {ENTRY_SCRIPT, MODEL_FOLDER}
    return _ALWAYS if recipe.code is None else _ALWAYS | {ENTRY_SCRIPT}
