"""The command line: `archloom --help`."""

from archloom.cli._main import main

__all__ = ["main"]
