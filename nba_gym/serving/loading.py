"""Loading a policy folder for the service, and swapping one for another while it serves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from nba_gym.errors import BundleError, RequestError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.engine import Engine
from nba_gym.serving.golden import Golden
from nba_gym.serving.lineup import Lineup, Scorer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def load_policy(folder: Path) -> tuple[Scorer, Scenario]:
    """A verified policy and the world it is for.

    Raises:
        BundleError: If the folder is not what it may be, or its policy does not choose by scores.
    """
    engine = Engine(folder)
    check_chooses(engine.folder.golden)
    return engine, engine.folder.scenario


def check_chooses(golden: Golden) -> None:
    """Whether the best score is what the policy would do; of one by lot it is one of many.

    Raises:
        BundleError: If it is one by lot.
    """
    allowed = golden.masks > 0
    by_lot = np.array_equal(golden.scores[allowed], golden.probabilities[allowed])
    if by_lot and golden.probabilities.max(axis=1).min() < 1.0:
        raise BundleError(
            "policy must choose by its scores to serve or to score a file, got one by lot; serve "
            "another with --epsilon, which draws among what is allowed"
        )


class Swapper:
    """Replaces the champion of a running service by another policy, and takes it back.

    A candidate is verified and tries itself before it is let in, and must be for the same world;
    whatever is wrong with it, the champion stays. One swap at a time.

    Args:
        folder: The only folder whose subfolders may be loaded.
        scenario: The world that is served.
        load: Loads and verifies a policy folder.
        lineup: Says who decides now.
        replace_lineup: Lets others decide.
    """

    def __init__(
        self,
        folder: Path | None,
        scenario: Scenario,
        load: Callable[[Path], tuple[Scorer, Scenario]],
        lineup: Callable[[], Lineup],
        replace_lineup: Callable[[Lineup], None],
    ) -> None:
        self._folder = folder
        self._world = scenario_hash(scenario)
        self._load = load
        self._lineup, self._replace = lineup, replace_lineup
        self._before: Scorer | None = None
        self._rolled_back: tuple[str | None, str] = None, ""
        self._lock = threading.Lock()

    def swap(self, name: str) -> str:
        """Let another policy decide.

        Args:
            name: Its subfolder.

        Returns:
            Its digest.

        Raises:
            RequestError: If it cannot be let in; then nothing has changed.
        """
        if self._folder is None:
            raise RequestError("policies must be swapped from a folder that serve names", 403)
        if not _NAME.fullmatch(name):
            raise RequestError("policy must be the name of a subfolder, got something else")
        with self._lock:
            where = self._folder / name
            if where.is_symlink() or not where.is_dir():
                raise RequestError("policy must be the name of a subfolder, got none", 404)
            try:
                candidate, scenario = self._load(where)
            except (BundleError, OSError) as error:
                said = str(error) if isinstance(error, BundleError) else "it cannot be read"
                raise RequestError(f"policy must be sound: {said}", 422) from None
            if scenario_hash(scenario) != self._world:
                raise RequestError("policy must be for the world that is served, got another", 422)
            if candidate.digest != self._lineup().champion.digest:  # else it was asked for twice
                self._let_in(candidate)
            return candidate.digest

    def roll_back(self, key: str | None = None) -> str:
        """Let the policy before decide again; a second time brings back the one after it.

        Args:
            key: Idempotency key: asked for again under the key of the last roll-back, nothing
                changes, and the answer is the same.

        Raises:
            RequestError: If there was none.
        """
        with self._lock:
            if key is not None and key == self._rolled_back[0]:
                return self._rolled_back[1]
            if self._before is None:
                raise RequestError("there must be a policy to go back to, got none", 409)
            digest = self._before.digest
            self._let_in(self._before)
            self._rolled_back = key, digest
            return digest

    def _let_in(self, policy: Scorer) -> None:
        lineup = self._lineup()
        self._before = lineup.champion
        self._replace(replace(lineup, champion=policy))
