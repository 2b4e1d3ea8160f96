"""``python -m nba_gym.cli`` is ``nba-gym``."""

from nba_gym.cli.command import main

if __name__ == "__main__":
    main()
