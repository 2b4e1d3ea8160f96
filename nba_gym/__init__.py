"""nba_gym: a customer-journey simulator for next best action, as Gymnasium environments.

>>> import gymnasium, nba_gym
>>> env = gymnasium.make("nba_gym/Retail-v0")
>>> envs = gymnasium.make_vec("nba_gym/Retail-v0", num_envs=1024)
>>> venv = nba_gym.make_sb3("nba_gym/Retail-v0", num_envs=1024)  # Stable-Baselines3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nba_gym.envs.registration import environment_ids, register_scenarios
from nba_gym.scenario import Scenario, load_scenario, preset_names

if TYPE_CHECKING:
    from nba_gym.envs.stable_baselines import JourneyVecEnv

__version__ = "0.1.0"
__all__ = [
    "Scenario",
    "__version__",
    "environment_ids",
    "load_scenario",
    "make_sb3",
    "preset_names",
]


def make_sb3(env_id: str, num_envs: int = 1, **kwargs: Any) -> JourneyVecEnv:
    """A native batch of customers as a Stable-Baselines3 ``VecEnv``.

    Args:
        env_id: A registered id such as ``"nba_gym/Retail-v0"``, or a scenario name or file.
        num_envs: Customers simulated side by side.
        **kwargs: As for :class:`nba_gym.envs.vector.JourneyVectorEnv`.

    Raises:
        MissingExtraError: If Stable-Baselines3 is not installed.
    """
    from nba_gym.envs.registration import scenario_of
    from nba_gym.envs.stable_baselines import JourneyVecEnv

    return JourneyVecEnv(num_envs, scenario_of(env_id), **kwargs)


register_scenarios()
