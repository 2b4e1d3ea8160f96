"""The native batch as a Stable-Baselines3 ``VecEnv``, without work for each customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.envs.common import LEDGER_TYPE, check_actions, check_begun, check_running
from nba_gym.envs.vector import JourneyVectorEnv
from nba_gym.errors import ActionError, MissingExtraError

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise MissingExtraError("the Stable-Baselines3 adapter", "train") from error


class JourneyVecEnv(VecEnv):
    """Customers side by side for Stable-Baselines3 and sb3-contrib.

    Journeys begin anew in the same step; the last observation of an ended journey is in
    ``infos[i]["terminal_observation"]``, and ``infos[i]["TimeLimit.truncated"]`` tells a time limit
    from a cancellation. All customers whose journey goes on share one empty info.

    Args:
        num_envs: Customers simulated side by side.
        scenario: As for :class:`JourneyVectorEnv`.
        stagger: Spread the customers over all stages of their journeys at each reset, by letting
            them live uncontacted for a while. Journeys of equal length otherwise stay in step, and
            an on-policy learner sees only one stage of them in each rollout.
        **kwargs: As for :class:`JourneyVectorEnv`, but for ``autoreset_mode``.
    """

    def __init__(
        self, num_envs: int, scenario: Any = "retail", *, stagger: bool = False, **kwargs: Any
    ) -> None:
        self.stagger = stagger
        self.env = JourneyVectorEnv(
            num_envs, scenario, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs
        )
        self.population = self.env.population
        env: Any = self.env
        cast(Any, super()).__init__(num_envs, env.single_observation_space, env.single_action_space)
        self._chosen = np.zeros(num_envs, dtype=np.int64)

    def reset(self) -> NDArray[np.float32]:
        """Begin new journeys: customers 0, 1, 2, ... of the seeded world, or the next ones."""
        seed, options = self._seeds[0], self._options[0]
        if any(other is not options and (other or options) for other in self._options):
            raise ActionError("options must be one dictionary for the whole batch, got a list")
        observations, info = self.env.reset(seed=seed, options=options)
        self.reset_infos = [{"action_mask": mask} for mask in info["action_mask"]]
        self._reset_seeds()
        self._reset_options()
        return self._spread() if self.stagger else observations

    def _spread(self) -> NDArray[np.float32]:
        """Let place ``i`` reach the tenure ``i * horizon / num_envs`` with nobody contacted."""
        horizon = self.env.scenario.horizon
        tenure = np.arange(self.num_envs) * horizon // self.num_envs
        seeds, customers = self.population.who()
        nobody = np.zeros(self.num_envs, dtype=np.int64)
        for left in range(horizon - 1, 0, -1):
            # begin those who have just enough periods left to reach their tenure
            self.population.begin(tenure == left, seeds, customers)
            self.population.step(nobody, kernel.SAME_STEP)
        self.population.begin(tenure == 0, seeds, customers)
        self.population.out = self.population.fresh_outcome()
        self.population.begin(np.zeros(self.num_envs, dtype=np.bool_), seeds, customers)
        return self.population.out.observations

    def state(self) -> dict[str, NDArray[Any]]:
        """Where all journeys are, as for :class:`JourneyVectorEnv`."""
        return self.env.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Go on from there; a seed that waits for the next reset is forgotten.

        Returns:
            Observations, ``(num_envs, n_features)``.

        Raises:
            DataError: If the state is of another scenario, or not of ``num_envs`` customers.
        """
        observations, info = self.env.restore(state)
        self.reset_infos = [{"action_mask": mask} for mask in info["action_mask"]]
        self._reset_seeds()
        self._reset_options()
        return observations

    def copy_places(self, sources: NDArray[Any]) -> None:
        """Let every place go on as a copy of the customer at another one, with the same luck.

        What follows at two copies differs by their actions only (common random numbers). A journey
        that ends at both in the same period is followed by the same next customer.

        Args:
            sources: Which place each of them copies, ``(num_envs,)``.

        Raises:
            ActionError: If these are not places.
            EpisodeError: Before the first reset.
        """
        check_begun("copy_places", begun=self.env.has_begun)
        self.population.copy_places(check_actions(sources, self.num_envs, self.num_envs))

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions for the next step."""
        # a copy: what was checked must not change before it is carried out
        self._chosen = check_actions(actions, self.num_envs, self.env.scenario.n_actions).copy()

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Live one period with every customer."""
        population = self.population
        if not self.env.has_begun:
            check_running(population.state.ended, begun=False)
        population.out = population.fresh_outcome()
        out = population.step(self._chosen, kernel.SAME_STEP)
        self.env.keep_journals(out, population.state.ended)
        dones = out.terminated | out.truncated
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        for i in np.flatnonzero(dones):
            infos[i] = {
                "terminal_observation": out.final_observations[i].copy(),
                "TimeLimit.truncated": bool(out.truncated[i]),
                "ledger": out.ledger[i].view(LEDGER_TYPE)[0],
            }
        return out.observations, out.rewards.astype(np.float32), dones, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions now, ``(num_envs, n_actions)``."""
        check_begun("action_masks", begun=self.env.has_begun)
        return self.population.out.masks.astype(np.bool_)

    def close(self) -> None:
        """Nothing needs closing."""

    def has_attr(self, attr_name: str) -> bool:
        """Whether the environments have an attribute."""
        return attr_name == "action_masks" or hasattr(self.env, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, once for each of the indices; all customers share it."""
        value = getattr(self.env, attr_name)
        return [value] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute for all customers.

        Raises:
            ValueError: If it is asked for some of the customers only.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"indices must name all customers for {attr_name!r}, got {indices!r}")
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method; for ``action_masks`` one row for each of the indices."""
        chosen = list(self._get_indices(indices))
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[i] for i in chosen]
        if method_name == "explain_mask":
            return [self.env.explain_mask(i) for i in chosen]
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [result] * len(chosen)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No customer is wrapped on their own."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> list[Any]:
        """Pictures of the journeys, with ``render_mode="rgb_array"``."""
        return list(self.env.render() or ())
