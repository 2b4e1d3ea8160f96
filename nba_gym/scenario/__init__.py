"""What a world is: schema, presets, strict loading, and the arrays the kernel works on."""

from nba_gym.scenario.load import load_scenario, preset_names, scenario_hash
from nba_gym.scenario.schema import Scenario, json_schema

__all__ = ["Scenario", "json_schema", "load_scenario", "preset_names", "scenario_hash"]
