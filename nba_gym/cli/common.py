"""What commands share: arguments, bars, policies by name or folder, answers for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

import nba_gym
from nba_gym.effort import PolicyEffort
from nba_gym.errors import BundleError, PolicyError, nearest
from nba_gym.scenario import Scenario

if TYPE_CHECKING:
    from nba_gym.evaluation.kit import Kit

Name = Annotated[str, tyro.conf.Positional]
"""An argument that is given by its place, without a flag."""
Given = Annotated[PolicyEffort, tyro.conf.OmitArgPrefixes]
"""What policies learn from and are tuned with; an argument for each."""
Json = Annotated[bool, tyro.conf.arg(help="print one JSON object for machines instead of text")]
"""Whether to answer in JSON; see :func:`answer`."""


def answer(command: str, result: Any, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print what a command found out, for people or for machines.

    For machines it is one JSON object on standard output and nothing else there: ``command``,
    ``version`` of nba_gym, and ``result``.

    Args:
        command: Name of the command.
        result: What was found out, as plain values.
        as_json: Whether a machine reads it.
        text: Tells the same to people.
    """
    if as_json:
        record = {"command": command, "version": nba_gym.__version__, "result": result}
        print(json.dumps(record, indent=2, allow_nan=False))
    else:
        print(text())


def answer_error(command: str, message: str) -> None:
    """The same envelope for a mistake: ``error`` in the place of ``result``."""
    print(json.dumps({"command": command, "version": nba_gym.__version__, "error": message}))


def whisper(line: str) -> None:
    """Tell people how it goes, beside the answer: on standard error."""
    print(line, file=sys.stderr, flush=True)


def say(step: str) -> None:
    """Tell people what is being done that takes a while."""
    whisper(f"... {step}")


def columns(rows: Sequence[Mapping[str, str]], left: tuple[str, ...] = ()) -> str:
    """A table as text: a heading, then a line a row; numbers to the right.

    Args:
        rows: Cells by heading, at least one row.
        left: Headings of columns that are text.
    """
    heads = list(rows[0])
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in heads}

    def line(cells: Mapping[str, str]) -> str:
        parts = [
            f"{cells[h]:<{widths[h]}}" if h in left else f"{cells[h]:>{widths[h]}}" for h in heads
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line({head: head for head in heads}), *(line(row) for row in rows)])


@dataclass(frozen=True)
class Chosen:
    """A policy that was asked for.

    Attributes:
        policy: The policy.
        scenario: The world it acts in.
        about: What identifies it, as plain values.
    """

    policy: Any
    scenario: Scenario
    about: dict[str, Any]


def find_policy(name: str, kit: Kit, *, as_it_is: bool = False) -> Chosen:
    """A policy by name, learned now if it has to learn, or an exported one by its folder.

    Args:
        name: One that ``nba-gym policies`` lists, or a folder with ``card.json``.
        kit: The world, and what is learned from there.
        as_it_is: Whether it must act in this very world, with nothing taken from the catalogue.

    Raises:
        PolicyError: If there is no such policy, or it acts in a world with other actions.
        BundleError: If the folder is damaged, or was made for another world.
    """
    from nba_gym.evaluation.contenders import CONTENDERS

    if name in CONTENDERS:
        each = CONTENDERS[name]
        if as_it_is and each.world(kit.scenario) != kit.scenario:
            raise PolicyError(f"policies must act in the world as it is, got {name!r}")
        learned = each.needs in ("campaign", "interaction") or name == "rollouts"
        numbers = ("campaign", "bandit", "tuning", "trials")
        about = {"name": name} | {n: getattr(kit, n) for n in numbers if learned}
        return Chosen(each.make(kit), each.world(kit.scenario), about)
    if (Path(name) / "card.json").is_file():
        return _exported(Path(name), kit.scenario)
    if Path(name).exists() or "/" in name:
        raise PolicyError(f"policy must be a name or a folder with card.json, got {name!r}")
    raise PolicyError(f"policy must be a known one, got {name!r}{nearest(name, CONTENDERS)}")


def _exported(folder: Path, scenario: Scenario) -> Chosen:
    from nba_gym.records.features import feature_table
    from nba_gym.serving import Engine

    policy = Engine(folder)
    wanted = {
        "actions": (policy.actions, [action.name for action in scenario.actions]),
        "features": (policy.features, [feature.name for feature, _ in feature_table(scenario)]),
    }
    for field, (made_for, names) in wanted.items():
        if made_for != names:
            other = next((n for n in made_for if n not in names), f"{len(made_for)} {field}")
            raise BundleError(
                f"policy must be made for the {field} of {scenario.name}, got {other!r} ({folder})"
            )
    return Chosen(policy, scenario, {"name": policy.name, "digest": policy.digest})


@contextmanager
def bars() -> Generator[Callable[[str, int, int], None], None, None]:
    """A bar a stage, with the time left where it is known; nothing where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    parts: list[Any] = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    parts += [TextColumn("left at most"), Remaining()]
    sizes: dict[str, tuple[Any, int]] = {}
    with Progress(*parts, console=console, disable=not console.is_terminal) as shown:

        def close() -> None:
            for task, size in sizes.values():
                shown.update(task, total=size, completed=size)

        def told(stage: str, done: int, total: int) -> None:
            if stage not in sizes:
                close()
                sizes[stage] = shown.add_task(stage, total=total or None), total or 1
            shown.update(sizes[stage][0], completed=done, total=total or None)

        yield told
        close()
