"""``docs/learning_curves.md`` and the files under ``docs/curves``, from the numbers alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.curves_figure import curves_figure, lines_across
from experiments.pages import as_json, in_percent, signed, write_text
from nba_gym.errors import PolicyError
from nba_gym.evaluation.card.page import table
from nba_gym.evaluation.report.figure import readable
from nba_gym.evaluation.report.sheet import figure_sheet
from nba_gym.statistics import Interval, seed_interval

PAGE, FOLDER = "learning_curves.md", "curves"
HEADS = ("recipe", "seeds", "transitions", "seconds", "value", "gain", "gain (%)", "wins")
COMMAND = "python -m experiments.curves"
INTRODUCTION = """\
How each recipe learns in each scenario, over training seeds. A curve is the value per customer of
the greedy policy of the averaged weights, on customers who are watched during training and not
learned from; they are the same for all seeds, recipes and lines of a figure. Its band is Student's
95 % interval over seeds: it speaks of other seeds, not of other customers. Transitions include
imitated decisions and those from which only a critic learns; time does not include watching. A
curve that begins below its panel enters it later.

Lines across are greedy practice, tuned once for a scenario, with its 95 % interval over customers,
and the myopic oracle, which sees the hidden half. Practice and agents meet the same customers with
the same luck, so the tables tell smaller differences apart than these intervals suggest. A scenario
that is given as tables has no campaign to learn practice from. There the lines are the myopic
oracle, which takes what earns most at once and knows every probability, and the exact optimum;
agents are compared with the former, and recipes that imitate practice are left out.

The tables are of the policy that was kept, on customers that nothing else
looks at. *Gain* is its difference to the former line, paired by customer: the mean over seeds with
Student's 95 % interval over seeds. A seed *wins* if the 95 % interval over customers of its gain
lies above 0."""
Record = Mapping[str, Any]


def write_pages(record: Record, docs: Path) -> list[Path]:
    """Write numbers and figures of one scenario, and the page of all that have numbers.

    Returns:
        The files written.
    """
    folder = docs / FOLDER
    texts = {folder / f"{record['scenario']}.json": as_json(record)}
    texts |= {folder / name: text for name, text in drawings(record).items()}
    for path, text in texts.items():
        write_text(path, text)
    write_text(docs / PAGE, page(read_records(docs)))
    return [*texts, docs / PAGE]


def drawings(record: Record) -> dict[str, str]:
    """The figures of one scenario, by file name."""
    name = record["scenario"]
    files = {f"{name}.svg": "steps", f"{name}-seconds.svg": "seconds"}
    return {file: figure_sheet(curves_figure(record, by), 3) for file, by in files.items()}


def read_records(docs: Path) -> list[Record]:
    """The numbers of all scenarios, by name."""
    return [json.loads(path.read_text()) for path in sorted((docs / FOLDER).glob("*.json"))]


def read_record(docs: Path, scenario: str) -> Record | None:
    """The numbers of one scenario, if there are any."""
    path = docs / FOLDER / f"{scenario}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def check_alike(before: Record, about: Record) -> None:
    """Refuse curves that cannot be put beside those that are there.

    Args:
        before: What is there.
        about: What the new curves are made with: all of their record but levels and recipes.

    Raises:
        PolicyError: If something but the code differs that curves depend on.
    """
    for key in set(about) - {"source"}:
        had, has = (json.loads(as_json(one)).get(key) for one in (before, about))
        if had != has:
            where = f"{FOLDER}/{about['scenario']}.json"
            raise PolicyError(f"{key} must be {had}, as {where} has it, to add to it, got {has}")


def beside(record: Record, before: Record) -> dict[str, Any]:
    """Numbers that are there, and those of other recipes; which code each was made with stays."""
    source = record["source"]
    added = {kind: {**one, "source": source} for kind, one in record["recipes"].items()}
    return {**before, "recipes": {**before["recipes"], **added}}


def page(records: Sequence[Record]) -> str:
    """The text of the page."""
    lines = [
        "# Learning curves",
        "",
        f"*Written by `{COMMAND}`; do not edit. Every number is also in the JSON file of its "
        f"scenario under [{FOLDER}/]({FOLDER}).*",
        "",
        INTRODUCTION,
        "",
    ]
    for record in records:
        lines += section(record)
    return "\n".join(lines).rstrip() + "\n"


def section(record: Record) -> list[str]:
    """What the page says of one scenario."""
    name, unit = record["scenario"], record["currency"]
    rival = next(iter(lines_across(record)))
    seeds = "1 training seed" if record["seeds"] == 1 else f"{record['seeds']} training seeds"
    budget = f"{record['steps']:,} transitions for" if record["steps"] else "that of"
    workers, cores = record["workers"], record["cores"]
    lines = [
        f"## {readable(name)}",
        "",
        f"Version {record['scenario_version']} of the scenario (`{record['scenario_hash']}`), "
        f"{record['horizon']} {record['period']}s. {seeds}; budget: {budget} each recipe, "
        f"imitation not counted; {workers} at a time on {cores} cores, one torch "
        f"thread each. {_of_practice(record)} {record['watched']:,} customers are watched, "
        f"{record['customers']:,} are in the table; {unit} per customer. "
        f"[All numbers]({FOLDER}/{name}.json).",
        "",
        f"![Value by transitions in {readable(name)}]({FOLDER}/{name}.svg)",
        "",
        f"![Value by seconds in {readable(name)}]({FOLDER}/{name}-seconds.svg)",
        "",
    ]
    level = record["levels"][rival]["held_out"][0]
    ranked = sorted(record["recipes"].items(), key=lambda one: -_gain(one[1]["trainings"]).mean)
    rows = [row(kind, one["trainings"], level) for kind, one in ranked]
    for policy, groups in record["levels"].items():
        mean, low, high = groups["held_out"]
        told = f"{mean:.2f} [{low:.2f}, {high:.2f}]"
        rows.append([f"*{policy}*", "", "", "", told, "", "", ""])
    lines += table(HEADS, rows)
    if record["seeds"] == 1:
        lines += ["Of one seed, bands and intervals are over customers, not over seeds.", ""]
    return lines


def _of_practice(record: Record) -> str:
    """What practice was given."""
    practice = record["practice"]
    if not practice:
        return "Given as tables, so gains are over the myopic oracle."
    return (
        f"Practice learned from a campaign of {practice['campaign']:,} customers and was tuned in "
        f"at most {practice['trials']} trials on {practice['tuning']:,}."
    )


def row(kind: str, trainings: Sequence[Record], level: float) -> list[str]:
    """One recipe in the table of a scenario; ``level`` is what practice earns."""
    steps = {one["steps"][-1] for one in trainings}
    seconds = float(np.median([one["seconds"][-1] for one in trainings]))
    value = float(np.mean([one["held_out"][0] for one in trainings]))
    gain = _gain(trainings)
    share = in_percent(gain, level)
    return [
        f"`{kind}`",
        str(len(trainings)),
        " to ".join(f"{x:,}" for x in sorted({min(steps), max(steps)})),
        f"{seconds:.0f}",
        f"{value:.2f}",
        signed(gain),
        signed(share, " %"),
        f"{sum(one['won'] for one in trainings)} of {len(trainings)}",
    ]


def _gain(trainings: Sequence[Record]) -> Interval:
    """Over seeds; of one seed, over customers."""
    if len(trainings) == 1:
        return Interval(*trainings[0]["gain"])
    return seed_interval(np.array([one["gain"][0] for one in trainings]))
