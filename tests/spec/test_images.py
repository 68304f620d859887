import pytest

from spec import images

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("mcr.microsoft.com/azureml/minimal-py311-inference:latest", "3.11"),
        ("mcr.microsoft.com/azureml/minimal-py312-inference", "3.12"),
        ("mcr.microsoft.com/azureml/minimal-py312-cuda12.4-inference:20250101.v1", "3.12"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest", "3.8"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", "3.9"),
        ("mcr.microsoft.com/azureml/curated/minimal-ubuntu20.04-py38-cpu-inference:3", "3.8"),
        ("mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference:20230306.v3", "3.8"),
        ("mcr.microsoft.com/azureml/mlflow-ubuntu20.04-py38-cpu-inference:1@" + DIGEST, "3.8"),
        ("MCR.microsoft.com/azureml/minimal-ubuntu18.04-py37-cuda11.0.3-gpu-inference", "3.7"),
    ],
)
def test_prebuilt_images(image: str, python: str) -> None:
    assert images.prebuilt_python(image) == python


@pytest.mark.parametrize(
    "image",
    [
        "mcr.microsoft.com/azureml/inference-base-2004:latest",
        "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest",
        "mcr.microsoft.com/azureml/curated/foundation-model-inference:85",
        "mcr.microsoft.com/azureml/curated/acpt-pytorch-1.11-py38-cuda11.5-gpu",
        "evil.example.com/azureml/minimal-py311-inference:latest",
        "evil.example.com/mcr.microsoft.com/azureml/minimal-py311-inference",
        "docker.io/me/minimal-py311-inference",
        "tensorflow/serving:latest",
        "",
    ],
)
def test_any_other_image_is_none(image: str) -> None:
    assert images.prebuilt_python(image) is None
    assert images.prebuilt_name(image) is None


def test_the_name_is_that_of_the_curated_environment() -> None:
    image = "mcr.microsoft.com/azureml/curated/mlflow-py312-inference:7"
    assert images.prebuilt_name(image) == "mlflow-py312-inference"
