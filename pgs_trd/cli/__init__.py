"""The command line: one thin function a command."""

from pgs_trd.cli.app import main

__all__ = ["main"]
