"""What the examples refer to: the same files for Azure's loader, on disk, and for Headgate's, in memory."""

from collections.abc import Mapping

CONDA = """\
name: env
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=2.3.1
  - pip:
      - azureml-inference-server-http
"""

ENVIRONMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
name: shared
version: 3
image: mcr.microsoft.com/azureml/minimal:latest
conda_file: ../conda.yml
"""

MLMODEL = "flavors:\n  python_function: {}\n"

FILES: Mapping[str, str] = {
    "conda.yml": CONDA,
    "folder/conda.yml": CONDA,
    "folder/environment.yml": ENVIRONMENT,
    "nameless.yml": "image: mcr.microsoft.com/azureml/minimal:latest\n",
    "broken.yml": "dependencies: [numpy\n",
    "list.yml": "- numpy\n",
    "only-conda.yml": "dependencies: [{npm: [left-pad]}]\n",
    "requirements.txt": "numpy==2.3.1\npandas\n",
    "model/model.pkl": "model",
    "model/more/weights.bin": "weights",
    "mlflow/MLmodel": MLMODEL,
    "mlflow/conda.yaml": CONDA,
    "code/score.py": "def init():\n    pass\n\n\ndef run(data):\n    return data\n",
    "docker/Dockerfile": "FROM scratch\n",
    "docker/other/Dockerfile.gpu": "FROM scratch\n",
}
