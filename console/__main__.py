"""`python -m console`: the same as `headgate`."""

from console.cli import main

main()
