"""What policies without torch learned, drawn as nodes of a graph."""

from __future__ import annotations

import numpy as np

from nba_gym.export.draft import Draft
from nba_gym.policies.attributes import Array
from nba_gym.policies.practice import GreedyPractice
from nba_gym.policies.propensity import Propensity


def draw_linear(draft: Draft, coefficients: Array) -> str:
    """``observations @ coefficients[:-1] + coefficients[-1]``."""
    return draft.linear(draft.observations, (coefficients[:-1], coefficients[-1]))


def draw_practice(draft: Draft, policy: GreedyPractice) -> str:
    """Expected earnings that each action adds to waiting, before costs: ``PracticeModel.gains``."""
    model = policy.model
    credited = model.windows[policy.window]
    spend = draft.add("Relu", draw_linear(draft, model.value))
    values = draft.add("Mul", spend, draft.constant(model.margins[None]))
    gain = draw_uplift(draft, model.now, values, model.kept)
    if credited.later is not None and policy.ripening > 0.0:
        ripe = draft.add("Mul", values, draft.constant(policy.ripening))
        gain = draft.add("Add", gain, draw_uplift(draft, credited.later, ripe))
    if credited.leaving is not None and policy.years > 0.0:
        until = draft.columns(draft.observations, [model.bound])
        free = draft.add("LessOrEqual", until, draft.constant(credited.bound))
        lost = draft.constant(-policy.years * model.year)
        worth = draft.add("Where", free, lost, draft.constant(0.0))
        gain = draft.add("Add", gain, draw_uplift(draft, credited.leaving, worth))
    if model.volunteering is not None:
        worth = draft.constant(np.full((1, 1), model.time_given))
        gain = draft.add("Add", gain, draw_uplift(draft, model.volunteering, worth))
    return gain


def draw_contexts(draft: Draft, policy: GreedyPractice, gain: str) -> str:
    """Factors on what the situation calls for."""
    situations = policy.model.situations
    for name, factor in policy.contexts.items():
        rows = [i for i, of in enumerate(situations.of) if of == name]
        if rows:
            here = draft.columns(draft.observations, situations.columns[rows])
            there = draft.add("Cast", draft.add("Greater", here, draft.constant(0.0)), to=1)
            fits = draft.constant(situations.fits[rows])
            called = draft.add("Greater", draft.add("MatMul", there, fits), draft.constant(0.0))
            gain = draft.add("Where", called, draft.add("Mul", gain, draft.constant(factor)), gain)
    return gain


def draw_uplift(draft: Draft, of: Propensity, worth: str, kept: Array | None = None) -> str:
    """Expected worth of what each action changes: ``Propensity.uplift``."""
    alone, after = _draw_odds(draft, of)
    changed = _draw_chance(draft, after)
    if kept is not None:
        changed = draft.add("Mul", changed, draft.constant(kept[None]))
    changed = draft.add("Sub", changed, _draw_chance(draft, alone))
    two = draft.constant([2], np.int64)
    gains = draft.add("Mul", changed, draft.add("Unsqueeze", worth, two))
    return draft.add("ReduceSum", gains, draft.constant([1], np.int64), keepdims=0)


def draw_most_likely(draft: Draft, of: Propensity) -> str:
    """Probability of the likeliest outcome an action is about: ``Propensity.most_likely``."""
    _, after = _draw_odds(draft, of)
    about = (of.effects != 0.0).any(axis=0)[None]
    chances = draft.add("Mul", _draw_chance(draft, after), draft.constant(about))
    return draft.add("ReduceMax", chances, draft.constant([1], np.int64), keepdims=0)


def _draw_odds(draft: Draft, of: Propensity) -> tuple[str, str]:
    """Odds if left alone, ``(rows, n, 1)``, and after every action, ``(rows, n, n_actions)``."""
    n, n_actions = of.effects.shape[1:]
    stacked = np.concatenate([of.base[:, :, None], of.effects], axis=2).reshape(len(of.base), -1)
    low, high = draft.constant(-30.0), draft.constant(30.0)
    odds = draft.add("Exp", draft.add("Clip", draw_linear(draft, stacked), low, high))
    shape = draft.constant([0, n, 1 + n_actions], np.int64)
    cube = draft.add("Reshape", odds, shape)
    alone = _draw_slice(draft, cube, 0, 1)
    return alone, draft.add("Mul", _draw_slice(draft, cube, 1, 1 + n_actions), alone)


def _draw_slice(draft: Draft, cube: str, first: int, last: int) -> str:
    bounds = [draft.constant([number], np.int64) for number in (first, last, 2)]
    return draft.add("Slice", cube, *bounds)


def _draw_chance(draft: Draft, odds: str) -> str:
    return draft.add("Div", odds, draft.add("Add", odds, draft.constant(1.0)))
