"""The batches that agents learn in: the native one, and what learners need around it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from nba_gym.envs.stable_baselines import JourneyVecEnv

Step = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]


class FiniteJourneys(JourneyVecEnv):
    """Journeys that are over at the horizon, to a learner that is judged on what comes before it.

    The comparison counts nothing after the horizon and the tenure is among the features, so values
    beyond it are not to be bootstrapped (time-aware learning, Pardo et al. 2018). The environment
    itself never confuses the two. Nothing is hoped for after a journey, so its last observation is
    not handed on: to normalise some forty of them a period, one by one, took a tenth of learning.
    """

    def step_wait(self) -> Step:
        """Live one period with every customer."""
        observations, rewards, dones, infos = super().step_wait()
        for i in np.flatnonzero(dones):
            infos[i] = {"TimeLimit.truncated": False, "ledger": infos[i]["ledger"]}
        return observations, rewards, dones, infos


class History:
    """The records of the last periods side by side, the present first; none are zeros.

    Args:
        n: Customers.
        records: Features of one period.
        periods: Periods shown, the present included.
    """

    def __init__(self, n: int, records: int, periods: int) -> None:
        self.frames = np.zeros((n, periods, records), dtype=np.float32)

    def push(self, records: NDArray[np.float32], newborn: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Add the present; of those whose journey begins, forget what was before.

        Returns:
            ``(n, periods * records)``, a new array.
        """
        later = self.frames[:, :-1].copy()
        later[newborn] = 0.0
        self.frames = np.concatenate([records[:, None], later], axis=1)
        return self.frames.reshape(len(records), -1).copy()


class ShowHistory(VecEnvWrapper):
    """Shows the records of the last periods at once; of the hidden half, the present only.

    Args:
        venv: The customers.
        records: Leading features that are records.
        periods: Periods shown, the present included.
    """

    def __init__(self, venv: VecEnv, records: int, periods: int) -> None:
        box = cast(spaces.Box, venv.observation_space)
        self.records, self.periods = records, periods
        # zeros are shown of the periods before the first
        low = np.tile(np.minimum(box.low[:records], 0.0), periods)
        high = np.tile(np.maximum(box.high[:records], 0.0), periods)
        low, high = (
            np.concatenate([box_side, rest[records:]])
            for box_side, rest in ((low, box.low), (high, box.high))
        )
        super().__init__(venv, observation_space=spaces.Box(low, high, dtype=np.float32))
        self.history = History(venv.num_envs, records, periods)

    def reset(self) -> NDArray[np.float32]:
        observations = cast(NDArray[np.float32], self.venv.reset())
        return self._show(observations, np.ones(self.num_envs, dtype=np.bool_))

    def step_wait(self) -> Step:
        observations, rewards, dones, infos = cast(Step, self.venv.step_wait())
        return self._show(observations, dones), rewards, dones, infos

    def _show(
        self, observations: NDArray[np.float32], newborn: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        stacked = self.history.push(observations[:, : self.records], newborn)
        return np.concatenate([stacked, observations[:, self.records :]], axis=1)


class ShowMasks(VecEnvWrapper):
    """Shows the mask as further features, for learners that have no other place for it."""

    def __init__(self, venv: VecEnv) -> None:
        box, actions = cast(spaces.Box, venv.observation_space), cast(Any, venv.action_space).n
        low, high = np.zeros(actions, dtype=np.float32), np.ones(actions, dtype=np.float32)
        space = spaces.Box(
            np.concatenate([box.low, low]), np.concatenate([box.high, high]), dtype=np.float32
        )
        super().__init__(venv, observation_space=space)

    def reset(self) -> NDArray[np.float32]:
        return self._show(cast(NDArray[np.float32], self.venv.reset()))

    def step_wait(self) -> Step:
        observations, rewards, dones, infos = cast(Step, self.venv.step_wait())
        return self._show(observations), rewards, dones, infos

    def _show(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([observations, masks_of(self.venv)], axis=1, dtype=np.float32)


def masks_of(venv: VecEnv) -> NDArray[np.bool_]:
    """Allowed actions now of the customers under any wrappers, ``(n, n_actions)``."""
    return cast(JourneyVecEnv, venv.unwrapped).action_masks()


def copy_places(venv: VecEnv, sources: NDArray[np.int64]) -> None:
    """Let places go on as copies of others, and so do what wrappers remember of them.

    Args:
        venv: The customers in any wrappers.
        sources: Which place each of them copies, ``(n,)``.
    """
    around: Any = venv
    while isinstance(around, VecEnvWrapper):
        if isinstance(around, VecNormalize):
            around.returns = around.returns[sources]
            around.old_obs = np.array(around.old_obs)[sources]
        if isinstance(around, ShowHistory):
            around.history.frames = around.history.frames[sources]
        around = around.venv
    cast(JourneyVecEnv, around).copy_places(sources)


def history_of(venv: VecEnv) -> int:
    """Periods of the records that the customers under any wrappers show at once."""
    while isinstance(venv, VecEnvWrapper):
        if isinstance(venv, ShowHistory):
            return venv.periods
        venv = venv.venv
    return 1


def any_allowed(masks: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
    """An allowed action for each customer, every one equally likely, ``(n,)``."""
    return np.where(masks, generator.random(masks.shape), -1.0).argmax(axis=1)
