"""Decide for many random customers without consent, and count contacts: ``make serve-consent``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nba_gym.records.events import BIRTH_EVENTS, event_columns
from nba_gym.records.log import range_of
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.choosing import Asked, catalogue_of
from nba_gym.serving.decider import decide_rows
from nba_gym.serving.events import Records
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.loading import load_policy
from tests.serving.policies import write_policy

BLOCK = 20_000


def random_events(
    scenario: Scenario, names: tuple[str, ...] | None, n: int, generator: np.random.Generator
) -> np.ndarray:
    """Rows of events anywhere within their ranges, ``(n, n_columns)``."""
    columns = event_columns(scenario) if names is None else event_columns(scenario, names)
    rows = np.empty((n, len(columns)))
    for i, name in enumerate(columns):
        low, high, whole = range_of(name, scenario)
        if name == "stage_move":
            high = 0.0 if scenario.pipeline.stages == 0 else high
            low = 0.0
        drawn = generator.uniform(low, min(high, 50.0) + whole, n)
        rows[:, i] = np.floor(drawn) if whole else drawn
        rows[:, i] *= generator.random(n) < 0.5 if low == 0.0 else 1.0
    return rows


def count_contacts(
    scenario: Scenario, lineup: Lineup, n: int, seed: int, *, consent: bool
) -> tuple[int, int]:
    """Decisions that contact somebody, and of how many customers in all.

    Args:
        scenario: The world.
        lineup: Who decides.
        n: Customers.
        seed: Seed of their histories and of exploration.
        consent: Whether they consent to anything.
    """
    generator = np.random.default_rng(seed)
    records, catalogue = Records(scenario), catalogue_of(scenario)
    births = random_events(scenario, BIRTH_EVENTS, n, generator)
    periods = int(generator.integers(0, 6))
    events = [random_events(scenario, None, n, generator) for _ in range(periods)]
    for later in events[1:]:  # nobody may move beyond the last stage of the pipeline
        later[:, event_columns(scenario).index("stage_move")] = 0.0
    told = list(np.stack(events, axis=1)) if periods else [np.empty((0, len(records.columns)))] * n
    inbound = np.array([channel.direction == "inbound" for channel in scenario.channels])
    given = np.broadcast_to(inbound | consent, (n, scenario.n_channels)).copy()
    asked = Asked(
        consent=given,
        channel=np.zeros(n, dtype=np.int64),
        outbound=np.ones(n, dtype=np.bool_),
        inbound=generator.random(n) < 0.5,
        contacted=np.zeros(n, dtype=np.bool_),
    )
    seen = records.look(records.fold(births, told, consent=given.astype(np.float32)))
    challenged = np.zeros(n, dtype=np.bool_)
    chosen, *_ = decide_rows(catalogue, lineup, seen, asked, challenged, generator)
    reachable = chosen.propensities[:, catalogue.outbound].sum()
    contacts = int(catalogue.outbound[chosen.actions].sum())
    return contacts + int(not consent and reachable > 0.0), n


def main() -> None:
    """Count over all customers asked for, in blocks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    arguments = parser.parse_args()
    begun, contacts, done = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        worlds: list[tuple[Scenario, Lineup]] = []
        for name in ("retail", "telecom", "hotel", "dealership"):
            scenario = load_scenario(name)
            path = write_policy(scenario, Path(folder) / name)
            worlds.append((scenario, Lineup(load_policy(path)[0], epsilon=0.3)))
        scenario, lineup = worlds[0]
        with_consent, _ = count_contacts(scenario, lineup, BLOCK, 0, consent=True)
        while done < arguments.customers:
            scenario, lineup = worlds[(done // BLOCK) % len(worlds)]
            found, n = count_contacts(scenario, lineup, BLOCK, done, consent=False)
            contacts, done = contacts + found, done + n
    seconds = time.perf_counter() - begun
    print(f"{done:,} customers without consent: {contacts} contacts ({seconds:.0f} s);")
    print(f"the first {BLOCK:,} with consent would have got {with_consent:,}")
    sys.exit(1 if contacts or not with_consent else 0)


if __name__ == "__main__":
    main()
