"""The report of a calibration: one HTML page, simulated beside actual customers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from nba_gym.calibration.left_alone import TOP
from nba_gym.calibration.own_records import Calibration, numbers_told, spend_told
from nba_gym.calibration.retained import ContractCalibration
from nba_gym.calibration.validation import Series
from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.page import (
    render_document,
    render_figure,
    render_list,
    render_section,
)
from nba_gym.evaluation.report.painters import Line, paint_bars, paint_lines
from nba_gym.evaluation.report.svg import Style, colour, panel

_ACTUAL, _SIMULATED, _FITTED = Style("idle"), Style("agent", "o"), Style("baseline", "D")
_ACTUAL_LINE = Style("ink", "s")
_FITTED_LINE = Style("baseline", "D", (7.0, 2.5))
_INTERVAL = (
    "The interval is where 19 of 20 cohorts of as many customers would lie if the fitted world "
    "were true. It holds the luck of a cohort and of the simulation, not the errors of the "
    "estimates."
)


def purchase_page(result: Calibration) -> str:
    """The page of a world fitted to transactions."""
    cohort, found, title = result.cohort, result.validation, result.model.title
    after = found.holdout
    bars = found.bars
    histogram = Series(
        np.arange(TOP + 1.0),
        *(np.array([getattr(b, k) for b in bars], dtype=np.float64) for k in _COLUMNS),
    )
    inside = histogram.inside()[0]
    facts = [
        f"{inside} of {len(bars)} classes of the histogram lie inside their interval, and "
        f"{found.weekly.inside()[0]} of {found.weekly.inside()[1]} {cohort.unit}s.",
        f"{title}: {numbers_told(result.model.estimates(result.purchases))}; log-likelihood "
        f"{result.purchases.log_likelihood:,.2f}.",
        f"Written into the world, by simulated moments: {numbers_told(result.written)}.",
    ]
    if result.spend is not None:
        told = spend_told(result.spend, result.scenario.currency)
        facts.append(f"{told[0].upper()}{told[1:]}.")
    if cohort.holdout > 0:
        verdict = "win" if after["low"] <= after["actual"] <= after["high"] else "loss"
        claim = (
            f"In the {cohort.holdout:g} {cohort.unit}s held out, customers bought "
            f"{after['actual']:,.0f} times; simulated ones {after['simulated']:,.0f} "
            f"[{after['low']:,.0f}, {after['high']:,.0f}]."
        )
    else:
        verdict = "alone"
        claim = f"Nothing was held out; {inside} of {len(bars)} classes lie inside their interval."
    figures = [_histogram_figure(result, histogram), _tracking_figure(result)]
    if cohort.holdout > 0:
        figures.append(_conditional_figure(result))
    if found.spend is not None:
        figures.append(_spend_figure(result, found.spend))
    return _page(
        f"{result.scenario.name}: {result.base} fitted to transactions",
        f"{cohort.n_customers:,} customers, calibrated on {cohort.calibration} {cohort.unit}s",
        (verdict, claim, facts),
        figures,
        [
            _table("Repeat purchases", histogram, title, top=True),
            *([_conditional_table(result)] if cohort.holdout > 0 else []),
        ],
        result.remarks,
    )


_COLUMNS = ("actual", "fitted", "simulated", "low", "high")


def contract_page(result: ContractCalibration) -> str:
    """The page of a world fitted to contracts."""
    unit, fit = result.tenures.unit, result.fit
    inside, known = result.survival.inside()
    legend = [(_ACTUAL_LINE, "actual"), (_SIMULATED, "simulated"), (_FITTED_LINE, "sBG")]

    def draw(key: str, series: Series, what: str) -> str:
        def paint(axes: Any) -> None:
            paint_lines(axes, _three_lines(series, 100.0), f"renewal (each {unit})", what)
            _cut(axes, result.renewals, series)

        return panel(key, what, paint)

    figure = Figure(
        "How long contracts are kept",
        f"{_said_of_cut(result.renewals < result.survival.at[-1])}Actual shares are those of "
        f"contracts that came up for the renewal, of whatever age (product limit). {_INTERVAL}",
        [
            ("Contracts left", draw("survival", result.survival, "contracts left (%)")),
            ("Retention", draw("retention", result.retention, "renewed of those up for it (%)")),
        ],
        legend,
    )
    facts = [
        f"sBG: alpha {fit.alpha:.3f}, beta {fit.beta:.3f}; log-likelihood "
        f"{fit.log_likelihood:,.2f}.",
        "Written into the world, by simulated moments: "
        f"alpha {result.written['alpha']:.3f}, beta {result.written['beta']:.3f}.",
    ]
    claim = f"{inside} of {known} shares of contracts left lie inside their interval."
    return _page(
        f"{result.scenario.name}: {result.base} fitted to contracts",
        f"{fit.n_customers:,.6g} contracts, calibrated on {result.renewals} renewals (each {unit})",
        ("win" if inside == known else "alone", claim, facts),
        [figure],
        [_table("Renewal", result.survival, "sBG", share=True)],
        result.remarks,
    )


def _histogram_figure(result: Calibration, series: Series) -> Figure:
    names = [str(x) for x in range(TOP)] + [f"{TOP}+"]

    def paint(axes: Any) -> None:
        marks = [_mark(series), (series.fitted, series.fitted, series.fitted, _FITTED)]
        paint_bars(axes, series.actual, marks, names, ("repeat purchases", "customers"), _ACTUAL)

    drawing = panel("histogram", "Customers by repeat purchases", paint, width=640, height=340)
    return Figure(
        "How often they bought",
        f"Customers by repeat purchases in the {result.cohort.calibration} {result.cohort.unit}s "
        f"of calibration. {_INTERVAL}",
        [("Customers by repeat purchases", drawing)],
        _bar_legend(result.model.title),
    )


def _tracking_figure(result: Calibration) -> Figure:
    cohort, unit = result.cohort, result.cohort.unit

    def draw(key: str, series: Series, what: str) -> str:
        def paint(axes: Any) -> None:
            paint_lines(axes, _three_lines(series), f"{unit} since the records begin", what)
            _cut(axes, cohort.calibrated, series)

        return panel(key, what, paint)

    found = result.validation
    return Figure(
        "When they bought",
        f"{_said_of_cut(cohort.holdout > 0)}A simulated purchase counts for the {unit} in which "
        f"the middle of its period lies. {_INTERVAL} "
        "Intervals are for each point alone; those of sums are linked from point to point.",
        [
            ("Cumulative", draw("cumulative", found.cumulative, "repeat purchases so far")),
            (f"By {unit}", draw("weekly", found.weekly, f"repeat purchases in a {unit}")),
        ],
        [
            (_ACTUAL_LINE, "actual"),
            (_SIMULATED, "simulated, with its interval"),
            (_FITTED_LINE, result.model.title),
        ],
    )


def _conditional_figure(result: Calibration) -> Figure:
    series = result.validation.conditional
    names = [str(x) for x in range(TOP)] + [f"{TOP}+"]

    def paint(axes: Any) -> None:
        marks = [_mark(series), (series.fitted, series.fitted, series.fitted, _FITTED)]
        labels = ("repeat purchases in calibration", "mean purchases held out")
        paint_bars(axes, series.actual, marks, names, labels, _ACTUAL)

    drawing = panel("conditional", "Purchases held out by frequency", paint, width=640, height=340)
    return Figure(
        "Who bought again",
        f"Mean purchases of a customer in the {result.cohort.holdout:g} {result.cohort.unit}s held "
        f"out, by repeat purchases before. {_INTERVAL}",
        [("Purchases held out by purchases before", drawing)],
        _bar_legend(result.model.title),
    )


def _spend_figure(result: Calibration, series: Series) -> Figure:
    edges = [f"{edge:,.10g}" for edge in series.at]
    names = [f"{low}–{high}" for low, high in pairwise(edges)]
    names.append(f"{edges[-1]}+")

    def paint(axes: Any) -> None:
        unit = f"mean spend on a repeat purchase ({result.scenario.currency})"
        marks = [_mark(series)]
        paint_bars(axes, series.actual, marks, names, (unit, "repeat buyers"), _ACTUAL)
        axes.tick_params(axis="x", labelsize=10, labelrotation=35 if len(names) > 8 else 0)

    drawing = panel("spend", "Repeat buyers by mean spend", paint, width=640, height=360)
    return Figure(
        "What they spent",
        f"Repeat buyers by their mean spend on a purchase. {_INTERVAL}",
        [("Repeat buyers by mean spend", drawing)],
        [(_ACTUAL, "actual"), (_SIMULATED, "simulated, with its interval")],
    )


def _bar_legend(title: str) -> list[tuple[Style, str]]:
    return [(_ACTUAL, "actual"), (_SIMULATED, "simulated, with its interval"), (_FITTED, title)]


def _mark(series: Series) -> tuple[Any, Any, Any, Style]:
    return series.simulated, series.low, series.high, _SIMULATED


def _three_lines(series: Series, factor: float = 1.0) -> list[Line]:
    at, actual, fitted, simulated, low, high = (
        x if i == 0 else factor * x for i, x in enumerate(series)
    )
    return [
        Line(at, actual, _ACTUAL_LINE),
        Line(at, fitted, _FITTED_LINE),
        Line(at, simulated, _SIMULATED, (low, high)),
    ]


def _said_of_cut(held_out: bool) -> str:
    if not held_out:
        return ""
    return "Left of the dotted line: calibration; right: held out, never seen by the fit. "


def _cut(axes: Any, at: float, series: Series) -> None:
    """The end of the calibration period, if something was held out."""
    axes.set_ylim(bottom=0.0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if at < series.at[-1]:
        axes.axvline(at, color=colour("soft"), linewidth=1.2, linestyle=(0.0, (1.5, 2.5)))


def _conditional_table(result: Calibration) -> str:
    return _table(
        "Held out, by repeat purchases before",
        result.validation.conditional,
        result.model.title,
        top=True,
        digits=2,
    )


def _table(
    what: str,
    series: Series,
    model: str,
    *,
    top: bool = False,
    share: bool = False,
    digits: int = 0,
) -> str:
    """The numbers of a figure, for those who want them."""
    heads = [what, "actual", model, "simulated", "interval"]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    lines: list[str] = []
    for at, *values in zip(*series, strict=True):
        told = ["–" if np.isnan(x) else _told(x, share, digits) for x in values]
        name = f"{at:.0f}" + ("+" if top and at == TOP else "")
        cells = [*told[:3], f"{told[3]} to {told[4]}"]
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{name}</th>{row}</tr>')
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _told(number: float, share: bool, digits: int) -> str:
    return f"{100.0 * number:.1f}&nbsp;%" if share else f"{number:,.{digits}f}"


def _page(
    title: str,
    world: str,
    answer: tuple[str, str, Sequence[str]],
    figures: Sequence[Figure],
    tables: Sequence[str],
    remarks: Sequence[str],
) -> str:
    verdict, claim, facts = answer
    details = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="world">{escape(world)}</p>',
        f'<div class="answer {verdict}"><p class="sentence"><strong>{escape(claim)}</strong></p>'
        f"<ul>{details}</ul></div>",
        *(render_figure(i, figure) for i, figure in enumerate(figures, start=1)),
        render_section("Numbers", "<br>".join(tables)),
        render_section("Notes", render_list(remarks)),
    ]
    return render_document(title, body)
