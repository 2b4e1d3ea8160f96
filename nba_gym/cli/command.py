"""One command of ``nba-gym``: found by its name, run, its mistakes told in one line."""

from __future__ import annotations

import os
import sys

import tyro

from nba_gym.cli.explore import Explore
from nba_gym.cli.folders import Export, Score
from nba_gym.cli.policies import Evaluate, Journey, Policies
from nba_gym.cli.records import Calibrate, Effects
from nba_gym.cli.scenarios import Card, Features, Scenarios, Schema, Show
from nba_gym.cli.serving import Decisions, MakeKey, Serve
from nba_gym.cli.simulate import Simulate
from nba_gym.errors import NbaGymError

COMMANDS = {
    "scenarios": Scenarios,
    "show": Show,
    "schema": Schema,
    "features": Features,
    "journey": Journey,
    "policies": Policies,
    "evaluate": Evaluate,
    "simulate": Simulate,
    "explore": Explore,
    "calibrate": Calibrate,
    "card": Card,
    "effects": Effects,
    "serve": Serve,
    "key": MakeKey,
    "decisions": Decisions,
    "export": Export,
    "score": Score,
}
"""What can be asked for, by name, in the order of the help."""


def main() -> None:
    """Entry point of ``nba-gym``; a user's mistake is one line, not a traceback."""
    try:
        try:
            _run_command()
        finally:
            sys.stdout.flush()  # also the text of --help, which ends with SystemExit
    except BrokenPipeError:
        # whoever read has gone, as in `nba-gym show retail | head`: Python must not try again when
        # it ends; a process that the signal had ended would say 128 + 13
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


def _run_command() -> None:
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog="nba-gym", description="A customer-journey simulator for next best action."
    )
    try:
        command.run()
    except NbaGymError as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f", got {error.filename!r}" if error.filename else ""
        told = (error.strerror or str(error)).lower()
        raise SystemExit(f"error: a file must be there and usable{where}: {told}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
