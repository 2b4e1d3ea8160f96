"""The report: one HTML file that says who won, by how much, and how one knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from nba_gym.errors import DataError
from nba_gym.evaluation.compare import Comparison
from nba_gym.evaluation.report.answer import find_answer, find_roles
from nba_gym.evaluation.report.deeds import behaviour_figure, contact_figure
from nba_gym.evaluation.report.figure import Figure, Stage
from nba_gym.evaluation.report.journeys import CurvePoint, learning_figure, survival_figure
from nba_gym.evaluation.report.money import ledger_figure, persona_figure, value_figure
from nba_gym.evaluation.report.page import render_page

__all__ = ["CurvePoint", "write_report"]


def write_report(
    comparison: Comparison,
    path: str | Path,
    *,
    agent: str | None = None,
    privileged: Collection[str] = (),
    curve: Sequence[CurvePoint] | None = None,
    curve_unit: str = "transitions",
    curve_levels: Mapping[str, float] | None = None,
    curve_band: str = "the 95 % interval over them",
    title: str | None = None,
    notes: Iterable[str] = (),
    artefacts: Iterable[str | Path] = (),
) -> Path:
    """Write a comparison as one self-contained HTML file, the answer first.

    The answer is made from the numbers: the agent won if the 95 % interval of its paired
    difference to the baseline lies above 0, lost if below, and else nobody won.

    Args:
        comparison: What to report.
        path: The file; folders on the way are made.
        agent: Policy that the answer is about. By default the first one of the comparison that is
            neither the baseline nor privileged and does not just wait.
        privileged: Policies that see the hidden half of the customer.
        curve: Learning curve of the agent.
        curve_unit: What ``steps`` of the curve counts.
        curve_levels: Mean values to draw into the learning curve, by policy, best those of the same
            watched customers. By default those of the baseline and of policies that always wait,
            on the customers of the comparison; the caption says which.
        curve_band: What ``low`` and ``high`` of the curve are, for the caption.
        title: Heading of the page.
        notes: Sentences that the reader must know.
        artefacts: Paths of other files of the same run.

    Returns:
        The path written.

    Raises:
        DataError: If there are fewer than 2 customers.
        MissingExtraError: If matplotlib is not installed.
        PolicyError: If ``agent`` or ``privileged`` names an unknown policy.
    """
    roles = find_roles(comparison, agent, privileged)
    n = len(comparison.rollouts[roles.baseline].customers)
    if n < 2:
        raise DataError(f"a report needs at least 2 customers, got {n}")
    stage = Stage.of(comparison, roles)
    page = render_page(
        stage,
        find_answer(comparison, roles),
        _figures(stage, curve or (), curve_unit, curve_levels or {}, curve_band),
        title=title or f"Next best action in {comparison.scenario.name}",
        notes=list(notes),
        artefacts=[str(artefact) for artefact in artefacts],
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _figures(
    stage: Stage, curve: Sequence[CurvePoint], unit: str, levels: Mapping[str, float], band: str
) -> list[Figure]:
    """All figures that there are numbers for, in reading order."""
    figures = [value_figure(stage), ledger_figure(stage)]
    if len(curve) > 1:
        figures.append(learning_figure(stage, curve, unit, levels, band))
    figures += [survival_figure(stage), contact_figure(stage)]
    if any(run.by_state for run in stage.comparison.rollouts.values()):
        figures.append(behaviour_figure(stage))
    return [*figures, persona_figure(stage)]
