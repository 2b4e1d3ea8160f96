"""The generator gives Random123's published numbers, and its uniforms are uniform and unrelated."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from nba_gym.compiled import plain
from nba_gym.customer import places
from nba_gym.customer.luck import (
    CUSTOMER_ROW,
    SEED_ROW,
    answer_luck,
    draw_buyer_luck,
    draw_courtship_luck,
    draw_luck,
    draw_service_luck,
)
from nba_gym.customer.traits import birth_luck
from nba_gym.lanes import LANES, TABLE_SIZE, Place, rows_of
from nba_gym.randomness import philox, policy_luck, uniform
from nba_gym.records.places import TENURE

N = 1 << 19
ONES = 0xFFFFFFFF

# Random123, kat_vectors: philox4x32 with 10 rounds; counter, key, answer
KNOWN_ANSWERS = {
    "zeros": ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    "ones": ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    "digits of pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}


def words(**place: ArrayLike):
    """Four random words for each of N places, given by customer, period, kind and seed."""
    low, shift = np.uint64(ONES), np.uint64(32)
    customer, period, kind, seed = (
        np.broadcast_to(np.asarray(place.get(name, 0), dtype=np.uint64), N)
        for name in ("customer", "period", "kind", "seed")
    )
    return plain(philox)(customer & low, customer >> shift, period, kind, seed & low, seed >> shift)


def uniforms(word: int = 0, **place: ArrayLike):
    return plain(uniform)(words(**place)[word])


@pytest.mark.parametrize("name", KNOWN_ANSWERS)
@pytest.mark.parametrize("run", [philox, plain(philox)], ids=["compiled", "uncompiled"])
def test_philox_gives_the_published_answers(run, name):
    counter, key, answer = KNOWN_ANSWERS[name]
    assert tuple(int(w) for w in run(*map(np.uint64, counter + key))) == answer


def test_philox_gives_the_same_words_compiled_and_uncompiled():
    arguments = np.random.default_rng(1).integers(0, 1 << 32, (500, 6), dtype=np.uint64)
    in_bulk = np.stack(plain(philox)(*arguments.T), axis=1)
    one_by_one = np.array([philox(*row) for row in arguments], dtype=np.uint64)
    np.testing.assert_array_equal(one_by_one, in_bulk)


@pytest.mark.parametrize("run", [uniform, plain(uniform)], ids=["compiled", "uncompiled"])
def test_uniforms_lie_strictly_between_zero_and_one(run):
    assert run(np.uint64(0)) == 2.0**-33 > 0.0
    assert run(np.uint64(ONES)) == 1.0 - 2.0**-33 < 1.0
    assert run(np.uint64(1 << 31)) == 0.5 + 2.0**-33


@pytest.mark.parametrize("word", range(4))
def test_uniforms_have_mean_variance_and_histogram_of_the_uniform_distribution(word):
    u = uniforms(word, customer=np.arange(N), seed=20260101)
    assert abs((u.mean() - 1 / 2) / np.sqrt(1 / 12 / N)) < 4
    assert abs((((u - 1 / 2) ** 2).mean() - 1 / 12) / np.sqrt(1 / 180 / N)) < 4
    counts = np.bincount((u * 256).astype(int), minlength=256)
    chi_squared = ((counts - N / 256) ** 2).sum() / (N / 256)
    assert abs((chi_squared - 255) / np.sqrt(2 * 255)) < 4


@pytest.mark.parametrize("who", ["customer", "period", "kind", "seed"])
@pytest.mark.parametrize("step", [1, 1 << 16], ids=["neighbours", "far apart"])
def test_uniforms_of_different_customers_periods_kinds_and_seeds_are_uncorrelated(who, step):
    first = np.arange(N)
    u, v = uniforms(0, **{who: first}), uniforms(0, **{who: first + step})
    assert abs(np.corrcoef(u, v)[0, 1]) * np.sqrt(N) < 4
    # the same place under two values of everything else
    other = {"customer": "period", "period": "kind", "kind": "seed", "seed": "customer"}[who]
    v = uniforms(0, **{who: first, other: step})
    assert abs(np.corrcoef(u, v)[0, 1]) * np.sqrt(N) < 4


def test_the_four_words_of_a_block_are_uncorrelated():
    block = np.stack([plain(uniform)(word) for word in words(customer=np.arange(N))])
    correlations = np.corrcoef(block)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() * np.sqrt(N) < 4


@pytest.mark.parametrize("bit", [0, 31, 32, 63])
def test_every_bit_of_the_seed_and_of_the_customer_number_counts(bit):
    """Seeds and customers use all 64 bits: the two halves go to different words."""
    luck: Any = birth_luck
    seed, customer, kind, far = (np.uint64(x) for x in (5, 7, 3, 1 << bit))
    here = luck(seed, customer, kind)
    assert here != luck(seed ^ far, customer, kind)
    assert here != luck(seed, customer ^ far, kind)
    customers = np.array([7, 7 ^ (1 << bit)], dtype=np.uint64)
    [here, elsewhere], [in_other_world, _] = (
        policy_luck(x, customers, 3) for x in (5, 5 ^ int(far))
    )
    assert len({here, elsewhere, in_other_world}) == 3


def test_half_the_bits_change_when_one_bit_of_the_counter_does():
    before = np.array(words(customer=np.arange(N)), dtype=np.uint64)
    after = np.array(words(customer=np.arange(N) ^ 1), dtype=np.uint64)
    share = np.bitwise_count(before ^ after).mean() / 32
    assert abs(share - 1 / 2) / np.sqrt(1 / 4 / (N / 2 * 4 * 32)) < 4  # each pair is met twice


def test_a_policys_luck_depends_on_seed_customer_and_period_alone():
    customers = np.arange(1000, dtype=np.uint64)
    luck = policy_luck(3, customers, 8)
    np.testing.assert_array_equal(policy_luck(3, customers[::-1].copy(), 8), luck[::-1])
    np.testing.assert_array_equal(policy_luck(3, customers[400:410].copy(), 8), luck[400:410])
    for other in (policy_luck(4, customers, 8), policy_luck(3, customers, 9)):
        assert not np.any(other == luck)
    assert luck.min() > 0
    assert luck.max() < 1


# --- the luck of a period -------------------------------------------------------------------------

N_NEEDS = 3
OF_BUYERS = [places.BOOK.places[name] for name in ("luck_choice", "luck_spend", "luck_referral")]
OF_FEW = [places.BOOK.places[name] for name in ("luck_reading", "luck_solve")]
OF_SOME_WORLDS = [places.BOOK.places[name] for name in ("luck_stage", "luck_volunteer")]
OF_ALL = [
    place
    for book in (places.BOOK, places.NEEDS)
    for name, place in book.places.items()
    if name.startswith("luck_") and place not in OF_BUYERS + OF_FEW + OF_SOME_WORLDS
]


def rows(kinds: list[Place], table: Any, n: int) -> list[Any]:
    """The first ``n`` lanes of some quantities, by need where there are several."""
    return [table[at : at + n] for place in kinds for at in place.absolute(N_NEEDS, 0)]


def luck_of(*who: tuple[int, int, int]):
    """All uniforms of the period for (seed, customer, period), a lane each, ``(n, kinds)``."""
    table = np.zeros(TABLE_SIZE, np.float32)
    kept = np.zeros(rows_of("kept", N_NEEDS, 0) * LANES, np.float32)
    identity = np.zeros(2 * LANES, np.uint64)
    for j, (seed, customer, period) in enumerate(who):
        identity[SEED_ROW + j], identity[CUSTOMER_ROW + j] = seed, customer
        kept[TENURE + j] = period
    draw_luck(table, kept, identity, N_NEEDS, LANES)
    draw_courtship_luck(table, kept, identity, LANES)
    for j in range(len(who)):
        draw_buyer_luck(table, kept, identity, j)
        draw_service_luck(table, kept, identity, j)
    answers = [[answer_luck(kept, identity, k, j) for j in range(len(who))] for k in range(N_NEEDS)]
    kinds = OF_ALL + OF_BUYERS + OF_FEW + OF_SOME_WORLDS
    return np.stack([*rows(kinds, table, len(who)), *answers], axis=1)


def test_the_luck_of_a_period_depends_on_every_bit_of_seed_customer_and_period():
    here = (5, 7, 3)
    flips = [0, 1, 31, 32, 63]
    others = [(5 ^ 1 << bit, 7, 3) for bit in flips] + [(5, 7 ^ 1 << bit, 3) for bit in flips]
    luck = luck_of(here, *others, (5, 7, 4), (5, 7, 2))
    for kind in luck.T:
        assert len(set(kind.tolist())) == len(kind)


def test_the_luck_of_a_period_does_not_depend_on_the_lane():
    luck = luck_of((5, 7, 3), (6, 8, 3), (5, 7, 3), (6, 8, 3))
    np.testing.assert_array_equal(luck[:2], luck[2:])
    np.testing.assert_array_equal(luck_of((6, 8, 3))[0], luck[1])


def test_no_two_kinds_of_event_share_their_luck():
    luck = luck_of((5, 7, 3))[0]
    assert len(set(luck.tolist())) == len(luck) == 8 + 3 + 2 + 2 + 2 * N_NEEDS + N_NEEDS
