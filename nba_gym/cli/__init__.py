"""The command line: ``nba-gym``."""

from nba_gym.cli.command import COMMANDS, main

__all__ = ["COMMANDS", "main"]
