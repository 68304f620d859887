"""Scores patients with whichever scikit-learn model the deployment names."""

import json
import os
from pathlib import Path

import joblib
import numpy as np

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")

model = None


def init():
    global model
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).glob("*.joblib")
    model = joblib.load(path)
    print(f"{path.name} is loaded", flush=True)


def run(raw_data):
    patients = json.loads(raw_data)["patients"]
    rows = np.array([[patient[name] for name in FEATURES] for patient in patients], dtype=float)
    return {"progression": [round(float(value), 1) for value in model.predict(rows)]}
