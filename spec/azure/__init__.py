"""Azure ML's CLI v2 YAML, field by field."""
