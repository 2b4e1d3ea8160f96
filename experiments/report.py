"""Write the report of a study: ``python -m experiments.report runs/<study>``.

It is made from what the study left, finished or not: ``report.html``, and beside it ``figures/``
(SVG, PDF, PNG) and ``tables/`` (CSV, LaTeX).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.console import bar, say
from nba_gym.errors import NbaGymError
from nba_gym.evaluation.report.study import Pictures, write_study_report


@dataclass(frozen=True)
class Report:
    """Write the report of a study, finished or not."""

    study: Annotated[Path, tyro.conf.Positional]
    """folder of the study"""
    pictures: Pictures = "leading"
    """figures to write as SVG, PDF and PNG as well: those of the worlds as they are, those of all
    their variations, or none, and then no tables as CSV and LaTeX either"""


def main() -> None:
    asked = tyro.cli(Report, prog="python -m experiments.report")
    try:
        with bar("report") as progress:
            path = write_study_report(asked.study, pictures=asked.pictures, progress=progress)
    except NbaGymError as error:
        raise SystemExit(f"error: {error}") from None
    say(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
