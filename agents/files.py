"""Files that are there as a whole or not at all; see ``nba_gym.files``."""

from nba_gym.files import whole_file

__all__ = ["whole_file"]
