"""Where specs come from: the Git mirror and its watching."""
