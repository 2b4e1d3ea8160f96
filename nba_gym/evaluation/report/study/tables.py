"""Tables of a study: for the page, as CSV, and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nba_gym.evaluation.report.answer import digits_for, number, span
from nba_gym.evaluation.report.study.scene import Scene
from nba_gym.evaluation.report.study.words import VERDICTS, needs
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics import as_table, audit, by_persona, overall
from nba_gym.records.ledger import LINES
from nba_gym.statistics import Interval

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {"−": "$-$", "–": "--", "\\": r"\textbackslash{}"}


def ranking_frame(results: Results, scene: Scene) -> pl.DataFrame:
    """One row a contender, the most valuable first: value, gain, ledger, contact, churn."""
    rows: list[dict[str, object]] = []
    for name in scene.cast.ranking:
        value, gap, answer = scene.values[name], scene.gaps[name], scene.answers.get(name)
        cells = pl.DataFrame([results.cell(cell)["summary"] for cell in scene.cells[name]])
        row: dict[str, object] = {"contender": name, "seeds": len(cells)}
        row |= {"value": value.mean, "value_low": value.low, "value_high": value.high}
        row |= {"gain": gap.mean, "gain_low": gap.low, "gain_high": gap.high}
        row |= {"percent": answer.percent.mean if answer else 0.0}
        row |= {"p_holm": answer.p_holm if answer else None}
        row |= {"verdict": answer.verdict if answer else "baseline"}
        row |= {"improvement": answer.improvement.mean if answer else None}
        row |= {"of_optimum": answer.of_optimum if answer else None}
        means = ("lifetime", "left", "contacts", "opt_outs", "purchases")
        row |= {key: float(cells[key].to_numpy().mean()) for key in means}
        rows.append(row | scene.lines[name])
    return pl.DataFrame(rows, infer_schema_length=None)


def ranking_cells(results: Results, scene: Scene) -> tuple[list[str], list[list[str]]]:
    """The same for people: heads and rows of texts; an interval stands after a line break."""
    frame, currency = ranking_frame(results, scene), scene.world["currency"]
    fair = [name for name in scene.answers if name not in scene.cast.roles.privileged]
    places = digits_for(*scene.values.values()), digits_for(*(scene.gaps[n] for n in fair))
    used = [line for line in LINES if frame[line].abs().to_numpy().max() >= 0.005]
    known, seeded = frame["of_optimum"].is_not_null().any(), (frame["seeds"] > 1).any()
    heads = [
        "contender",
        "seeds",
        f"value ({currency})",
        f"gain ({currency})",
        "gain (%)",
        "verdict",
    ]
    heads += ["does better in (% of seeds)"] if seeded else []
    heads += ["of the optimum (%)"] if known else []
    heads += ["left (%)", "contacts", "opt-outs", "purchases"]
    heads += [f"{line.replace('_', ' ')} ({currency})" for line in used]
    rows: list[list[str]] = []
    for row in frame.to_dicts():
        name = row["contender"]
        answer = scene.answers.get(name)
        cells = [name, str(row["seeds"])]
        for interval, digits, signed in (
            (scene.values[name], places[0], False),
            (scene.gaps[name], places[1], True),
        ):
            own = name == scene.cast.roles.baseline and signed
            told = number(interval.mean, digits, signed=signed)
            cells.append("–" if own else f"{told}\n{span(interval, digits)}")
        cells.append("–" if answer is None else number(row["percent"], 1, signed=True))
        cells.append(_verdict(scene, name))
        if seeded:
            chance = None if row["seeds"] == 1 else row["improvement"]
            cells.append("–" if chance is None else number(100.0 * chance, 0))
        if known:
            share = row["of_optimum"]
            cells.append("–" if share is None else number(100.0 * share, 1))
        cells += [number(100.0 * row["left"], 1), number(row["contacts"], 1)]
        cells += [number(row["opt_outs"], 3), number(row["purchases"], 2)]
        rows.append(cells + [number(row[line], 2) for line in used])
    return heads, rows


def _verdict(scene: Scene, name: str) -> str:
    answer = scene.answers.get(name)
    if answer is None:
        return "baseline"
    word = VERDICTS[answer.verdict]
    if name in scene.cast.roles.privileged:
        return f"{word}\nyardstick: sees the hidden half"
    needed = needs(answer)
    chance = "p < 0.001" if answer.p_holm < 0.001 else f"p = {answer.p_holm:.3f}"
    return f"{word}\n{needed}" if needed else f"{word}\n{chance}"


def latex(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that needs no package: right-aligned, the first column to the left."""

    def told(text: str) -> str:
        first, _, rest = text.partition("\n")
        plain = first + (f" ({rest})" if rest else "")
        return "".join(_SPECIAL.get(letter, letter) for letter in plain)

    lines = [" & ".join(told(cell) for cell in row) + r" \\" for row in [heads, *rows]]
    columns = "l" + "r" * (len(heads) - 1)
    middle = "\n".join(lines[1:])
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\hline\n{lines[0]}\n\\hline\n{middle}\n\\hline\n"
        "\\end{tabular}\n"
    )


def audit_cells(results: Results) -> tuple[list[str], list[list[str]]]:
    """The audit of rewards for people: heads and rows of texts; no rows without such agents."""
    table = audit(results)
    heads = ["agent", "world", "rewarded for", "reward, more than the baseline's", "profit, more"]
    heads += ["contacts", "opt-outs", "left (%)", "verdict"]
    rows: list[list[str]] = []
    for row in table.to_dicts():
        several = len(results.study["variations"]) > 1
        world = f"{row['scenario']}: {row['variation']}" if several else row["scenario"]
        cells = [row["contender"], world.replace("_", " "), row["reward"].replace("_", " ")]
        for name in ("objective", "profit"):
            gain = Interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
            digits = digits_for(gain)
            cells.append(f"{number(gain.mean, digits, signed=True)}\n{span(gain, digits)}")
        cells += [number(row["contacts"], 1, signed=True), number(row["opt_outs"], 3, signed=True)]
        cells.append(number(100.0 * row["left"], 1, signed=True))
        rows.append([*cells, "hacked" if row["hacked"] else "not hacked"])
    return heads, rows


def save_tables(results: Results, scenes: Sequence[Scene], folder: Path) -> None:
    """Write every table as CSV into a folder, those that are for people as LaTeX, too."""
    frames = {"cells": results.rows, "personas": by_persona(results)}
    frames["overall"], frames["audit"] = as_table(overall(results)), audit(results)
    frames["answers"] = as_table([a for scene in scenes for a in scene.answers.values()])
    for scene in scenes:
        frames[f"ranking--{scene.key}"] = ranking_frame(results, scene)
        text = latex(*ranking_cells(results, scene))
        (folder / f"ranking--{scene.key}.tex").write_text(text, encoding="utf-8")
    for name, frame in frames.items():
        if len(frame):
            frame.write_csv(folder / f"{name}.csv")
