"""Makes ridge.joblib and boosting.joblib, in an environment made from environments/sklearn-conda.yml.

The data is scikit-learn's copy of the study by Efron et al. (2004): 442 patients, their measurements, and how far
their diabetes had progressed a year later.
"""

from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = {
    "ridge": make_pipeline(StandardScaler(), Ridge(alpha=1.0)),
    "boosting": GradientBoostingRegressor(n_estimators=30, max_depth=2, learning_rate=0.15, random_state=0),
}

measurements, progression = load_diabetes(return_X_y=True, scaled=False)
for name, model in MODELS.items():
    quality = cross_val_score(model, measurements, progression, scoring="r2").mean()
    path = Path(__file__).with_name(f"{name}.joblib")
    joblib.dump(model.fit(measurements, progression), path, compress=9)
    print(f"{path.name}: R² {quality:.3f} in cross-validation, {path.stat().st_size} bytes")
