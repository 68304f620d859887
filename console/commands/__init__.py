"""The commands of `headgate`, one small module per group; heavy imports wait until a command runs."""
