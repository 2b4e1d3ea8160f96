"""Arrays are used again only once nobody can see them any more."""

import numpy as np
import pytest

from nba_gym.customer.arrays import MOST_ARRAYS, Shelf

SHAPE = (4, 3)

WAYS_TO_HOLD = {
    "the array": lambda array: array,
    "a slice": lambda array: array[1:3],
    "a row of a slice": lambda array: array[1:][0],
    "another shape": lambda array: array.reshape(-1),
    "another type": lambda array: array.view(np.uint32),
    "a transpose": lambda array: array.T,
    "a list of rows": list,
    "a memory view": memoryview,
}


@pytest.mark.parametrize("way", WAYS_TO_HOLD)
def test_an_array_is_given_out_again_only_when_nobody_holds_it_or_a_view_of_it(way):
    shelf = Shelf()
    first = shelf.take(SHAPE, np.float32)
    address = first.__array_interface__["data"][0]
    held = WAYS_TO_HOLD[way](first)
    del first
    others = [shelf.take(SHAPE, np.float32) for _ in range(MOST_ARRAYS + 2)]
    addresses = [other.__array_interface__["data"][0] for other in others]
    assert len({address, *addresses}) == len(others) + 1
    del held
    assert shelf.take(SHAPE, np.float32).__array_interface__["data"][0] == address


def test_arrays_of_another_shape_or_type_are_never_mixed_up():
    shelf = Shelf()
    for _ in range(3):
        for shape, dtype in (((4,), np.float64), ((8,), np.float32), ((4, 1), np.float64)):
            array = shelf.take(shape, dtype)
            assert array.shape == shape
            assert array.dtype == dtype
