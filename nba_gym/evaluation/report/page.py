"""The page: answer, ranking, figures and provenance as one HTML file that needs nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from nba_gym.evaluation.compare import Comparison
from nba_gym.evaluation.report.answer import Answer, digits_for, number, span
from nba_gym.evaluation.report.figure import (
    Figure,
    Stage,
    line_means,
    plural,
    readable,
    used_lines,
)
from nba_gym.evaluation.report.svg import Style
from nba_gym.statistics import Interval

_SHAPES = {
    "o": '<circle cx="15" cy="6" r="4.2"/>',
    "s": '<path d="M11 2h8v8h-8z"/>',
    "D": '<path d="M15 .8l5.2 5.2-5.2 5.2-5.2-5.2z"/>',
    "^": '<path d="M15 1.2l4.8 8.8h-9.6z"/>',
    "v": '<path d="M15 10.8l4.8-8.8h-9.6z"/>',
    "h": '<path d="M15 1l4.4 2.5v5l-4.4 2.5-4.4-2.5v-5z"/>',
    "P": '<path d="M13.4 1.4h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z"/>',
    "X": '<path d="M12.4 1.2l2.6 2.6 2.6-2.6 2.2 2.2-2.6 2.6 2.6 2.6-2.2 2.2-2.6-2.6-2.6 2.6-2.2'
    '-2.2 2.6-2.6-2.6-2.6z"/>',
}


def render_page(
    stage: Stage,
    answer: Answer,
    figures: Sequence[Figure],
    *,
    title: str,
    notes: Sequence[str],
    artefacts: Sequence[str],
) -> str:
    """The whole document."""
    scenario = stage.comparison.scenario
    body = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="world">{_text(scenario.title)}</p>',
        render_answer(answer),
        render_section("Ranking", _ranking(stage)),
        *(render_figure(i, figure) for i, figure in enumerate(figures, start=1)),
        render_section("Notes", render_list(notes)) if notes else "",
        render_section("Files", render_list(artefacts, code=True)) if artefacts else "",
        render_section("Provenance", _provenance(stage.comparison)),
    ]
    return render_document(title, body)


def render_document(title: str, body: Sequence[str], style: str = "") -> str:
    """A page of its own: the common style, one of its own, and parts that are HTML already."""
    style = (
        resources.files("nba_gym.evaluation.report")
        .joinpath("report.css")
        .read_text(encoding="utf-8")
    ) + style
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def render_answer(answer: Answer) -> str:
    """The answer as the first thing on a page."""
    details = "".join(f"<li>{_text(_capital(text))}</li>" for text in answer.details)
    return (
        f'<div class="answer {answer.verdict}"><p class="sentence">'
        f"<strong>{_text(answer.claim)}</strong> "
        f'<span class="evidence">{_text(answer.evidence)}</span></p><ul>{details}</ul></div>'
    )


def render_section(title: str, content: str) -> str:
    """A part of the page; its content is HTML already."""
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def render_list(items: Sequence[str], *, code: bool = False) -> str:
    """Plain texts, one a line."""
    rows = [_text(item) for item in items]
    rows = [f"<code>{row}</code>" for row in rows] if code else rows
    return '<ul class="plainlist">' + "".join(f"<li>{row}</li>" for row in rows) + "</ul>"


def _ranking(stage: Stage) -> str:
    """The table of all policies, and what its numbers mean."""
    comparison, scenario = stage.comparison, stage.comparison.scenario
    rows = comparison.table.to_dicts()
    money = used_lines(line_means(stage.runs))
    heads = [
        "policy",
        f"value ({scenario.currency})",
        f"difference to baseline ({scenario.currency})",
    ]
    known = comparison.optimum is not None
    heads += ["of the optimum (%)"] if known else []
    heads += [f"lifetime ({plural(stage.period)})", "purchases", "contacts", "opt-outs"]
    courted = scenario.pipeline.stages > 0
    heads += ["won (%)", f"cost per acquisition ({scenario.currency})"] if courted else []
    heads += [f"{readable(line)} ({scenario.currency})" for line in money]
    head = "".join(f'<th scope="col">{_text(_capital(text))}</th>' for text in heads)
    values, gaps = _intervals(rows, "value"), _intervals(rows, "difference")
    places = digits_for(*values), digits_for(*gaps)
    lines: list[str] = []
    for row, value, gap in zip(rows, values, gaps, strict=True):
        name = str(row["policy"])
        cells = [_interval(value, places[0], signed=False)]
        is_base = name == comparison.baseline
        cells.append("–" if is_base else _interval(gap, places[1], signed=True))
        cells += [number(100.0 * row["of_optimum"], 1)] if known else []
        cells += [number(row["lifetime"], 1)]
        cells += [number(row[key], 2) for key in ("purchases", "contacts", "opt_outs")]
        if courted:
            cells += [number(100.0 * row["won"], 1), number(row["cost_per_acquisition"], 0)]
        cells += [number(row[key], 2) for key in money]
        mark = ' class="subject"' if name in stage.roles.shown else ""
        cell = "".join(f"<td>{text}</td>" for text in cells)
        lines.append(f"<tr{mark}>{_name(stage, name)}{cell}</tr>")
    return (
        f'<div class="scroll" tabindex="0"><table class="ranking"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="caption">{_text(_scope(comparison))}</p>'
    )


def _intervals(rows: Sequence[Mapping[str, Any]], name: str) -> list[Interval]:
    keys = name, f"{name}_low", f"{name}_high"
    return [Interval(*(float(row[key]) for key in keys)) for row in rows]


def _interval(interval: Interval, digits: int, *, signed: bool) -> str:
    mean = number(interval.mean, digits, signed=signed)
    return f'{mean}<span class="interval">{span(interval, digits)}</span>'


def _name(stage: Stage, name: str) -> str:
    """The heading of a row: look, name and role."""
    roles = {
        "tested": name == stage.roles.subject,
        "baseline": name == stage.roles.baseline,
        "sees the hidden half": name in stage.roles.privileged,
    }
    role = ", ".join(text for text, true in roles.items() if true)
    note = f'<span class="role">{role}</span>' if role else ""
    return (
        f'<th scope="row"><div class="name">{swatch(stage.styles[name])}'
        f"<div>{_text(name)}{note}</div></div></th>"
    )


def _scope(comparison: Comparison) -> str:
    """What the numbers of the table are about."""
    scenario = comparison.scenario
    n = len(comparison.rollouts[comparison.baseline].customers)
    optimum = (
        ""
        if comparison.optimum is None
        else f" The best policy is worth {comparison.optimum:,.2f} {scenario.currency}, exactly."
    )
    return (
        f"Means per customer over at most {scenario.horizon} {plural(scenario.period)}; money is "
        f"discounted by {scenario.discount:g} a {scenario.period}. Under each mean its 95 % "
        f"interval. Every policy met the same {n:,} customers with the same luck. The intervals "
        "speak of customers, not of how another training run or another tuning would have ended."
        f"{optimum}"
    )


def render_figure(number_: int | None, figure: Figure) -> str:
    """A figure: title, legend, panels, caption."""
    keys = "".join(
        f'<li data-look="{look.colour}">{swatch(look)}{_text(name)}</li>'
        for look, name in figure.legend
    )
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    panels = "".join(
        f'<div class="panel">{f"<h3>{_text(title)}</h3>" if title else ""}{drawing}</div>'
        for title, drawing in figure.panels
    )
    kind = "panels small" if figure.small else "panels"
    return render_section(
        figure.title if number_ is None else f"{number_}. {figure.title}",
        f'<figure>{legend}<div class="{kind}">{panels}</div>'
        f'<figcaption class="caption">{_text(figure.caption)}</figcaption></figure>',
    )


def swatch(style: Style) -> str:
    """A look in small: a line with its marker, or a block."""
    shade, dash = f"var(--{style.colour})", " ".join(f"{length:g}" for length in style.dash)
    block = f'<path d="M0 0h30v12h-30z" fill="{shade}"/>'
    line = f'<path d="M0 6h30" stroke="{shade}" stroke-width="2" stroke-dasharray="{dash}"/>'
    mark = f'<g fill="{shade}">{_SHAPES.get(style.marker, "")}</g>'
    drawing = line + mark if style.marker else block
    return f'<svg class="swatch" viewBox="0 0 30 12" aria-hidden="true">{drawing}</svg>'


def _provenance(comparison: Comparison) -> str:
    """Everything needed to repeat the comparison."""
    rows = "".join(
        f'<tr><th scope="row">{_text(_capital(readable(key)))}</th>'
        f"<td>{_text(_told(key, value))}</td></tr>"
        for key, value in comparison.provenance.items()
        if key != "scenario_values"  # pages of them; they are in comparison.json
    )
    return f'<table class="provenance"><tbody>{rows}</tbody></table>'


def _told(key: str, value: Any) -> str:
    """A value of the provenance, for people."""
    if isinstance(value, Mapping):
        pairs = value.items()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        return ", ".join(f"{name} {version or 'not installed'}" for name, version in pairs)  # pyright: ignore
    if isinstance(value, list):
        words = [str(word) for word in value]  # pyright: ignore
        return shlex.join(words) if key == "command" else ", ".join(words)
    if isinstance(value, int) and key == "customers":
        return f"{value:,}"
    return str(value)


def _text(text: str) -> str:
    """Plain text for the page; a per-cent sign stays with its number."""
    return escape(text).replace(" %", "&nbsp;%")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
