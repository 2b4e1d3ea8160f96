"""Make a card: simulate, draw, and write Markdown, JSON and figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from nba_gym.evaluation.card import groups, page, tables
from nba_gym.evaluation.card.bench import Bench, Say, Sizes
from nba_gym.evaluation.card.calibration import Row, calibration_rows, quick_numbers
from nba_gym.evaluation.card.figures import behaviour_figures, stage_of, tornado_figure
from nba_gym.evaluation.card.mechanisms import MECHANISMS, is_on
from nba_gym.evaluation.card.sensitivity import loyalty_elasticity, sensitivity
from nba_gym.evaluation.card.targets import Targets, load_targets
from nba_gym.evaluation.card.watch import Watched
from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.sheet import figure_sheet
from nba_gym.scenario.load import load_scenario, scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import mean_interval


@dataclass(frozen=True)
class Card:
    """A finished card.

    Attributes:
        scenario: What it describes.
        rows: The calibration table.
        paths: Files written.
    """

    scenario: Scenario
    rows: list[Row]
    paths: list[Path]

    @property
    def summary(self) -> str:
        """A line a target that is not inside its range, after one about them all."""
        missed = [row for row in self.rows if not row.is_inside]
        lines = [
            f"{self.scenario.name}: {len(self.rows) - len(missed)} of {len(self.rows)} targets"
        ]
        for row in missed:
            reached = "" if row.reached is None else f", reached {row.reached.mean:.4g}"
            lines.append(f"  {row.verdict}: {row.target.label}{reached} {row.problem}".rstrip())
        return "\n".join(lines)


def write_card(
    source: str | Path | Scenario,
    folder: str | Path = "docs/scenarios",
    *,
    sizes: Sizes | None = None,
    targets: str | Path | None = None,
    say: Say = lambda _: None,
) -> Card:
    """Write ``<name>.md``, ``<name>.json`` and figures.

    Args:
        source: Preset name, file or scenario.
        folder: Where to.
        sizes: How many customers; by default as for the cards that ship.
        targets: A file of targets of one's own.
        say: Told what is being done.

    Returns:
        What was written, and the calibration table.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        ScenarioError: If the scenario or its targets are not valid.
    """
    scenario, folder, sizes = load_scenario(source), Path(folder), sizes or Sizes()
    aims = load_targets(scenario.name, targets)
    bench = Bench(scenario, sizes, folder=folder, say=say)
    watched = {name: bench.watched(name) for name in bench.shown}
    stage = stage_of(scenario, bench.seed, watched)
    say("calibration targets")
    rows = calibration_rows(bench, aims.targets)
    figures = behaviour_figures(stage, watched)
    record = _record(bench, aims, rows, watched)
    lines = _opening(bench, rows) + page.behaviour(stage, watched)
    lines += page.pictures(scenario.name, figures)
    if scenario.tabular is None:
        more, drawn = _mechanics(bench, record)
        lines, figures = lines + more, figures | drawn
    else:
        lines += tables.exactly(bench, stage, record)
    lines += page.limits(aims.limits)
    return Card(scenario, rows, _write(scenario, folder, lines, record, figures))


def _opening(bench: Bench, rows: list[Row]) -> page.Lines:
    scenario = bench.scenario
    lines = page.head(scenario, bench.sizes, scenario_hash(scenario))
    if scenario.tabular is None:
        lines += page.catalogue(scenario) + page.mechanisms(scenario)
    return lines + page.calibration(rows, scenario.currency)


def _mechanics(bench: Bench, record: dict[str, Any]) -> tuple[page.Lines, dict[str, Figure]]:
    """What loyalty and each mechanism are worth; also into the record."""
    scenario, sizes = bench.scenario, bench.sizes
    loyal = loyalty_elasticity(bench)
    found = sensitivity(bench)
    record["loyalty"] = {name: asdict(each) for name, each in loyal.items()}
    record["sensitivity"] = [asdict(each) for each in found]
    figures = {"tornado": tornado_figure(found, scenario.currency)}
    lines = groups.moved(bench, record) + page.loyalty(loyal, sizes.targets, scenario.currency)
    lines += page.reactions(found, sizes.sensitivity) + page.pictures(scenario.name, figures)
    return lines, figures


def _record(
    bench: Bench, aims: Targets, rows: list[Row], watched: Mapping[str, Watched]
) -> dict[str, Any]:
    scenario, sizes = bench.scenario, bench.sizes
    bench.say("numbers that a test regenerates")
    record: dict[str, Any] = {
        "scenario": scenario.name,
        "version": scenario.version,
        "scenario_hash": scenario_hash(scenario),
        "seed": bench.seed,
        "first_customer": int(bench.customers(1)[0]),
        "sizes": asdict(sizes),
        "calibration": [row.record() for row in rows],
        "quick": quick_numbers(scenario, aims, sizes.quick),
        "behaviour": {name: _behaviour(scenario, each) for name, each in watched.items()},
    }
    if scenario.tabular is None:
        record["mechanisms_on"] = [each.name for each in MECHANISMS if is_on(each, scenario)]
    if bench.trials:
        best = max(bench.trials, key=lambda trial: trial.value)
        record["practice"] = {"trials": len(bench.trials), **asdict(best)}
    return record


def _behaviour(scenario: Scenario, watched: Watched) -> dict[str, Any]:
    run = watched.run
    columns = ("value", "lifetime", "purchases", "contacts", "opt_outs")
    found: dict[str, Any] = {name: mean_interval(getattr(run, name)) for name in columns}
    found["alive"] = run.alive
    found |= {f"{name}_by_period": each[0] for name, each in watched.series.items()}
    personas = {persona.name: run.persona == p for p, persona in enumerate(scenario.personas)}
    found["value_by_persona"] = {
        name: mean_interval(run.value[who]) for name, who in personas.items() if who.sum() > 1
    }
    return found


def _write(
    scenario: Scenario,
    folder: Path,
    lines: Iterable[str],
    record: dict[str, Any],
    figures: Mapping[str, Figure],
) -> list[Path]:
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{scenario.name}.md", folder / f"{scenario.name}.json"]
    text = "\n".join(lines).rstrip() + "\n"
    paths[0].write_text(text, encoding="utf-8")
    numbers = json.dumps(_plain(record), indent=1, allow_nan=False)
    paths[1].write_text(_on_one_line(numbers) + "\n", encoding="utf-8")
    for key, figure in figures.items():
        path = pictures / f"{scenario.name}-{key}.svg"
        path.write_text(figure_sheet(figure, 3 if figure.small else 2), encoding="utf-8")
        paths.append(path)
    return paths


def _plain(value: Any) -> Any:
    """Numbers, lists and tables that JSON knows; six digits, and null for what is no number."""
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {key: each if key == "quick" else _plain(each) for key, each in items}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in cast(list[Any], value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _on_one_line(text: str) -> str:
    """Lists of numbers on one line each, so that a change can be read."""
    numbers = re.compile(r"\[\s*((?:-?[\d.e+-]+|null)(?:,\s*(?:-?[\d.e+-]+|null))*)\s*\]")
    return numbers.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)
