"""The price of hidden information is worked out seed by seed, and told only beyond luck."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sb3_contrib")

from experiments.hidden_information import NUMBERS, PAGE, Arguments, Price, main, page
from experiments.processes import Processes
from nba_gym.errors import PolicyError
from tests.experiments.small import EFFORT, run_here, small_recipe

DOCS = Path(__file__).parents[2] / "docs"


def test_the_price_is_what_the_twin_earns_more_and_history_closes_part_of_it():
    price = Price.of({"records": [8.0, 9.0], "history": [8.5, 9.5], "everything": [10.0, 11.0]})
    assert price.share.mean == pytest.approx((8 / 10 + 9 / 11) / 2)
    assert price.share.high - price.share.mean == pytest.approx(12.7062 * (9 / 11 - 0.8) / 2, 1e-4)
    assert price.price == (2.0, 2.0, 2.0)
    assert price.history == (0.5, 0.5, 0.5)
    assert price.closed == pytest.approx(0.25)


def test_no_share_is_closed_of_a_price_that_may_be_luck():
    price = Price.of({"records": [8.0, 12.0], "history": [9.0, 9.0], "everything": [10.0, 11.0]})
    assert price.price.low < 0.0
    assert price.closed is None


def check_page(docs: Path) -> None:
    """The page is that which the numbers beside it make."""
    assert (docs / PAGE).read_text() == page(json.loads((docs / NUMBERS).read_text()))


def test_the_committed_page_is_that_of_its_numbers():
    if (DOCS / NUMBERS).exists() or (DOCS / PAGE).exists():
        check_page(DOCS)


@pytest.mark.slow
def test_all_three_learn_with_the_same_budget_and_the_twin_alone_sees_everything(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    told: list[list[str]] = []
    monkeypatch.setattr(Processes, "run", run_here(told))
    names = ("maskable_ppo_from_scratch", "maskable_ppo_history")
    recipe, history = (small_recipe(tmp_path, name) for name in names)
    given = Arguments(worlds=("control",), recipe=recipe, history=history, seeds=2, workers=1)
    main(replace(given, customers=60, write=True, practice=EFFORT))
    assert len(told) == 6
    assert [c[c.index("--steps") + 1] for c in told] == ["4096"] * 6
    assert [(c[c.index("--recipe") + 1], "--everything" in c) for c in told[:3]] == [
        (recipe, False),
        (history, False),
        (recipe, True),
    ]
    [world] = json.loads((tmp_path / "docs" / NUMBERS).read_text())["worlds"]
    assert {kind: len(values) for kind, values in world["values"].items()} == {
        "records": 2,
        "history": 2,
        "everything": 2,
    }
    check_page(tmp_path / "docs")


def test_what_cannot_be_compared_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Arguments(worlds=("control",))
    for changes, said in (
        ({"recipe": "maskable_ppo"}, "recipe must be one without imitation"),
        ({"history": "maskable_ppo"}, "history must show more periods than recipe, got 1 and 1"),
        ({"seeds": 1}, "seeds must be at least 2, got 1"),
    ):
        with pytest.raises(PolicyError, match=said):
            main(replace(given, **changes))
    assert list(tmp_path.iterdir()) == []
