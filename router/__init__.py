"""Who gets which share: route table, Envoy resources, xDS, keys, TLS."""
