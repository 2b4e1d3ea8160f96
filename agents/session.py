"""A training from its beginning, or from a checkpoint, to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

from agents.algorithms import Learner
from agents.checkpoint import Tree
from agents.imitation import Imitation
from agents.keeper import Keep, Keeper
from agents.moment import read_learner, write_learner
from agents.recipe import Recipe
from agents.watch import Watch
from nba_gym.policies import Policy

Teacher = Policy | Callable[[], Policy]
"""Whom to imitate, or what makes one."""


class Session:
    """Imitation and learning, each of which can be gone on with from a checkpoint.

    Args:
        learner: The model before training, and its customers.
        recipe: Settings.
        watch: Looks at the held-out customers.
        seed: Seed of imitation.
        keep: Where checkpoints are kept; ``None`` keeps none.
        about: What the training is, as plain values.
    """

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe,
        watch: Watch,
        seed: int,
        keep: Keep | None,
        about: Tree,
    ) -> None:
        self.learner, self.recipe, self.watch = learner, recipe, watch
        self.keeper = Keeper(keep, about, self.moment)
        self.imitation: Imitation | None = None
        if recipe.imitate > 0.0:
            decisions = int(recipe.imitate * recipe.steps)
            self.imitation = Imitation(
                learner.model, decisions=decisions, doubt=recipe.doubt, seed=seed
            )
        self.learning = self.imitation is None

    def moment(self) -> Tree:
        """All that the rest of the training depends on."""
        tree: Tree = {"learner": read_learner(self.learner), "watch": self.watch.memory()}
        if not self.learning and self.imitation is not None:
            tree["imitation"] = self.imitation.memory()
        return tree

    def go_on(self, tree: Tree, *, quiet: bool) -> None:
        """Be where another training was."""
        write_learner(self.learner, tree["learner"])
        self.watch.recall(tree["watch"])
        self.learning = "imitation" not in tree
        if not self.learning and self.imitation is not None:
            self.imitation.recall(tree["imitation"])
        if not quiet:
            print(f"going on after {self.done:,} transitions", file=sys.stderr)

    @property
    def done(self) -> int:
        """Transitions so far, imitated ones included."""
        imitated = 0 if self.imitation is None else self.imitation.decisions
        before = int(self.recipe.imitate * self.recipe.steps) if self.learning else imitated
        return before + int(self.learner.model.num_timesteps)

    def run(self, teacher: Teacher | None, *, quiet: bool) -> None:
        """Train to the end, or until asked to stop."""
        found = self.keeper.find()
        if teacher is not None and (found is None or "imitation" in found):
            teacher = teacher if isinstance(teacher, Policy) else teacher()
        with self.keeper.listening():
            try:
                self.watch.begin()
                if found is not None:
                    self.go_on(found, quiet=quiet)
                if not self.learning:
                    self._imitate(cast(Policy, teacher))
                self._learn(afresh=found is None or "imitation" in found)
            finally:
                self.watch.close()

    def _imitate(self, teacher: Policy) -> None:
        imitation = cast(Imitation, self.imitation)

        def each_period() -> None:
            self.watch.show(imitation.decisions)
            self.keeper.boundary()

        imitation.run(teacher, each_period)
        self.learning = True

    def _learn(self, *, afresh: bool) -> None:
        model, recipe = self.learner.model, self.recipe
        total = int(recipe.critic_alone * recipe.steps) + recipe.steps
        model.learn(
            total if afresh else total - model.num_timesteps,
            callback=[self.keeper, self.watch],
            tb_log_name=recipe.algorithm,
            log_interval=recipe.customers if hasattr(model, "replay_buffer") else 1,
            reset_num_timesteps=afresh,
        )
