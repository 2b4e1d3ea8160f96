"""Commands that fit worlds to records: own transactions, own randomised contacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nba_gym.cli.common import Json, Name, answer, bars, whisper


@dataclass(frozen=True)
class Calibrate:
    """Fit a world to your own records: how often customers buy, when they leave, what they spend.

    The file has one transaction a row, in any order: customer, date, amount. Name your columns with
    flags. Written to --out: scenario.toml, a world that extends --base; calibration.json, all
    numbers; report.html, simulated beside actual customers. What contacts do to customers cannot be
    learned from transactions: it stays that of the base.

    Models: bg-nbd, a customer may leave after any purchase (shops); pareto-nbd, at any time; bg-bb,
    one chance to buy a week, month or year (donations, appeals); sbg, contracts that are renewed or
    cancelled: the file then has customer, start and end (empty: still a customer), or it is a
    retention table (--survivors).

    Try:

    nba-gym calibrate till.csv --customer id --date day --amount eur --weeks 39

    nba-gym calibrate gifts.csv --model bg-bb --opportunity year --opportunities 6

    nba-gym calibrate contracts.parquet --model sbg --opportunity month

    nba-gym calibrate retention.csv --model sbg --survivors left --opportunities 7
    """

    file: Name
    """.csv or .parquet"""
    model: Literal["bg-nbd", "pareto-nbd", "bg-bb", "sbg"] = "bg-nbd"
    """how customers buy and leave; see above"""
    customer: str = "customer"
    """column that names the customer"""
    date: str = "date"
    """column of the date"""
    amount: str = "amount"
    """column of the amount, >= 0"""
    date_format: str = "%Y-%m-%d"
    """how dates are written where they are text"""
    start: str = "start"
    """sbg: column of a contract's first day"""
    end: str = "end"
    """sbg: column of the day it ended; empty if it still runs"""
    until: str | None = None
    """sbg: last day that the file knows of; by default the last date in it"""
    survivors: str | None = None
    """sbg: the file is a retention table, and this its column of contracts left: at the start, then
    after each renewal, one a row"""
    opportunity: Literal["week", "month", "year"] = "year"
    """bg-bb: length of an opportunity; sbg: time from one renewal to the next"""
    base: str | None = None
    """world that is extended, a preset name or TOML file; by default retail, for bg-bb donors, for
    sbg telecom"""
    weeks: int | None = None
    """bg-nbd, pareto-nbd: calibration period; the rest is held out; by default half of the log"""
    opportunities: int | None = None
    """the same for bg-bb, in opportunities after the first, and for sbg, in renewals"""
    name: str = "own"
    """name of the new world"""
    out: Path = Path("runs/calibrated")
    """folder for scenario.toml, calibration.json and report.html"""
    json: Json = False

    def run(self) -> None:
        """Read, fit, write, and show simulated beside actual customers."""
        with bars() as progress:
            result = self._contracts(progress) if self.model == "sbg" else self._buying(progress)
        _tell("calibrate", result, self.out, as_json=self.json)

    def _buying(self, progress: Any) -> Any:
        from nba_gym.calibration import calibrate, read_transactions

        progress("reading", 0, 0)
        log = read_transactions(
            self.file,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            date_format=self.date_format,
        )
        whisper(
            f"{log.n_transactions:,} transactions of {log.n_customers:,} customers, "
            f"{log.n_days:,} days from {log.first_date}"
        )
        return calibrate(
            log,
            self.base,
            model=self.model,
            weeks=self.weeks,
            opportunity=self.opportunity,
            opportunities=self.opportunities,
            name=self.name,
            progress=progress,
        )

    def _contracts(self, progress: Any) -> Any:
        from nba_gym.calibration import calibrate_contracts, read_contracts, read_survivors

        progress("reading", 0, 0)
        if self.survivors is not None:
            tenures = read_survivors(self.file, self.opportunity, self.survivors)
        else:
            tenures = read_contracts(
                self.file,
                self.opportunity,
                customer=self.customer,
                start=self.start,
                end=self.end,
                date_format=self.date_format,
                until=self.until,
            )
        whisper(
            f"{tenures.n_contracts:,.6g} contracts, up to {tenures.most} renewals, "
            f"each a {tenures.unit}"
        )
        return calibrate_contracts(
            tenures, self.base, renewals=self.opportunities, name=self.name, progress=progress
        )


@dataclass(frozen=True)
class Effects:
    """Fit what contacts do to a file of randomised contacts (customer, date, action, outcome).

    Try: nba-gym effects mailings.csv --customer id --date sent_on --outcome eur --base retail
    """

    file: Name
    """.csv or .parquet, one contact or control a row"""
    customer: str = "customer"
    """column that names the customer"""
    date: str = "date"
    """column of the date"""
    action: str = "action"
    """column with the name of the action; wait or nothing for controls"""
    outcome: str = "outcome"
    """column that says whether the customer bought in that period: 0 or 1, or the amount"""
    responded: str | None = None
    """column of clicks and answers, 0 or 1"""
    opted_out: str | None = None
    """column of opting out, 0 or 1"""
    since: str | None = None
    """column of the date of acquisition; by default the date of a customer's first row"""
    date_format: str = "%Y-%m-%d"
    """how dates are written where they are text"""
    base: str = "retail"
    """world that is extended, a preset name or TOML file"""
    name: str = "own"
    """name of the new world"""
    out: Path = Path("runs/effects")
    """folder for scenario.toml and effects.json"""
    json: Json = False

    def run(self) -> None:
        """Read, fit, write, and show simulated beside actual rates."""
        from nba_gym.calibration import fit_effects, read_contacts

        log = read_contacts(
            self.file,
            customer=self.customer,
            date=self.date,
            action=self.action,
            outcome=self.outcome,
            responded=self.responded,
            opted_out=self.opted_out,
            since=self.since,
            date_format=self.date_format,
        )
        whisper(f"fitting {log.n_contacts:,} contacts by simulated moments ...")
        result = fit_effects(log, self.base, name=self.name)
        _tell("effects", result, self.out, as_json=self.json)


def _tell(command: str, result: Any, out: Path, *, as_json: bool) -> None:
    """Write what was fitted, and print it: its numbers and the paths."""
    paths = [str(path) for path in result.save(out)]
    lines = [*result.lines(), *(f"wrote {path}" for path in paths)]
    record = {"wrote": paths}
    if as_json:
        [numbers] = [path for path in paths if path.endswith(".json")]
        record["numbers"] = json.loads(Path(numbers).read_text(encoding="utf-8"))
    answer(command, record, as_json=as_json, text=lambda: "\n".join(lines))
