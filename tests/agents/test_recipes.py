"""Recipes: valid in every world, refused by name."""

import pytest

from agents.algorithms import BUILDERS
from agents.recipe import FOLDER, RECIPES, load_recipe, recipe_names
from nba_gym.errors import PolicyError
from nba_gym.evaluation.split import SPLIT
from nba_gym.scenario.load import preset_names
from tests.agents.kills import NAMES
from tests.agents.learners import built


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_meets_the_customers_of_a_world_of_its_own(name):
    worlds, _ = built(name).raw.population.who()
    assert set(worlds.tolist()) == {SPLIT.training_seed(3)}


# --- recipes --------------------------------------------------------------------------------------


def test_every_algorithm_has_a_recipe_and_a_builder():
    assert set(BUILDERS) == set(RECIPES)
    assert {load_recipe("retail", name).algorithm for name in recipe_names()} == set(RECIPES)
    assert set(NAMES) <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("world", preset_names())
def test_every_recipe_is_valid_in_every_world(name, world):
    assert load_recipe(world, name).steps > 0


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("dqn", {"epochs": 3}, "epochs is not a known setting of dqn"),
        ("a2c", {"entropi": 0.1}, "did you mean 'entropy'"),
        ("a2c", {"gae_lambda": 1.5}, "gae_lambda must be at most 1, got 1.5"),
        ("a2c", {"averaging": 1.0}, "averaging must be below 1, got 1"),
        ("maskable_ppo", {"doubt": 1.0}, "doubt must be below 1, got 1"),
        ("dqn", {"replay": 0}, "replay must be at least 1, got 0"),
        ("dqn", {"double": 1}, "double must be true or false, got 1"),
        ("qrdqn", {"quantiles": 2.5}, "quantiles must be a whole number, got 2.5"),
        ("a2c", {"network": ()}, "network must be a list of at least one whole number"),
        ("a2c", {"network": (64, 0)}, "network must be at least 1, got 0"),
        ("a2c", {"learning_rate": float("nan")}, "learning_rate must be finite, got nan"),
        ("a2c", {"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(name, changes, said):
    with pytest.raises(PolicyError, match=said):
        load_recipe("control", name).with_changes(**changes)


def test_a_recipe_of_ones_own_is_read_from_its_file_and_refused_with_its_name(tmp_path):
    text, path = (FOLDER / "a2c.toml").read_text(), tmp_path / "mine.toml"
    path.write_text(text.replace("entropy = 0.01", "entropy = 0.5"))
    assert vars(load_recipe("hotel", str(path)))["entropy"] == 0.5
    for broken, said in (
        (text.replace("entropy = ", "entrpy = "), "mine.toml: entrpy is not a known .*'entropy'"),
        (text.replace("entropy = ", "# "), "mine.toml: entropy must be given"),
        (text.replace('"a2c"', '"a2d"'), "mine.toml: algorithm must be .* mean 'a2c'"),
        (text.replace("gae_lambda = 0.95", "gae_lambda = -1"), "mine.toml: gae_lambda must be at"),
        ("steps =", "mine.toml must be valid TOML"),
    ):
        path.write_text(broken)
        with pytest.raises(PolicyError, match=said):
            load_recipe("hotel", str(path))
