"""`python -m archloom` is the `archloom` command."""

from archloom.cli import main

main()
