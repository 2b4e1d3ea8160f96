"""The command that prints what a shell needs to complete the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

Shell = Annotated[Literal["bash", "zsh", "tcsh"], tyro.conf.Positional]


@dataclass(frozen=True)
class Completion:
    """Print a script with which a shell completes commands, options and choices.

    Try, for bash now and in every new shell:

    source <(nba-gym completion bash)

    nba-gym completion bash > ~/.local/share/bash-completion/completions/nba-gym

    For zsh, in a folder of its fpath:

    nba-gym completion zsh > ~/.zfunc/_nba-gym
    """

    shell: Shell
    """the shell that will read it"""

    def run(self) -> None:
        """Print the script."""
        from nba_gym.cli.command import COMMANDS

        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="nba-gym", args=["--tyro-print-completion", self.shell]
        )
