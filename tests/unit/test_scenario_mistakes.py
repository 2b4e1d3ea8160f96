"""Every mistake in a scenario is told in one line: field, rule, value and file."""

import math
from typing import Any

import numpy as np
import pytest

from nba_gym.customer.population import Population
from nba_gym.errors import ScenarioError
from nba_gym.lanes import MAX_NEEDS
from nba_gym.scenario.consistency import MAX_SEASONS
from nba_gym.scenario.load import load_scenario


@pytest.fixture
def write(tmp_path, small_file):
    """Writes a file beside ``small.toml`` and returns its path."""
    (tmp_path / "small.toml").write_text(small_file.read_text())

    def write(text, name="mine.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def complaint(source, overrides: Any = ()) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source, overrides)
    text = str(caught.value)
    assert "\n" not in text, "one mistake, one line"
    return text


def seasonal_offers(count: int) -> list[dict[str, Any]]:
    """A catalogue in which as many offers have a season of their own, each offered twice."""
    offer = {"kind": "offer", "channel": "email", "needs": {"shoes": 1.0}}
    twice = [(i, name) for i in range(count) for name in (f"offer_{i}", f"again_{i}")]
    offers = [offer | {"name": name, "valid": [i, 51]} for i, name in twice]
    return [{"name": "wait", "kind": "wait"}, *offers]


GAMMA = {"family": "gamma", "shape": 2.0, "rate": 1.0}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": (
        {"leaving.period_bse": -3.0},
        "leaving.period_bse must be a known field, got -3.0; did you mean 'period_base'?",
    ),
    "unknown table": (
        {"leavng.period_base": -3.0},
        "leavng must be a known field, got {'period_base': -3.0}; did you mean 'leaving'?",
    ),
    "field of another family": (
        {"traits.spend": GAMMA | {"sigma": 3.0}},
        "traits.spend.sigma must be a known field, got 3.0; choose from family, rate, shape",
    ),
    "above the range": (
        {"leaving.period_scale": 1.7},
        "leaving.period_scale must be in [0, 1], got 1.7",
    ),
    "below the range": (
        {"channels.email.cost": -0.5},
        "channels.email.cost must be in [0, 1e+09], got -0.5",
    ),
    "for nothing": (
        {"actions.email_offer.discount": 1.0},
        "actions.email_offer.discount must be in [0, 0.99], got 1.0",
    ),
    "on an open end of the range": (
        {"attention.fatigue_decay": 1.0},
        "attention.fatigue_decay must be in [0, 1), got 1.0",
    ),
    "no discounting to nothing": ({"discount": 0}, "discount must be in (0, 1], got 0"),
    "one-sided range": ({"version": -1}, "version must be at least 0, got -1"),
    "not a number": (
        {"leaving.period_base": math.nan},
        "leaving.period_base must be a finite number, got nan",
    ),
    "infinite": (
        {"need_dynamics.excitation.shoes.gifts": math.inf},
        "need_dynamics.excitation.shoes.gifts must be a finite number, got inf",
    ),
    "text for a number": (
        {"channels.email.cost": "0.5"},
        "channels.email.cost must be a number, got '0.5'",
    ),
    "truth for a number": (
        {"channels.email.cost": True},
        "channels.email.cost must be a number, got True",
    ),
    "fraction for a whole number": (
        {"channels.email.cap": 2.5},
        "channels.email.cap must be a whole number, got 2.5",
    ),
    "number for truth": (
        {"contract.enabled": 1},
        "contract.enabled must be true or false, got 1",
    ),
    "number for text": ({"title": 5}, "title must be text, got 5"),
    "text for a list": (
        {"actions.email_offer.suitability": "no_complaint"},
        "actions.email_offer.suitability must be a list, got 'no_complaint'",
    ),
    "number for a table": ({"traits.spend": 3}, "traits.spend must be a table, got 3"),
    "number for a row": ({"channels": [1]}, "channels.0 must be a table, got 1"),
    "long value": (
        {"title": list(range(99))},
        "title must be text, got [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16...",
    ),
    "missing parameter": (
        {"traits.spend": {"family": "gamma", "shape": 2.0}},
        "traits.spend.rate must be given, got nothing",
    ),
    "missing family": (
        {"traits.spend": {"shape": 2.0}},
        "traits.spend.family must be given, got nothing",
    ),
    "unknown family": (
        {"traits.spend.family": "gama"},
        "traits.spend.family must be one of constant, gamma, inverse_gamma, lognormal, beta, normal, "
        "got 'gama'; did you mean 'gamma'?",
    ),
    "family that does not fit": (
        {"traits.spend": {"family": "normal", "mean": 2.0, "sd": 1.0}},
        "traits.spend.family must be one of gamma, inverse_gamma, lognormal, constant, got 'normal'",
    ),
    "constant out of range": (
        {"traits.attention.email": {"family": "constant", "value": 1.5}},
        "traits.attention.email.value must be in [0, 1], got 1.5",
    ),
    "constant that something is divided by": (
        {"personas.calm.traits.tolerance": {"family": "constant", "value": 0.0}},
        "personas.calm.traits.tolerance.value must be in [1e-09, 1e+09], got 0",
    ),
    "unknown kind": (
        {"actions.email_offer.kind": "ofer"},
        "actions.email_offer.kind must be 'wait', 'inform', 'offer', 'service', 'reward', 'ask', "
        "'retain' or 'invite', got 'ofer'; did you mean 'offer'?",
    ),
    "name with capitals": (
        {"name": "My Shop"},
        "name must be a name of lower-case letters, digits and _, beginning with a letter, "
        "got 'My Shop'",
    ),
    "unknown channel": (
        {"actions.email_offer.channel": "emial"},
        "actions.email_offer.channel must be a channel of the scenario, got 'emial'; "
        "did you mean 'email'?",
    ),
    "unknown need of an action": (
        {"actions.email_offer.needs.sheos": 1.0},
        "actions.email_offer.needs must name needs of the scenario, got 'sheos'; "
        "did you mean 'shoes'?",
    ),
    "weight of a need out of range": (
        {"actions.email_offer.needs.shoes": 1.5},
        "actions.email_offer.needs.shoes must be in [0, 1], got 1.5",
    ),
    "offer of nothing": (
        {"actions.email_offer.needs": {}},
        "actions.email_offer.needs must name at least one need for an offer, got none",
    ),
    "discount without an offer": (
        {"actions.web_service.discount": 0.25},
        "actions.web_service.discount must be 0 unless an offer or retain action names needs, "
        "got 0.25 on service",
    ),
    "margin without a contract": (
        {"contract.recurring_margin": 2.5},
        "contract.recurring_margin must be 0 unless contract.enabled, got 2.5",
    ),
    "unknown rule": (
        {"actions.email_offer.suitability": ["no_complant"]},
        "actions.email_offer.suitability must name known rules, got 'no_complant'; "
        "did you mean 'no_complaint'?",
    ),
    "season outside the year": (
        {"actions.email_offer.valid": [44, 52]},
        "actions.email_offer.valid must be in [0, 52), the cycle, got 52",
    ),
    "too many seasons": (
        {"actions": seasonal_offers(MAX_SEASONS + 1)},
        f"actions.offer_{MAX_SEASONS}.valid must be one of at most {MAX_SEASONS} different "
        f"seasons, got [{MAX_SEASONS}, 51] as another one",
    ),
    "first action not waiting": (
        {"actions.wait.kind": "ask"},
        "the first of actions must be waiting without a channel, got kind 'ask', channel ''",
    ),
    "waiting on a channel": (
        {"actions.wait.channel": "email"},
        "the first of actions must be waiting without a channel, got kind 'wait', channel 'email'",
    ),
    "second waiting": (
        {"actions.email_offer.kind": "wait"},
        "actions.email_offer.kind must not be wait after the first action, got 'wait'",
    ),
    "shares": ({"personas.busy.share": 0.5}, "personas.share must sum to 1, got 1.2"),
    "no channels": ({"channels": []}, "channels must have 1 to 8 entries, got 0"),
    "too many needs": (
        {"needs": [{"name": f"need_{k}", "margin": 0.5} for k in range(MAX_NEEDS + 1)]},
        f"needs must have 1 to {MAX_NEEDS} entries, got {MAX_NEEDS + 1}",
    ),
    "duplicated need": (
        {"needs": [{"name": "shoes", "margin": 0.5}] * 2},
        "needs.name must be unique, got 'shoes' 2 times",
    ),
    "visits to an outbound channel": (
        {"channels.email.visit_share": 0.1},
        "channels.email.visit_share must be 0 on an outbound channel, got 0.1",
    ),
    "visits to nowhere": (
        {"channels.web.visit_share": 0.5},
        "channels.visit_share must sum to 1 over the 1 inbound channels when "
        "service.visit_scale > 0, got 0.5",
    ),
    "responses": (
        {"channels.email.response": 0.9},
        "channels.email.response + response_relevance must be at most 1, got 1.1",
    ),
    "attention on an unknown channel": (
        {"traits.attention.emial": {"family": "constant", "value": 0.5}},
        "traits.attention must name outbound channels of the scenario, got 'emial'; "
        "did you mean 'email'?",
    ),
    "attention on an inbound channel": (
        {"personas.busy.traits.attention.web": {"family": "constant", "value": 0.5}},
        "personas.busy.traits.attention must name outbound channels of the scenario, got 'web'; "
        "choose from email",
    ),
    "arrival of a need not given": (
        {"traits.arrival": {"shoes": GAMMA}},
        "traits.arrival.gifts must be given, got nothing",
    ),
    "excitation of an unknown need": (
        {"need_dynamics.excitation.shoes.gfts": 1.0},
        "need_dynamics.excitation must name needs of the scenario, got 'gfts'; "
        "did you mean 'gifts'?",
    ),
    "negative excitation": (
        {"need_dynamics.excitation.shoes.gifts": -1.0},
        "need_dynamics.excitation.shoes.gifts must be >= 0, got -1",
    ),
    "needs that start too high": (
        {"need_dynamics.start": 0.75},
        "need_dynamics.start must be at most 0.5, got 0.75",
    ),
    "signals that mislead": (
        {"need_dynamics.signal_false": 0.5, "need_dynamics.signal_true": 0.25},
        "need_dynamics.signal_true must be at least signal_false, got 0.25 < 0.5",
    ),
    "override of an unknown row": (
        {"channels.emial.cost": 1.0},
        "override channels.emial.cost must name an entry, got 'emial'; did you mean 'email'?",
    ),
    "override of a whole row": (
        {"actions.email_offer.valid.0": 1},
        "override actions.email_offer.valid.0 must name a field, got [44, 51] there",
    ),
    "override inside a list": (
        {"actions.email_offer.valid.0.first": 1},
        "override actions.email_offer.valid.0.first must name a field, got [44, 51] there",
    ),
    "override inside a value": (
        {"horizon.weeks": 1},
        "override horizon.weeks must name a field, got 10 there",
    ),
    "field with a line break": ({"a\nb": 1}, r"'a\nb' must be a known field, got 1; choose from"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_with_field_rule_value_and_file(mistake, small_file):
    overrides, expected = MISTAKES[mistake]
    text = complaint(small_file, overrides)
    assert text.startswith(expected)
    assert text.endswith(" (small.toml)")
    if "choose from" not in text:
        assert text == f"{expected} (small.toml)"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_override_of_a_loaded_scenario_is_told_in_the_same_words(mistake, small):
    overrides, expected = MISTAKES[mistake]
    text = complaint(small, overrides)
    assert text.startswith(expected)
    assert text.endswith(" (small)")


def test_as_many_seasons_as_are_allowed_do_fit(small):
    scenario = load_scenario(small, {"actions": seasonal_offers(MAX_SEASONS)})
    book = Population(scenario, 1).rule_book
    word = int(book.blocked_by[-1])
    assert word.bit_length() == 64  # the last bit of the word is the last season's
    assert all(book.explain(word, 2 * MAX_SEASONS))
    assert book.shut[0] >> np.uint64(63) == 1
    assert book.shut[MAX_SEASONS] >> np.uint64(63) == 0


def test_several_mistakes_are_told_in_one_line_each(small):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(small, {"discount": 2, "horizon": 0})
    assert str(caught.value).splitlines() == [
        "horizon must be in [1, 100000], got 0 (small)",
        "discount must be in (0, 1], got 2 (small)",
    ]


FILES = {
    "bad TOML": ("horizon =", "scenario must be valid TOML, got: Invalid value (at end of"),
    "bad bytes": (b"\xff", "scenario must be valid TOML, got: 'utf-8' codec can't decode"),
    "field twice": (
        'title = "a"\ntitle = "b"',
        "scenario must be valid TOML, got: Cannot overwrite a value",
    ),
    "extends a number": ("extends = 3", "extends must be the name of a scenario, got 3"),
    "extends an unknown preset": (
        'extends = "retial"',
        "scenario must be a preset or .toml file, got 'retial'; did you mean 'retail'?",
    ),
    "row twice": (
        'extends = "small.toml"\n[[needs]]\nname = "shoes"\n[[needs]]\nname = "shoes"',
        "needs.name must be unique, got 'shoes' 2 times",
    ),
    "row without its fields": (
        'extends = "small.toml"\n[[needs]]\nname = "garden"',
        "needs.garden.margin must be given, got nothing",
    ),
    "row with a number for a name": (
        'extends = "small.toml"\n[[needs]]\nname = 3\nmargin = 0.5',
        "needs.0.name must be text, got 3",
    ),
}


@pytest.mark.parametrize("mistake", FILES)
def test_a_bad_file_is_told_of_in_one_line_with_its_name(mistake, write):
    text, expected = FILES[mistake]
    path = write("")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = complaint(path)
    assert told.startswith(expected)
    assert told.endswith((" (mine.toml)", " (mine.toml extending small.toml)"))


def test_a_scenario_that_does_not_exist_is_told_of_with_the_nearest_name(tmp_path):
    assert complaint("retial") == (
        "scenario must be a preset or .toml file, got 'retial'; did you mean 'retail'?"
    )
    nowhere = tmp_path / "nowhere.toml"
    assert complaint(nowhere) == f"scenario must be a file that exists, got '{nowhere}'"
    nowhere.mkdir()
    assert complaint(nowhere) == f"scenario must be a file that exists, got '{nowhere}'"


def test_a_file_that_extends_a_missing_file_is_named(write):
    told = complaint(write('extends = "nowhere.toml"'))
    assert told.startswith("scenario must be a file that exists, got '")
    assert told.endswith("nowhere.toml' (mine.toml)")


def test_files_that_extend_each_other_are_told_of(write):
    first = write('extends = "b.toml"', "a.toml")
    write('extends = "a.toml"', "b.toml")
    circle = "extends must not go in a circle, got a.toml -> b.toml -> a.toml"
    assert complaint(first) == circle
    # the same file by another name: longer at every turn, were paths compared as they are written
    write(f'extends = "../{first.parent.name}/a.toml"', "b.toml")
    assert complaint(first) == circle


@pytest.mark.parametrize("text", ["leaving.period_base", "=3", " = 3"])
def test_an_override_without_field_or_value_is_told_of(text, small):
    assert complaint(small, [text]) == f"override must read field=value, got {text!r}"
