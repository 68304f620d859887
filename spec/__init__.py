"""What users write: models, loader, problems, release digest, schemas. Pure."""
