"""What ``nba-gym`` says when it is asked for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nba_gym

_CHAPTERS = {
    "Look at a world": ("scenarios", "show", "features", "schema", "card"),
    "Let customers live": ("journey", "explore", "policies", "evaluate", "simulate", "off-policy"),
    "Fit a world to your own records": ("calibrate", "effects"),
    "Decide for real customers": ("export", "serve", "key", "decisions", "score"),
}
_START = """\
Begin here:
  nba-gym journey retail --customer 7     one customer's life, line by line
  nba-gym evaluate retail --policies random oracle
  nba-gym COMMAND --help                  every option, with examples"""


def overview(commands: Mapping[str, Any]) -> str:
    """All commands with the first line of what each does, by what they are for."""
    lines = [
        f"nba-gym {nba_gym.__version__}: a customer-journey simulator for next best action",
        "",
        _START,
    ]
    placed = {name for names in _CHAPTERS.values() for name in names}
    others = tuple(name for name in commands if name not in placed)
    for title, names in (_CHAPTERS | {"More": others}).items():
        lines += ["", f"{title}:"]
        for name in names:
            if name in commands:
                lines.append(f"  {name:<12} {_first_line(commands[name])}")
    return "\n".join(lines)


def _first_line(command: Any) -> str:
    return (command.__doc__ or "").strip().splitlines()[0]
