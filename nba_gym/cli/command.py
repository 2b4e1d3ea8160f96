"""One command of ``nba-gym``: found by its name, run, its mistakes told in one line."""

from __future__ import annotations

import os
import sys

import tyro

import nba_gym
from nba_gym.cli.common import answer_error
from nba_gym.cli.completion import Completion
from nba_gym.cli.explore import Explore
from nba_gym.cli.folders import Export, Score
from nba_gym.cli.off_policy import OffPolicy
from nba_gym.cli.overview import overview
from nba_gym.cli.policies import Evaluate, Journey, Policies
from nba_gym.cli.records import Calibrate, Effects
from nba_gym.cli.scenarios import Card, Features, Scenarios, Schema, Show
from nba_gym.cli.serving import Decisions, MakeKey, Serve
from nba_gym.cli.simulate import Simulate
from nba_gym.errors import NbaGymError, nearest

COMMANDS = {
    "scenarios": Scenarios,
    "show": Show,
    "schema": Schema,
    "features": Features,
    "journey": Journey,
    "policies": Policies,
    "evaluate": Evaluate,
    "simulate": Simulate,
    "off-policy": OffPolicy,
    "explore": Explore,
    "calibrate": Calibrate,
    "card": Card,
    "effects": Effects,
    "serve": Serve,
    "key": MakeKey,
    "decisions": Decisions,
    "export": Export,
    "score": Score,
    "completion": Completion,
}
"""What can be asked for, by name, in the order of the help."""


def main() -> None:
    """Entry point of ``nba-gym``; a user's mistake is one line, not a traceback."""
    try:
        try:
            _run_command(sys.argv[1:])
        finally:
            sys.stdout.flush()  # also the text of --help, which ends with SystemExit
    except BrokenPipeError:
        # whoever read has gone, as in `nba-gym show retail | head`: Python must not try again when
        # it ends; a process that the signal had ended would say 128 + 13
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


def _run_command(arguments: list[str]) -> None:
    if not arguments:
        print(overview(COMMANDS))
        return
    if arguments == ["--version"]:
        print(f"nba-gym {nba_gym.__version__}")
        return
    name = arguments[0]
    if not name.startswith("-") and name not in COMMANDS:
        raise SystemExit(f"error: command must be a known one, got {name!r}{_hint(name)}")
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS, prog="nba-gym", description="A customer-journey simulator for next best action."
    )
    try:
        command.run()
    except (NbaGymError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        message = str(error) if isinstance(error, NbaGymError) else _of_file(error)
        if getattr(command, "json", False):
            answer_error(name, message)
        raise SystemExit(f"error: {message}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _hint(name: str) -> str:
    return f"{nearest(name, COMMANDS)} (nba-gym alone says what each does)"


def _of_file(error: OSError) -> str:
    """What the system says of a file, as one of our own messages."""
    told = (error.strerror or str(error)).lower()
    if error.filename is None:
        return f"the system must let us work, got: {told}"
    return f"file must be there and open to us, got {str(error.filename)!r}: {told}"
