"""Whole journeys as fingerprints: what a customer lived through, to the last bit.

``python -m tests.journeys nba_gym/Retail-v0 500 7`` prints the fingerprints of customers 0 to 499
of world 7, so that another process, on a processor described otherwise, can be compared with this
one.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from nba_gym.envs.registration import environment_ids, scenario_of
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.scenario.load import load_scenario, preset_names
from nba_gym.scenario.schema import Scenario


class Lived(NamedTuple):
    """Some journeys.

    Attributes:
        fingerprints: BLAKE2b of everything an agent was shown, by customer.
        transitions: Periods lived by all of them together.
    """

    fingerprints: dict[int, str]
    transitions: int


def journey_worlds() -> list[str]:
    """Names of the worlds that have mechanisms, not tables."""
    return [name for name in preset_names() if load_scenario(name).tabular is None]


def journey_ids() -> list[str]:
    """Their ids."""
    return [i for i in environment_ids() if scenario_of(i) in journey_worlds()]


def tabular_ids() -> list[str]:
    """Ids of the worlds that are given as tables."""
    return [i for i in environment_ids() if i not in journey_ids()]


def choose(
    masks: NDArray[Any], customers: NDArray[np.uint64], periods: NDArray[Any]
) -> NDArray[np.int64]:
    """An action for each customer that depends on nothing but the mask, customer and period.

    Seven times in eight an allowed action, each equally likely; else any action at all, so that
    forbidden ones are met as well.
    """
    n_actions = masks.shape[1]
    x = customers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = x + np.asarray(periods).astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(factor)
    x = x ^ (x >> np.uint64(31))
    wild, luck = (x & np.uint64(7)) == 0, x >> np.uint64(8)
    allowed = masks > 0
    wanted = luck % allowed.sum(axis=1).astype(np.uint64)
    rank = np.cumsum(allowed, axis=1) - 1
    tame = np.argmax(allowed & (rank == wanted.astype(np.int64)[:, None]), axis=1)
    return np.where(wild, (luck % np.uint64(n_actions)).astype(np.int64), tame)


def live(
    scenario: str | Scenario,
    customers: NDArray[Any],
    *,
    seed: int = 7,
    num_envs: int | None = None,
    threads: int | None = 1,
) -> Lived:
    """Let customers live their whole journeys, ``num_envs`` of them side by side."""
    world = load_scenario(scenario)
    step = num_envs or len(customers)
    fingerprints: dict[int, str] = {}
    transitions = 0
    for first in range(0, len(customers), step):
        part = np.asarray(customers[first : first + step], dtype=np.uint64)
        rows, lengths = _record(world, part, seed, threads)
        stacked = np.stack(rows, axis=1)  # (n, periods + 1, bytes)
        for i, customer in enumerate(part.tolist()):
            journey = stacked[i, : lengths[i] + 1].tobytes()
            fingerprints[customer] = hashlib.blake2b(journey, digest_size=16).hexdigest()
        transitions += int(lengths.sum())
    return Lived(fingerprints, transitions)


def _record(
    world: Scenario, customers: NDArray[np.uint64], seed: int, threads: int | None
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Bytes of every period, ``(n, bytes)`` each, and how many periods each journey had."""
    n = len(customers)
    env = JourneyVectorEnv(n, world, autoreset_mode=AutoresetMode.SAME_STEP, threads=threads)
    observations, info = env.reset(seed=seed, options={"customers": customers})
    masks = info["action_mask"]
    nothing = np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), info
    rows = [_bytes(observations, masks, *nothing)]
    lengths, running = np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool)
    for period in range(world.horizon):
        actions = choose(masks, customers, np.full(n, period))
        observations, rewards, terminated, truncated, info = env.step(actions)
        seen, masks = observations.copy(), info["action_mask"]
        over = terminated | truncated
        if over.any():
            seen[over] = np.stack(list(info["final_obs"][over]))
            final_masks = info["final_info"]["action_mask"]
            masks = np.where(over[:, None], final_masks, masks)
        rows.append(_bytes(seen, masks, rewards, terminated, truncated, info))
        masks = info["action_mask"]
        lengths += running
        running &= ~over
        if not running.any():
            break
    env.close()
    return rows, lengths


def _bytes(
    observations: NDArray[Any],
    masks: NDArray[Any],
    rewards: NDArray[Any],
    terminated: NDArray[Any],
    truncated: NDArray[Any],
    info: dict[str, Any],
) -> NDArray[np.uint8]:
    ledger = info["ledger"]
    columns = [observations, masks, rewards, ledger, terminated, truncated, info["forbidden"]]
    n = len(rewards)
    parts = [np.ascontiguousarray(column).view(np.uint8).reshape(n, -1) for column in columns]
    return np.concatenate(parts, axis=1)


if __name__ == "__main__":
    _, env_id, count, world_seed = sys.argv
    lived = live(scenario_of(env_id), np.arange(int(count)), seed=int(world_seed))
    sys.stdout.write(json.dumps(lived.fingerprints))
