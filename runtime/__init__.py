"""Copies of a model server: environments, artifacts, replicas, probes, logs."""
