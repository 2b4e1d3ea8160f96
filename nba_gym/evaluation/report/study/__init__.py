"""The report of a study: the answer first, then every world, in one self-contained file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np

from nba_gym.evaluation.report.deeds import draw_behaviour
from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.money import PersonaRow, draw_ledger, draw_personas, draw_values
from nba_gym.evaluation.report.picture import save_pictures
from nba_gym.evaluation.report.study import over_time
from nba_gym.evaluation.report.study.overall import (
    frontier_figure,
    gains_figure,
    lead_scenes,
    profile_figure,
    say_variation,
    sensitivity_figures,
)
from nba_gym.evaluation.report.study.page import render_study
from nba_gym.evaluation.report.study.scene import NOTHING, Scene, read_scenes
from nba_gym.evaluation.report.study.tables import save_tables
from nba_gym.evaluation.report.study.words import find_words
from nba_gym.evaluation.results import Results, load_results
from nba_gym.files import whole_file, whole_folder
from nba_gym.statistics import Interval

__all__ = ["write_study_report"]
Pictures = Literal["leading", "all", "none"]
REPORT, FIGURES, TABLES = "report.html", "figures", "tables"
_VALUES = (
    "Interquartile mean over training seeds, or the mean where nothing is trained, with 95 % "
    "intervals over other seeds and other customers. The difference is taken customer by customer, "
    "on the same luck: it is the fair comparison."
)


def write_study_report(
    folder: str | Path,
    *,
    pictures: Pictures = "leading",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the report of a study into its folder, finished or not.

    Args:
        folder: The folder of the study.
        pictures: Which figures are also written as SVG, PDF and PNG files, with all tables as CSV
            and LaTeX, beside the report: those over all worlds and those of each world as it is
            (``leading``), also those of each other variation (``all``), or ``none``, and then no
            tables either. Those of an earlier report go in any case.
        progress: Called with how many worlds are drawn, and how many there are.

    Returns:
        The path of ``report.html``.

    Raises:
        DataError: If it is not the folder of a study, or there is nothing to compare yet.
        MissingExtraError: If matplotlib is not installed.
    """
    results = load_results(folder)
    scenes = read_scenes(results)
    common = common_figures(results, scenes)
    saved = {"all": scenes, "leading": lead_scenes(scenes), "none": []}[pictures]
    done, steps = count(1), len(scenes) + len(saved)
    tell = progress or _tell_nobody
    figures: dict[str, list[Figure]] = {}
    for scene in scenes:
        figures[scene.key] = scene_figures(results, scene)
        tell(next(done), steps)
    target = results.folder / REPORT
    page = render_study(results, scenes, find_words(results, scenes), common, figures)
    with whole_file(target) as draft:
        draft.write_text(page, encoding="utf-8")
    if pictures != "none":
        with whole_folder(results.folder / FIGURES) as draft:
            save_pictures(common, draft)
            for scene in saved:
                save_pictures(figures[scene.key], draft, f"{scene.key}--")
                tell(next(done), steps)
        with whole_folder(results.folder / TABLES) as draft:
            save_tables(results, scenes, draft)
    else:  # those of an earlier report would contradict this one
        for beside in (FIGURES, TABLES):
            shutil.rmtree(results.folder / beside, ignore_errors=True)
    return target


def _tell_nobody(done: int, steps: int) -> None:
    pass


def common_figures(results: Results, scenes: Sequence[Scene]) -> list[Figure]:
    """Figures over all worlds."""
    told = say_variation(scenes)
    leading = [gains_figure(lead_scenes(scenes)), profile_figure(results, scenes)]
    found = [replace(each, title=each.title + told) for each in leading if each is not None]
    return [*found, frontier_figure(results, scenes), *sensitivity_figures(scenes)]


def scene_figures(results: Results, scene: Scene) -> list[Figure]:
    """Figures of one world, in reading order."""
    cast, key = scene.cast, f"{scene.key}-"
    found = [
        draw_values(cast, scene.values, scene.gaps, _VALUES, key),
        draw_ledger(cast, scene.lines, scene.values, scene.gaps, key),
        over_time.money(scene),
        over_time.survival(scene),
        *over_time.channels(scene),
        over_time.learning(scene, results),
        _behaviour(scene),
        _personas(scene),
        over_time.feelings(scene),
        over_time.seasons(scene),
    ]
    return [figure for figure in found if figure is not None]


def _behaviour(scene: Scene) -> Figure | None:
    tables = {
        name: {
            str(state): np.sum([arrays["state_kinds"][i] for arrays in scene.periods[name]], axis=0)
            for i, state in enumerate(scene.periods[name][0]["states"])
        }
        for name in scene.shown
    }
    if not any(tables.values()):
        return None
    return draw_behaviour(tables, set(scene.world["kinds"]), scene.cast.period, f"{scene.key}-")


def _personas(scene: Scene) -> Figure | None:
    rows: list[PersonaRow] = []
    for persona in scene.world["personas"]:
        known = {r["contender"]: r for r in scene.personas.to_dicts() if r["persona"] == persona}
        gaps = {
            name: Interval(r["gain"], r["gain_low"], r["gain_high"]) for name, r in known.items()
        }
        if known:
            share = next(iter(known.values()))["share"]
            gaps = {name: gaps.get(name, NOTHING) for name in scene.cast.ranking}
            contact = [
                {
                    name: Interval(r[key], r[f"{key}_low"], r[f"{key}_high"])
                    for name, r in known.items()
                }
                for key in ("contacts", "opt_outs")
            ]
            rows.append(PersonaRow(persona, round(share * scene.customers), {}, gaps, contact))
    if len(rows) < 2:
        return None
    caption = "With 95 % intervals over training seeds and the customers of a persona."
    told = [("Contacts", "per customer and journey"), ("Opt-outs", "per customer and journey")]
    return draw_personas(scene.cast, rows, caption, f"{scene.key}-", told)
