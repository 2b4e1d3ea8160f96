"""The page of a study: answer, worlds, figures, provenance, as one HTML file."""

from __future__ import annotations

import base64
import gzip
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from nba_gym.evaluation.report.answer import Answer, amount, span
from nba_gym.evaluation.report.figure import Figure
from nba_gym.evaluation.report.page import (
    render_answer,
    render_document,
    render_figure,
    render_section,
    swatch,
)
from nba_gym.evaluation.report.study.overall import lead_scenes
from nba_gym.evaluation.report.study.scene import Scene
from nba_gym.evaluation.report.study.tables import audit_cells, ranking_cells
from nba_gym.evaluation.report.study.words import VERDICTS, needs
from nba_gym.evaluation.results import CELLS, Results

_MARKS = {"better": "▲", "worse": "▼", "equal": "=", "underpowered": "?"}
MANY = 12
"""Scenes; with more a list takes the place of tabs, and verdicts go down the page, after the
figures, which are seen at a glance."""
_TOLD = ("value", "lifetime", "left", "contacts", "opt_outs", "purchases")


def render_study(
    results: Results,
    scenes: Sequence[Scene],
    answer: Answer,
    common: Sequence[Figure],
    figures: Mapping[str, Sequence[Figure]],
) -> str:
    """The whole document.

    Worlds under other variations than the leading one are packed, and unpacked by a script once
    they are chosen: a study of 30 variations would be 16 MB else, and take seconds to open.
    """
    leading, many = lead_scenes(scenes), len(scenes) > MANY
    drawn = [render_figure(None, figure) for figure in common]
    study = results.study
    title = study["title"] or study["name"]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="world">{escape(study["question"])}</p>',
        render_answer(answer),
        *(drawn if many else []),
        render_section("Verdicts", _verdicts(scenes)),
        _audited(results),
        *([] if many else drawn),
        _list(scenes) if many else _tabs(scenes),
        *(_scene(results, each, figures[each.key], packed=each not in leading) for each in scenes),
        render_section("Left out", _left_out(results)) if study.get("left_out") else "",
        render_section("Provenance", _provenance(results)),
        f"<script>\n{_read('study.js')}</script>",
    ]
    return render_document(title, body, _read("study.css"))


def _verdicts(scenes: Sequence[Scene]) -> str:
    """What may be said of each contender in each scene: a row a contender, a column a scene.

    The other way round where there are many scenes.
    """
    names = dict.fromkeys(name for scene in scenes for name in scene.answers)
    several = len({scene.variation for scene in scenes}) > 1
    styles = {name: style for each in scenes for name, style in each.cast.styles.items()}
    contenders = {name: f"{swatch(styles[name])}{_breakable(name)}" for name in names}
    worlds = {
        each.key: f'<a href="#scene-{each.key}">{escape(_named(each, several))}</a>'
        for each in scenes
    }
    cells = [[_judged(scene, name) for scene in scenes] for name in names]
    across, down, corner = worlds, contenders, "contender"
    if len(scenes) > MANY:
        across, down, corner = contenders, worlds, "world"
        cells = [list(row) for row in zip(*cells, strict=True)] or [[] for _ in scenes]
    rows = [
        f'<tr><th scope="row">{head}</th>{"".join(row)}</tr>'
        for head, row in zip(down.values(), cells, strict=True)
    ]
    caption = (
        "Gain over the baseline in % of its value, with its 95 % interval. ▲ better, ▼ worse: by a "
        "test at 5 % over all comparisons of fair contenders (Holm). = as good: the interval lies "
        "within 1 %. ? underpowered: nothing can be said with so few seeds or customers. In "
        "brackets and grey: yardsticks that see the hidden half."
    )
    head = f'<th scope="col">{corner}</th>' + "".join(
        f'<th scope="col">{text}</th>' for text in across.values()
    )
    return _table(head, rows, "verdicts") + f'<p class="caption">{escape(caption)}</p>'


def _named(scene: Scene, several: bool) -> str:
    name = f"{scene.scenario}: {scene.variation}" if several else scene.scenario
    return f"{name} against {scene.cast.roles.baseline}".replace("_", " ")


def _judged(scene: Scene, name: str) -> str:
    answer = scene.answers.get(name)
    if answer is None:
        return "<td>–</td>"
    gain, privileged = answer.percent, name in scene.cast.roles.privileged
    told = f"{_MARKS[answer.verdict]} {amount(gain.mean, gain, signed=True)}"
    told = f"({told})" if privileged else told
    kind = "yardstick" if privileged else answer.verdict
    note = needs(answer) or VERDICTS[answer.verdict]
    return (
        f'<td class="{kind}" title="{escape(note)}">{escape(told)}'
        f'<span class="interval">{escape(span(gain))}</span></td>'
    )


def _tabs(scenes: Sequence[Scene]) -> str:
    """Buttons that choose the scene; without scripts all scenes are shown one after the other."""
    several = len({scene.variation for scene in scenes}) > 1
    buttons = [
        f'<button type="button" role="tab" data-scene="{scene.key}" '
        f'aria-controls="scene-{scene.key}">{escape(_tab(scene, several))}</button>'
        for scene in scenes
    ]
    return f'<nav class="tabs" role="tablist" aria-label="Worlds">{"".join(buttons)}</nav>'


def _list(scenes: Sequence[Scene]) -> str:
    """A list to choose the scene from, in place of tabs."""
    groups = "".join(
        f'<optgroup label="{escape(scenario.replace("_", " "))}">'
        + "".join(
            f'<option value="{each.key}">{escape(_tab(each, several=True))}</option>'
            for each in scenes
            if each.scenario == scenario
        )
        + "</optgroup>"
        for scenario in dict.fromkeys(each.scenario for each in scenes)
    )
    return f'<nav class="tabs"><label>World <select>{groups}</select></label></nav>'


def _tab(scene: Scene, several: bool) -> str:
    name = f"{scene.scenario}: {scene.variation}" if several else scene.scenario
    return name.replace("_", " ")


def _scene(results: Results, scene: Scene, figures: Sequence[Figure], *, packed: bool) -> str:
    heads, rows = ranking_cells(results, scene)
    lines = [_ranked(scene, row) for row in rows]
    world = scene.world
    scope = (
        f"Per customer over at most {world['horizon']} {world['period']}s; money is discounted by "
        f"{world['discount']:g} a {world['period']}. Everybody met the same {scene.customers:,} "
        "customers with the same luck. The lines of the ledger are means over seeds and add up to "
        "the mean value, which differs a little from the interquartile mean where seeds differ. "
        "p-values are adjusted for all comparisons of the study (Holm)."
    )
    table = _scroll(heads, lines, "ranking") + f'<p class="caption">{escape(scope)}</p>'
    hint = '<p class="caption hint">Choose an entry of a legend to bring it out.</p>'
    body = render_section("Ranking", table) + hint
    body += "".join(render_figure(i, figure) for i, figure in enumerate(figures, start=1))
    said = results.study["variations"].get(scene.variation, {}).get("say", "")
    about = f'<p class="world">{escape(" ".join(t for t in (world["title"], said) if t))}</p>'
    name = _tab(scene, scene.variation != "as_it_is")
    kind = "scene packed" if packed else "scene"
    return (
        f'<div class="{kind}" role="tabpanel" id="scene-{scene.key}" data-scene="{scene.key}">'
        f'<h2 class="scenename">{escape(name)}</h2>{about}'
        f'<div class="inside">{_packed(body) if packed else body}</div></div>'
    )


def _packed(body: str) -> str:
    """HTML for a script to unpack."""
    told = base64.b64encode(gzip.compress(body.encode(), 9, mtime=0)).decode()
    return f'<noscript>Needs scripts.</noscript><script type="text/plain">{told}</script>'


def _ranked(scene: Scene, row: Sequence[str]) -> str:
    name, roles = row[0], scene.cast.roles
    mark = ' class="subject"' if name in roles.shown else ""
    look = swatch(scene.cast.styles[name])
    head = f'<th scope="row"><div class="name">{look}<div>{_breakable(name)}</div></div></th>'
    return f"<tr{mark}>{head}{''.join(_cell(text) for text in row[1:])}</tr>"


def _cell(text: str) -> str:
    first, _, rest = text.partition("\n")
    note = f'<span class="interval">{escape(rest)}</span>' if rest else ""
    return f"<td>{escape(first)}{note}</td>"


def _breakable(name: str) -> str:
    """A name that may go on in the next line after an underscore."""
    return escape(name).replace("_", "_<wbr>")


def _scroll(heads: Sequence[str], rows: Sequence[str], kind: str) -> str:
    return _table("".join(f'<th scope="col">{escape(text)}</th>' for text in heads), rows, kind)


def _table(head: str, rows: Sequence[str], kind: str) -> str:
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _audited(results: Results) -> str:
    """Agents with a reward of their own: what they made of it; empty where there are none."""
    heads, told = audit_cells(results)
    if not told:
        return ""
    rows = [
        f'<tr><th scope="row">{_breakable(first)}</th>{"".join(_cell(x) for x in rest)}'
        f'<td class="{"worse" if verdict == "hacked" else "yardstick"}">{verdict}</td></tr>'
        for first, *rest, verdict in told
    ]
    caption = (
        "Per customer, less the baseline's, with 95 % intervals over seeds and customers. Hacked: "
        "what the agent was rewarded for rose while the firm's profit fell, both beyond chance."
    )
    table = _scroll(heads, rows, "audit") + f'<p class="caption">{escape(caption)}</p>'
    return render_section("Rewards, audited", table)


def _left_out(results: Results) -> str:
    told = [
        f"{each['contender']} in {each['scenario']} ({each['variation']}): {each['why']}"
        for each in results.study["left_out"]
    ]
    rows = "".join(f"<li>{escape(text)}</li>" for text in told)
    return f'<ul class="plainlist">{rows}</ul>'


def _provenance(results: Results) -> str:
    """How the study was made, then every cell: each number of the page comes from these."""
    told: dict[str, Any] = dict(results.study["provenance"])
    told["command"] = shlex.join(str(word) for word in told.get("command", []))
    told["worlds"] = {w["name"]: key for key, w in results.study["worlds"].items()}
    told["recipes"] = {
        name: about["recipe"]
        for name, about in results.study["contenders"].items()
        if about.get("recipe")
    }
    rows = "".join(
        f'<tr><th scope="row">{escape(key.replace("_", " "))}</th>'
        f"<td>{escape(_plain(value))}</td></tr>"
        for key, value in told.items()
    )
    heads = [
        "cell",
        "seed",
        "steps",
        "training (s)",
        *(k.replace("_", " ") for k in _TOLD),
        "learned in",
    ]
    cells = [_row(record) for record in results.records.values()]
    return (
        f'<table class="provenance"><tbody>{rows}</tbody></table>'
        f"<details><summary>All {len(cells):,} cells, one a folder in {CELLS}/</summary>"
        f"{_scroll(heads, cells, 'cells')}</details>"
    )


def _row(record: Mapping[str, Any]) -> str:
    summary, seconds = record["summary"], record.get("training_seconds")
    cells = [
        str(record["seed"]),
        f"{record.get('steps') or 0:,}",
        "–" if seconds is None else f"{seconds:,.0f}",
        *(f"{summary[name]:,.3f}".replace("-", "−") for name in _TOLD),
        str(record.get("learning") or "–"),
    ]
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    name = escape(record["id"])
    return f'<tr id="cell-{name}"><th scope="row">{name}</th>{told}</tr>'


def _plain(value: Any) -> str:
    """A value of JSON in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())  # pyright: ignore
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)  # pyright: ignore
    return str(value)


def _read(name: str) -> str:
    return resources.files("nba_gym.evaluation.report.study").joinpath(name).read_text("utf-8")
