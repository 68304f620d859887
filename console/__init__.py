"""What people touch: command line, HTTP API, and the wiring of everything."""
