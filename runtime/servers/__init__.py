"""Files that run inside a replica's environment, never in Headgate's: they are copied into each release."""
