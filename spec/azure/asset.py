"""Fields of model and environment YAML, in files of their own or inline in a deployment."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from spec.fields import Facts, Int, Str, Strict, Words, choice, reject

MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")


class TemplateReference(Strict):
    """A deployment template of Azure's registry; taken and ignored."""

    asset_id: Str = ""


class InlineModel(Strict):
    """A model inside a deployment; name and version are optional."""

    dropped = (
        "$schema", "id", "utc_time_created", "creation_context", "job_name", "latest_version",
        "intellectual_property",
    )  # fmt: skip

    name: Str = Field(default="", description="The model's name; part of `AZUREML_MODEL_DIR`.")
    version: Words = Field(default="", description="The model's version; `1` where none is given.")
    path: Str = Field(default="", description="File or folder, relative to this YAML file.")
    type: Annotated[str, choice(*MODEL_TYPES)] = Field(
        default="custom_model", description="`mlflow_model` and `triton_model` need no code."
    )
    description: Str = Field(default="", description="What the model is.")
    tags: Facts = Field(default={}, description="Tags of your own.")
    properties: Facts = Field(default={}, description="Properties of your own.")
    stage: Str = Field(default="", description="A stage of your own, such as `Production`; not used.")
    flavors: Facts = Field(default={}, description="MLflow flavors; not used.")
    datastore: Str = Field(default="", description="Azure's datastore for uploads; not used.")
    system_metadata: Facts = Field(default={}, description="Azure's own; not used.")
    default_deployment_template: TemplateReference | None = Field(default=None, description="Azure's own; not used.")
    allowed_deployment_templates: list[TemplateReference] = Field(default=[], description="Azure's own; not used.")

    @model_validator(mode="after")
    def check_name(self) -> "InlineModel":
        """Refuse a version of nothing, as Azure does."""
        if "version" in self.model_fields_set and not self.name:
            message = "has a `version` and no `name`: give it a name, or leave the version out."
            raise reject(message, "name", found=f"version: {self.version}")
        return self


class ModelFile(InlineModel):
    """A model YAML file: what `azureml:NAME:VERSION` finds."""

    name: Str = Field(description="The model's name, as `azureml:NAME:VERSION` names it.")


class Build(Strict):
    """A Docker build context."""

    path: Str = Field(default="", description="Folder with the Dockerfile, relative to this YAML file.")
    dockerfile_path: Str = Field(default="Dockerfile", description="The Dockerfile, within the folder.")


class Route(Strict):
    """A path and port inside the container."""

    path: Str = Field(description="HTTP path.")
    port: Int = Field(description="Port.")


class InferenceRoutes(Strict):
    """Where a custom container answers; all three are required."""

    liveness_route: Route
    readiness_route: Route
    scoring_route: Route


class InlineEnvironment(Strict):
    """An environment inside a deployment: an image, a build, a conda file."""

    dropped = ("$schema", "id", "creation_context", "latest_version", "intellectual_property")

    name: Str = Field(default="", description="The environment's name.")
    version: Words = Field(default="", description="The environment's version; `1` where none is given.")
    description: Str = Field(default="", description="What the environment is for.")
    image: Str = Field(default="", description="Container image; with `conda_file` only the base image.")
    build: Build | None = Field(default=None, description="Docker build; instead of `image`.")
    conda_file: Any = Field(
        default="", description="Path of a conda or requirements file, or a conda environment written here."
    )
    inference_config: InferenceRoutes | None = Field(default=None, description="Routes of a custom container.")
    os_type: Annotated[str, choice("linux", "windows")] = Field(default="linux", description="Operating system.")
    tags: dict[Str, Any] = Field(default={}, description="Tags of your own.")
    datastore: Str = Field(default="", description="Azure's datastore for uploads; not used.")
    auto_delete_setting: Any = Field(default="", description="Azure's own; not used.")

    @model_validator(mode="before")
    @classmethod
    def check(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        """Refuse a conda environment in the place of an environment."""
        if isinstance(data, dict) and ("channels" in data or "dependencies" in data):
            raise reject(
                "is a conda environment itself (`channels`, `dependencies`): put it below the key `conda_file`.",
                "image, build, conda_file",
                found=", ".join(sorted(map(str, data))),
            )
        return data


class EnvironmentFile(InlineEnvironment):
    """An environment YAML file: what `azureml:NAME:VERSION` finds."""

    name: Str = Field(description="The environment's name, as `azureml:NAME:VERSION` names it.")
