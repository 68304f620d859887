"""From fields as written to an endpoint with everything resolved."""
