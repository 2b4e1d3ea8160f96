"""What a step reports is used again only once nobody can see it any more."""

import copy

import numpy as np
import pytest

from nba_gym.customer.arrays import MOST_SETS, N_LEAVING, Outcome, Shelf
from nba_gym.customer.population import Population
from nba_gym.scenario.load import load_scenario

WAYS_TO_HOLD = {
    "the array": lambda array: array,
    "a slice": lambda array: array[1:3],
    "a row of a slice": lambda array: array[1:][0:1],
    "another shape": lambda array: array.reshape(-1),
    "another type": lambda array: array.view(np.uint8),
    "a transpose": lambda array: array.T,
    "a memory view": memoryview,
}


@pytest.fixture(scope="module")
def population():
    return Population(load_scenario("control"), 4)


def address(outcome: Outcome) -> int:
    return outcome.observations.__array_interface__["data"][0]


@pytest.mark.parametrize("way", WAYS_TO_HOLD)
@pytest.mark.parametrize("field", Outcome._fields[:N_LEAVING])
def test_a_set_is_given_out_again_only_when_nobody_holds_any_of_it(population, field, way):
    shelf = Shelf(population.new_outcome())
    first = shelf.take(population.new_outcome)
    taken = address(first)
    held = WAYS_TO_HOLD[way](getattr(first, field))
    del first
    others = [shelf.take(population.new_outcome) for _ in range(MOST_SETS + 2)]
    assert taken not in {address(other) for other in others}
    del held
    assert address(shelf.take(population.new_outcome)) == taken


def test_the_tuple_alone_keeps_nothing(population):
    shelf = Shelf(population.new_outcome())
    first = shelf.take(population.new_outcome)
    assert shelf.take(population.new_outcome) is first


def test_no_more_sets_are_kept_than_stated(population):
    shelf = Shelf(population.new_outcome())
    held = [shelf.take(population.new_outcome).observations for _ in range(MOST_SETS + 3)]
    known = {array.__array_interface__["data"][0] for array in held}
    assert len(known) == len(held)
    del held
    again = {address(shelf.take(population.new_outcome)) for _ in range(20)}
    assert again <= known


def test_a_copy_of_a_population_has_arrays_of_its_own(population):

    other = copy.deepcopy(population)
    assert address(other.out) != address(population.out)
    assert address(other.fresh_outcome()) != address(population.fresh_outcome())
