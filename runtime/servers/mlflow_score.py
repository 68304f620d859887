"""Scores an MLflow model under the inference server: Azure's request forms and MLflow's own."""
