"""Write a trained policy as a folder that needs no torch: ``python -m agents.export runs/x``.

Normalisation of the observation and the mask are inside the graph; the folder is the whole
interface between training and serving. Parity of the written file with the network in memory is
proven on many observations before the folder counts as written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import nn

import nba_gym
from agents.policy import ActionScores, AgentPolicy
from nba_gym.customer.populate import populate
from nba_gym.errors import BundleError
from nba_gym.export import Parity, write_folder
from nba_gym.export.draft import Draft
from nba_gym.export.sample import CUSTOMERS
from nba_gym.export.write import PARITY_ROWS
from nba_gym.scenario import Scenario
from nba_gym.serving.contents import FORBIDDEN

_BENDS = {
    "ELU": "Elu",
    "LeakyReLU": "LeakyRelu",
    "ReLU": "Relu",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Tanh": "Tanh",
}
"""What may stand between two layers, and its operator."""
_NOTHING = ("Identity", "Flatten", "Dropout")
"""Layers that change nothing in a policy that acts."""


class Network:
    """A network of ``agents.policy`` as something to export.

    Args:
        policy: A trained agent that sees records only and remembers nothing.
        recipe: Settings of training, for the card.
        seed: Seed of training, for the card; none where nobody knows it.

    Raises:
        BundleError: If the policy is privileged or remembers.
    """

    scores_are = "logits of the network, or the worth of each action where it learned values"

    def __init__(self, policy: AgentPolicy, recipe: dict[str, Any], seed: int | None) -> None:
        if policy.observe != "records":
            raise BundleError(
                "a policy to be served must see the records only, got one that sees "
                f"{policy.observe}"
            )
        if policy.remembers or not isinstance(policy.scores, ActionScores):
            raise BundleError(
                "a policy to be served must choose by the present observation alone, got one of "
                f"{policy.algorithm} that remembers (history {policy.history})"
            )
        self.policy, self.scores = policy, policy.scores
        self.training = {"algorithm": policy.algorithm, "seed": seed, "recipe": recipe}

    def draw(self, draft: Draft) -> tuple[str, str]:
        """Normalise, then the layers."""
        scores = self.scores
        at = draft.add("Sub", draft.observations, draft.constant(scores.mean.numpy()))
        at = draft.add("Div", at, draft.constant(scores.std.numpy()))
        at = draft.add("Clip", at, draft.constant(-scores.clip), draft.constant(scores.clip))
        for layer in (*_leaves(scores.actor), *_leaves(scores.head)):
            at = _draw_layer(draft, at, layer)
        return at, ""

    def answer(
        self, observations: NDArray[np.float32], masks: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and probabilities of torch."""
        with torch.inference_mode():
            logits = self.scores.logits(torch.from_numpy(observations)).numpy()
        low = np.float32(FORBIDDEN)
        return np.where(masks > 0, logits, low), self.policy.probabilities_of(observations, masks)


def _leaves(module: nn.Module) -> list[nn.Module]:
    """Layers one after the other; only plain sequences are taken apart."""
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in _leaves(part)]
    return [module]


def _draw_layer(draft: Draft, at: str, layer: nn.Module) -> str:
    name = type(layer).__name__
    if isinstance(layer, nn.Linear):
        bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_features)
        weights = layer.weight.detach().numpy().T
        return draft.linear(at, (weights, bias.detach().numpy()))
    if name in _NOTHING:
        return at
    if name not in _BENDS:
        known = ", ".join(["Linear", *_BENDS, *_NOTHING])
        raise BundleError(f"layers of a policy to be served must be of {known}, got {name}")
    steepness = {"ELU": "alpha", "LeakyReLU": "negative_slope"}.get(name)
    if steepness is None:
        return draft.add(_BENDS[name], at)
    return draft.add(_BENDS[name], at, alpha=float(getattr(layer, steepness)))


def export(
    policy: AgentPolicy,
    scenario: Scenario,
    folder: Path,
    *,
    recipe: dict[str, Any] | None = None,
    seed: int | None = None,
    rows: int = PARITY_ROWS,
    customers: int = CUSTOMERS,
    evaluation: dict[str, Any] | None = None,
) -> Parity:
    """Write the policy folder and prove parity; see ``nba_gym.export.write_folder``.

    Args:
        policy: A trained agent that sees records only.
        scenario: The world it was trained in.
        folder: Where to write; an older policy folder is replaced as a whole, or left as it was.
        recipe: Settings of training, for the card.
        seed: Seed of training, for the card; none where nobody knows it.
        rows: Observations on which parity is proven.
        customers: Customers from whose journeys the value is learned.
        evaluation: Outcome of a comparison, for the card (``nba_gym.export.evaluation_of``).

    Raises:
        BundleError: If the policy is privileged or remembers, or the exported file does not agree
            with it.
    """
    source = Network(policy, recipe or {}, seed)
    return write_folder(
        source, scenario, folder, rows=rows, customers=customers, evaluation=evaluation
    )


@dataclass(frozen=True)
class Arguments:
    """Write the policy folder of a run, of weights, or of a model of Stable-Baselines3.

    Try: python -m agents.export runs/first-comparison --out policy
    """

    run: Annotated[Path | None, tyro.conf.Positional] = None
    """folder that agents.train or make run left, or a file with weights (weights.safetensors)"""
    out: Path | None = None
    """policy folder to write; by default policy in the folder of the run"""
    scenario: str | None = None
    """preset name or TOML file, where the run does not say it"""
    sb3: Path | None = None
    """instead: the zip file that a model of Stable-Baselines3 saved; runs code when it is loaded"""
    algorithm: str = "MaskablePPO"
    """what the model in the zip file was trained by"""
    normaliser: Path | None = None
    """the file that VecNormalize.save wrote beside it; runs code when it is loaded"""
    trust: bool = False
    """you know who wrote the zip file and the normaliser"""


def _check_fits(policy: AgentPolicy, scenario: Scenario) -> None:
    """Refuse weights whose size is not that of a scenario."""
    head: Any = policy.scores.head
    sizes = (policy.n_features, head.out_features)
    wanted = (len(populate(scenario, 1).features), scenario.n_actions)
    if policy.observe == "records" and sizes != wanted:
        raise BundleError(
            f"weights must be for {wanted[0]} features and {wanted[1]} actions, as in "
            f"{scenario.name}, got {sizes[0]} and {sizes[1]}; name their scenario with --scenario"
        )


def main(arguments: Arguments) -> None:
    """Export what a run left."""
    from agents.foreign import load_sb3
    from agents.left import Left, find_left
    from agents.weights import load_policy

    if (arguments.run is None) == (arguments.sb3 is None):
        raise BundleError(
            "run must name the folder of a training run or its weights, or sb3 a zip file of "
            "Stable-Baselines3, got both or none"
        )
    left = Left(cast(Path, arguments.sb3)) if arguments.run is None else find_left(arguments.run)
    scenario = left.scenario
    if arguments.scenario is not None:
        scenario = nba_gym.load_scenario(arguments.scenario)
    if scenario is None:
        raise BundleError(
            f"scenario must be given (--scenario) where the run does not say it, got none for "
            f"{left.weights}"
        )
    if arguments.run is not None:
        policy = load_policy(left.weights)
    else:
        policy = load_sb3(
            left.weights,
            scenario,
            algorithm=arguments.algorithm,
            normaliser=arguments.normaliser,
            trust=arguments.trust,
        )
    _check_fits(policy, scenario)
    out = arguments.out or left.weights.parent / "policy"
    parity = export(
        policy, scenario, out, recipe=left.recipe, seed=left.seed, evaluation=left.evaluation
    )
    print(
        f"{parity.rows:,} observations: scores at most {parity.largest_of_scores:.1e} apart, "
        f"{parity.other_actions} other choices ({parity.ties} ties)"
    )
    print(f"wrote {out}/")


if __name__ == "__main__":
    from agents.train import run_main

    run_main(main, Arguments)
