"""Makes the MLflow model in model/, in an environment with the packages of model/requirements.txt."""

import shutil
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

REQUIREMENTS = [
    "mlflow-skinny==2.22.1",
    "scikit-learn==1.5.2",
    "numpy==1.26.4",
    "scipy==1.13.1",
    "pandas==2.2.3",
    "cloudpickle==3.1.1",
]

iris = load_iris(as_frame=True)
species = iris.target.map(dict(enumerate(iris.target_names)))
model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(iris.data, species)
folder = Path(__file__).with_name("model")
shutil.rmtree(folder, ignore_errors=True)
mlflow.sklearn.save_model(
    model,
    folder,
    signature=infer_signature(iris.data, model.predict(iris.data)),
    conda_env={
        "name": "iris",
        "channels": ["conda-forge"],
        "dependencies": ["python=3.11", "pip", {"pip": REQUIREMENTS}],
    },
)
