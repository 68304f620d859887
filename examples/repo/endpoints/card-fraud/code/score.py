"""Scores card payments with a small logistic scorecard."""

import json
import math
import os
from pathlib import Path

from azureml_inference_server_http.api.aml_response import AMLResponse

NIGHT = range(6)
NEW_CARD_DAYS = 30

scorecard: dict = {}
review_above = 0.5


def init():
    global scorecard, review_above
    scorecard = json.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "scorecard.json").read_text())
    review_above = float(os.environ.get("REVIEW_ABOVE", "0.5"))
    print(f"scorecard with {len(scorecard['weights'])} weights is loaded", flush=True)


def run(raw_data):
    try:
        payments = json.loads(raw_data)["payments"]
        return [judge(payment) for payment in payments]
    except (KeyError, TypeError, ValueError) as error:
        message = f"expected {{'payments': [{{'amount': 12.5, 'hour': 14, …}}]}}: {error!r}"
        return AMLResponse({"message": message}, 400, json_str=True)


def judge(payment):
    score = scorecard["intercept"] + sum(
        weight * value for weight, value in zip(scorecard["weights"].values(), features(payment), strict=True)
    )
    probability = 1 / (1 + math.exp(-score))
    return {"probability": round(probability, 4), "review": probability > review_above}


def features(payment):
    return (
        math.log10(1 + payment["amount"]),
        payment["hour"] in NIGHT,
        payment["country"] != payment["card_country"],
        payment["card_age_days"] < NEW_CARD_DAYS,
        payment["payments_last_hour"],
    )
