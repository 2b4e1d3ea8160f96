"""Writing policies as folders that servers load: needs the simulator and onnx, never torch."""

from nba_gym.export.card import evaluation_of
from nba_gym.export.sample import sample_observations
from nba_gym.export.write import Parity, check_parity, write_folder

__all__ = ["Parity", "check_parity", "evaluation_of", "sample_observations", "write_folder"]
