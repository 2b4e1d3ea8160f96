"""A study as its report sees it: one scene for each world and variation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from nba_gym.errors import DataError
from nba_gym.evaluation.observed import Arrays
from nba_gym.evaluation.report.answer import Roles
from nba_gym.evaluation.report.figure import Cast, policy_styles
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics import Answer, answers, by_persona, over_customers
from nba_gym.records.ledger import LINES
from nba_gym.statistics import Interval

NOTHING = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """What happened in one variation of one world.

    Attributes:
        scenario: Name of the world.
        variation: Name of the variation.
        world: What the study tells of the world.
        cast: Who is shown, in which order and how.
        cells: Cells of each contender, a training seed each.
        answers: What may be said of each contender but the baseline.
        values: Value by contender.
        gaps: Difference to the baseline by contender.
        lines: Means of the ledger's lines by contender, over customers and seeds.
        periods: Arrays by period of each contender, one for each seed.
        personas: What is known by persona and contender.
        customers: How many everybody met.
    """

    scenario: str
    variation: str
    world: dict[str, Any]
    cast: Cast
    cells: dict[str, list[str]]
    answers: dict[str, Answer]
    values: dict[str, Interval]
    gaps: dict[str, Interval]
    lines: dict[str, dict[str, float]]
    periods: dict[str, list[Arrays]]
    personas: pl.DataFrame
    customers: int

    @property
    def key(self) -> str:
        """Names the scene within the page and in names of files."""
        return f"{self.scenario}--{self.variation}"

    @property
    def shown(self) -> list[str]:
        """The contender to look at closely, and the baseline."""
        return self.cast.roles.shown


def read_scenes(results: Results) -> list[Scene]:
    """All scenes that have a baseline and something beside it, in the order of the study.

    Raises:
        DataError: If there is none yet.
    """
    told = answers(results)
    personas = by_persona(results) if told else pl.DataFrame()
    places = dict.fromkeys((answer.scenario, answer.variation) for answer in told)
    scenes = [
        _scene(results, [a for a in told if (a.scenario, a.variation) == place], personas)
        for place in places
    ]
    if not scenes:
        raise DataError(
            f"study must have cells of a baseline and of something beside it, got "
            f"{len(results.records)} cells in {results.folder}"
        )
    return _same_looks(scenes)


def _scene(results: Results, told: Sequence[Answer], personas: pl.DataFrame) -> Scene:
    """The scene that some answers, all of one place, are about."""
    place = {"scenario": told[0].scenario, "variation": told[0].variation}
    baseline = told[0].baseline
    names = dict.fromkeys(results.cell(c)["contender"] for c in results.select(**place))
    cells = {name: results.select(**place, contender=name) for name in names}
    by_name = {answer.contender: answer for answer in told}
    customers = {n: [results.customers(cell) for cell in ids] for n, ids in cells.items()}
    base = np.mean([each["value"] for each in customers[baseline]], axis=0)
    values = {n: a.value for n, a in by_name.items()}
    values[baseline] = over_customers(base).interval()
    periods = {name: [results.periods(cell) for cell in ids] for name, ids in cells.items()}
    ranking = sorted(names, key=lambda name: -values[name].mean)
    world = results.world(cells[baseline][0])
    roles = _roles(results, cells, baseline, ranking, periods)
    cast = Cast(
        roles, ranking, policy_styles(list(names), roles), f"{world['currency']} per customer",
        world["period"],
    )  # fmt: skip
    return Scene(
        **place,
        world=world,
        cast=cast,
        cells=cells,
        answers=by_name,
        values=values,
        gaps={n: a.gain for n, a in by_name.items()} | {baseline: NOTHING},
        lines={
            name: {line: float(np.mean([each[line].mean() for each in several])) for line in LINES}
            for name, several in customers.items()
        },
        periods=periods,
        personas=personas.filter(
            (pl.col("scenario") == place["scenario"]) & (pl.col("variation") == place["variation"])
        ),
        customers=len(base),
    )


def _roles(
    results: Results,
    cells: dict[str, list[str]],
    baseline: str,
    ranking: Sequence[str],
    periods: dict[str, list[Arrays]],
) -> Roles:
    """Who is who: the subject is the best agent, or the best fair policy where none learned."""
    first = {name: results.cell(ids[0]) for name, ids in cells.items()}
    privileged = frozenset(name for name, cell in first.items() if cell["privileged"])
    idle = frozenset(
        name
        for name, seeds in periods.items()
        if first[name]["kind"] != "agent"  # an agent that only waits is a result to be seen
        and all(bool((arrays["actions"][:, 0] >= 1.0).all()) for arrays in seeds)
    )
    fair = [n for n in ranking if n not in privileged | idle and n != baseline]
    agents = [name for name in fair if first[name]["kind"] == "agent"]
    return Roles(next(iter([*agents, *fair]), None), baseline, privileged, idle)


def _same_looks(scenes: list[Scene]) -> list[Scene]:
    """A contender looks the same in all scenes: as in the one with most of them."""
    fullest = max(scenes, key=lambda scene: len(scene.cells))
    names = list(dict.fromkeys(n for scene in [fullest, *scenes] for n in scene.cells))
    roles = fullest.cast.roles
    idle = frozenset(n for scene in scenes for n in scene.cast.roles.idle)
    privileged = frozenset(n for scene in scenes for n in scene.cast.roles.privileged)
    styles = policy_styles(names, Roles(roles.subject, roles.baseline, privileged, idle))
    return [replace(scene, cast=replace(scene.cast, styles=styles)) for scene in scenes]
