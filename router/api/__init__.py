"""Envoy's own API descriptors, as extracted by `scripts/envoy_descriptors.py`."""
