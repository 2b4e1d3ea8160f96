"""Mechanisms that are halved and switched off."""

from types import UnionType
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from nba_gym.evaluation.card.mechanisms import MECHANISMS, find, is_on, scale
from nba_gym.scenario import load_scenario
from nba_gym.scenario import mechanisms as parts

# --- mechanisms ----------------------------------------------------------------------------------

# what has a default other than 0 or "off", or is no coefficient of a mechanism

NO_SWITCHES = {
    *("purchase.process", "purchase.intercept", "price.loss_aversion", "awareness.decay"),
    *("need_dynamics.satisfaction", "need_dynamics.signal_memory", "service.basket_periods"),
    *("contract.commitment", "contract.renewal", "contract.recommitment"),
}


def test_every_coefficient_belongs_to_a_mechanism():
    world = load_scenario("control")
    fields = {f for each in MECHANISMS for f in (*each.switches, *each.fields, *each.beside)}
    for part, given in world:
        if not isinstance(given, parts.Part) or part in ("traits", "engagement"):
            continue
        for name in type(given).model_fields:
            path = f"{part}.{name}"
            known = path in NO_SWITCHES or any(field.startswith(path) for field in fields)
            assert known, f"add {path} to a mechanism in nba_gym/evaluation/card/mechanisms.py"


def test_every_field_of_a_mechanism_exists():
    for each in MECHANISMS:
        for field in (*each.switches, *each.fields, *each.beside):
            model: Any = type(load_scenario("control"))
            for step in field.split("."):
                model = _below(model, step)
                assert model is not None, field


def _below(model: Any, step: str) -> Any:
    """The type one step further down: of a field, or of the rows of a list or table."""
    if isinstance(model, UnionType):
        model = get_args(model)[0]
    if step == "*":
        row, *rest = get_args(model)  # of a tuple (X, ...) or a dict of name and X
        return row if rest == [...] else rest[0]
    found = model.model_fields.get(step) if isinstance(model, type(BaseModel)) else None
    return None if found is None else found.annotation


def test_in_the_control_only_what_has_no_memory_is_on():
    on = {each.name for each in MECHANISMS if is_on(each, load_scenario("control"))}
    assert on == {
        *("contacts are noticed", "contacts are answered", "price sensitivity"),
        *("offers persuade", "needs arise", "season", "browsing shows needs"),
    }


@pytest.mark.parametrize("each", [m for m in MECHANISMS if m.fields], ids=lambda m: m.name)
def test_a_mechanism_is_halved_and_nothing_else_is(each):
    for name in ("retail", "telecom"):
        world = load_scenario(name)
        if not is_on(each, world):
            continue
        changed = scale(each, world, 0.5).scenario
        before, after = (one.model_dump(mode="json") for one in (world, changed))
        assert before != after
        for field in each.fields:
            for (path, old), (_, new) in zip(find(before, field), find(after, field), strict=True):
                if isinstance(old, dict):
                    assert _mean(new) == pytest.approx(0.5 * _mean(old)), path
                elif each.how == "odds":
                    assert np.exp(new) == pytest.approx(0.5 * np.exp(old)), path
                else:
                    assert new == pytest.approx(0.5 * old), path
                _put(after, path, old)
        assert after == before


def _mean(trait: dict[str, Any]) -> float:
    match trait["family"]:
        case "gamma":
            return trait["shape"] / trait["rate"]
        case "lognormal":
            return trait["median"]
        case _:
            return trait["value"]


def _put(tree: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        rows = {row["name"]: row for row in tree} if isinstance(tree, list) else tree
        tree = rows[step]
    tree[last] = value


def test_what_stops_at_the_end_of_its_range_is_told():
    noticed = next(each for each in MECHANISMS if each.name == "contacts are noticed")
    changed = scale(noticed, load_scenario("control"), 1.5)
    assert changed.stopped == ("channels.sms.reach",)
    assert changed.scenario.channels[1].reach == 1.0


def test_a_limit_that_fields_have_together_is_kept():
    answered = next(each for each in MECHANISMS if each.name == "contacts are answered")
    world = load_scenario(
        "control", {"channels.sms.response": 0.3, "channels.sms.response_relevance": 0.5}
    )
    changed = scale(answered, world, 1.5)
    assert changed.factor == pytest.approx(1.25)
    assert changed.scenario.channels[1].response == pytest.approx(0.375)
