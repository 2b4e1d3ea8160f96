"""What a study came to: tables for the terminal, and the same beside its cells as Parquet."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from rich.box import SIMPLE
from rich.table import Table

from experiments.console import CONSOLE, say
from experiments.engine.schema import AS_IT_IS
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics import (
    Answer,
    answers,
    as_table,
    audit,
    by_persona,
    overall,
)
from nba_gym.statistics import Interval

ANSWERS, PERSONAS, AUDIT = "answers.parquet", "personas.parquet", "audit.parquet"
MOST_LINES = 60
"""Answers that the terminal is told; all of them are in the table beside the cells."""


def tell(results: Results) -> list[Path]:
    """Say what came of a study, and write its tables; returns their paths."""
    found = answers(results)
    tables = {ANSWERS: as_table(found), PERSONAS: by_persona(results), AUDIT: audit(results)}
    _print(found)
    _print_overall(results)
    _print_audit(tables[AUDIT])
    paths: list[Path] = []
    for name, table in tables.items():
        path = results.folder / name
        if table.is_empty():
            path.unlink(missing_ok=True)
        else:
            table.write_parquet(path)
            paths.append(path)
    return paths


def _print(found: list[Answer]) -> None:
    title = "per customer, 95 % intervals over seeds and customers, p adjusted (Holm)"
    table = Table(title=title, box=SIMPLE)
    for column in ("where", "who", "seeds", "value", "less baseline", "%", "p", "verdict"):
        left = column in ("where", "who")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for answer in found[:MOST_LINES]:
        gain, percent = answer.gain, answer.percent
        table.add_row(
            where(answer),
            answer.contender + ("*" if answer.privileged else ""),
            str(answer.seeds),
            f"{answer.value.mean:.2f}",
            f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]",
            f"{percent.mean:+.1f}",
            f"{answer.p_holm:.3f}",
            verdict(answer),
        )
    CONSOLE.print(table)
    say("* privileged: sees what a firm cannot")
    if len(found) > MOST_LINES:
        say(f"and {len(found) - MOST_LINES} more")


def where(answer: Answer) -> str:
    """The world, and the variation where there are several."""
    plain = answer.variation == AS_IT_IS
    return answer.scenario if plain else f"{answer.scenario}, {answer.variation}"


def verdict(answer: Answer) -> str:
    """A verdict in words; of an underpowered comparison, what it would take."""
    if answer.verdict != "underpowered":
        return answer.verdict
    if answer.alone:
        return "underpowered: one seed"
    if answer.seeds_needed is not None:
        return f"underpowered: {answer.seeds_needed} seeds"
    if answer.customers_needed is not None:
        return f"underpowered: {answer.customers_needed:,} customers"
    return "underpowered"


def _print_overall(results: Results) -> None:
    for one in overall(results):
        if len(one.scenarios) > 1 and one.percent is not None:
            share: Interval = one.percent
            say(
                f"{one.contender}, {one.variation}: {share.mean:+.1f} % "
                f"[{share.low:+.1f}, {share.high:+.1f}] over {len(one.scenarios)} scenarios "
                f"(interquartile mean of all seeds), better with probability {one.improvement:.2f}"
            )


def _print_audit(table: pl.DataFrame) -> None:
    for row in table.to_dicts():
        hacked = "HACKED: " if row["hacked"] else ""
        say(
            f"{hacked}{row['contender']} in {row['scenario']}, {row['variation']} "
            f"(reward: {row['reward']}): reward {row['objective']:+.2f}, "
            f"profit {row['profit']:+.2f}, contacts {row['contacts']:+.1f}, "
            f"discounts {row['discounts']:+.2f}"
        )
