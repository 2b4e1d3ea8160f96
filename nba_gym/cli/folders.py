"""Commands about policy folders: write one, decide for a file of customers with one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from nba_gym.cli.common import Given, Json, Name, answer, bars, say
from nba_gym.effort import PolicyEffort
from nba_gym.scenario import load_scenario


@dataclass(frozen=True)
class Export:
    """Make a policy by name, as evaluate does, and write it as a folder that servers load.

    Policies of agents are written by python -m agents.export. What sees the simulator (oracle,
    rollouts, optimal) or is a program (rules, robin) cannot be exported.

    Try: nba-gym export practice retail --out runs/practice
    """

    policy: Name
    """one that `nba-gym policies` lists"""
    scenario: Name
    """preset name or TOML file"""
    out: Path
    """policy folder to write; an older one is replaced as a whole"""
    effort: Given = PolicyEffort()
    set: tuple[str, ...] = ()
    """changes to the scenario"""
    json: Json = False

    def run(self) -> None:
        """Learn, tune, write, prove."""
        from nba_gym.evaluation.contenders import contender
        from nba_gym.evaluation.kit import Kit
        from nba_gym.evaluation.split import SPLIT
        from nba_gym.export.policies import check_exportable, exportable
        from nba_gym.export.write import write_folder

        chosen = contender(self.policy)
        check_exportable(chosen.name, chosen.needs)
        scenario = load_scenario(self.scenario, self.set)
        kit = Kit(
            scenario,
            **vars(self.effort),
            say=say,
        )
        recipe = vars(self.effort) | {"seed": SPLIT.seed, "policy": chosen.name}
        source = exportable(chosen.make(kit), recipe=recipe)
        parity = write_folder(source, chosen.world(scenario), self.out)
        told = (
            f"{parity.rows:,} observations: scores at most {parity.largest_of_scores:.1e} apart, "
            f"{parity.other_actions} other choices ({parity.ties} ties)\nwrote {self.out}/"
        )
        result = {"wrote": [str(self.out)], "parity": asdict(parity)}
        answer("export", result, as_json=self.json, text=lambda: told)


@dataclass(frozen=True)
class Score:
    """Decide for every customer of a file, in bounded memory: the same answers as the service.

    The file has one customer a row: features and allowed.<action>, or birth records with --events.
    The folder of an event log, such as nba-gym simulate leaves, will do as well.

    Try: nba-gym score policy customers.parquet --events events.parquet --out decisions.parquet
    """

    policy: Name
    """policy folder"""
    customers: Name
    """Parquet file, or folder of an event log"""
    out: Path
    """Parquet file to write, whole or not at all"""
    events: Path | None = None
    """Parquet file, or folder of part-*.parquet, with customer, period and what happened"""
    top: int = 3
    """most actions to name for each customer"""
    threads: int = 2
    """threads that share a block"""
    json: Json = False

    def run(self) -> None:
        """Read, decide, write."""
        from nba_gym.serving import Engine
        from nba_gym.serving.score import score_file

        engine = Engine(self.policy, threads=self.threads)
        with bars() as told:
            customers, strangers = score_file(
                engine,
                self.customers,
                self.out,
                events=self.events,
                top=self.top,
                progress=lambda done, total: told("deciding", done, total),
            )
        line = f"wrote {self.out}: {customers:,} decisions of policy {engine.digest[:16]}"
        if strangers:
            line += f"; {strangers:,} events left aside, of customers who are not in the file"
        result = {
            "wrote": [str(self.out)],
            "decisions": customers,
            "events_left_aside": strangers,
            "policy": engine.digest,
        }
        answer("score", result, as_json=self.json, text=lambda: line)
