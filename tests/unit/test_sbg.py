"""The shifted-beta-geometric reproduces the published cohorts and recovers its parameters."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from nba_gym.calibration import ContractLives, SbgErrors, SbgFit, contract_lives, fit_sbg
from nba_gym.errors import DataError

# Table 1 of Fader & Hardie (2007): survivors in per cent, years 0 to 12. They fit years 0 to 7.
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]

PUBLISHED = SbgFit(0.668, 3.806, -1.611, 1, SbgErrors(0, 0))  # High End
LOYAL = replace(PUBLISHED, alpha=2.5, beta=6.0)  # with a finite mean


def fit_years(survivors, years=7):
    return fit_sbg(*contract_lives(np.array(survivors[: years + 1]) / 100))


def tell_sbg_story(fit, n_contracts, generator):
    """Renewal at which each contract is cancelled: tosses of a coin of its own until the first."""
    return generator.geometric(generator.beta(fit.alpha, fit.beta, n_contracts)).astype(float)


# ---------------------------------------------------------------------------- published


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta"), [(HIGH_END, 0.668, 3.806), (REGULAR, 0.704, 1.182)]
)
def test_sbg_reproduces_the_published_estimates(survivors, alpha, beta):
    fit = fit_years(survivors)
    assert (round(fit.alpha, 3), round(fit.beta, 3)) == (alpha, beta)


def test_sbg_reproduces_the_published_log_likelihood():
    fit = fit_years(HIGH_END)  # of shares of one contract, as in their appendix B
    assert round(fit.log_likelihood, 3) == -1.611
    assert fit.n_customers == pytest.approx(1)


@pytest.mark.parametrize(("survivors", "miss"), [(HIGH_END, 4), (REGULAR, 2)])
def test_sbg_projects_year_12_as_near_as_published(survivors, miss):
    projected = fit_years(survivors).survival(12)[0]
    assert round(100 * abs(100 * projected / survivors[12] - 1)) == miss


def test_sbg_residual_life_equals_that_of_another_program():
    # the README of shifted_beta_geometric_py: High End after 7 renewals, 10 % a year
    assert fit_years(HIGH_END).discounted_renewals(7, discount=0.1) == pytest.approx(
        [7.530], abs=5e-4
    )


# ---------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("f", [PUBLISHED, LOYAL])
def test_sbg_answers_equal_integrals_over_customers(f):
    def mean(integrand):
        weights = {"weight": "alg", "wvar": (f.alpha - 1, f.beta - 1), "epsabs": 0}
        return quad(integrand, 0, 1, **weights)[0] / quad(lambda _: 1.0, 0, 1, **weights)[0]

    for t in (1, 2, 7):
        kept = mean(lambda theta, t=t: (1 - theta) ** t)
        before = mean(lambda theta, t=t: (1 - theta) ** (t - 1))
        cancelled = mean(lambda theta, t=t: theta * (1 - theta) ** (t - 1))
        assert f.survival(t) == pytest.approx([kept], rel=1e-9)
        assert f.retention(t) == pytest.approx([kept / before], rel=1e-9)
        assert f.cancellation_probability(t) == pytest.approx([cancelled], rel=1e-9)


@pytest.mark.parametrize("f", [PUBLISHED, LOYAL])
def test_sbg_probabilities_sum_to_one_at_every_renewal(f):
    t = np.arange(1, 60)
    assert np.cumsum(f.cancellation_probability(t)) + f.survival(t) == pytest.approx(1, abs=1e-12)
    assert np.cumprod(f.retention(t)) == pytest.approx(f.survival(t), rel=1e-12)
    assert f.survival(0) == [1]


@pytest.mark.parametrize("f", [PUBLISHED, LOYAL])
def test_sbg_retention_rises_although_nobody_changes(f):
    assert (np.diff(f.retention(np.arange(1, 100))) > 0).all()


@pytest.mark.parametrize("discount", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("f", [PUBLISHED, LOYAL])
def test_sbg_discounted_renewals_equal_the_sum(f, discount):
    for so_far in (0, 1, 7):
        k = np.arange(1, 2500)
        kept = f.survival(so_far + k) / f.survival(so_far)
        expected = (kept * (1 / (1 + discount)) ** (k - 1)).sum()
        assert f.discounted_renewals(so_far, discount=discount) == pytest.approx([expected])


def test_sbg_expected_renewals_equal_the_sum_of_survival():
    k = np.arange(1, 2_000_000)
    for so_far in (0, 5):
        expected = (LOYAL.survival(so_far + k) / LOYAL.survival(so_far)).sum()
        assert LOYAL.expected_renewals(so_far) == pytest.approx([expected], rel=1e-6)
    nearly_free = LOYAL.discounted_renewals([0, 5], discount=1e-5)
    assert nearly_free == pytest.approx(LOYAL.expected_renewals([0, 5]), rel=1e-3)
    assert LOYAL.expected_lifetime == 1 + LOYAL.expected_renewals(0)[0]
    assert LOYAL.expected_lifetime == pytest.approx((2.5 + 6 - 1) / (2.5 - 1))


def test_sbg_lifetime_is_infinite_where_it_has_no_mean():
    assert PUBLISHED.expected_lifetime == np.inf
    assert PUBLISHED.expected_renewals([0, 3]).tolist() == [np.inf, np.inf]


# ---------------------------------------------------------------------------- simulation


def test_sbg_survival_and_lifetimes_equal_simulation():
    n = 200_000
    cancelled_at = tell_sbg_story(LOYAL, n, np.random.default_rng(1))
    t = np.arange(1, 11)
    kept = (cancelled_at[:, np.newaxis] > t).mean(axis=0)
    expected = LOYAL.survival(t)
    assert np.abs((kept - expected) / np.sqrt(expected * (1 - expected) / n)).max() < 4
    further = cancelled_at[cancelled_at > 3] - 4  # renewals after the third
    gap = further.mean() - LOYAL.expected_renewals(3)[0]
    assert abs(gap) < 4 * further.std() / np.sqrt(further.size)
    # renewals 4, 5, ... count 1, 1 / 1.1, ...: a geometric sum
    value = (1 - 1.1**-further) / (1 - 1 / 1.1)
    gap = value.mean() - LOYAL.discounted_renewals(3, discount=0.1)[0]
    assert abs(gap) < 4 * value.std() / np.sqrt(value.size)


@pytest.mark.parametrize("truth", [PUBLISHED, replace(PUBLISHED, alpha=1.5, beta=1.0)])
def test_sbg_recovers_the_parameters_behind_a_simulation(truth):
    generator = np.random.default_rng(2)
    cancelled_at = tell_sbg_story(truth, 30_000, generator)
    renewals = generator.integers(0, 13, cancelled_at.size)  # cohorts of every age
    cancelled = cancelled_at <= renewals
    found = fit_sbg(np.where(cancelled, cancelled_at, renewals), cancelled)
    for name, error in found.standard_errors._asdict().items():
        assert abs(getattr(found, name) - getattr(truth, name)) < 4 * error, name
        assert error < 0.1 * getattr(truth, name), name
    assert found.n_customers == 30_000


# ---------------------------------------------------------------------------- tables


def test_a_table_says_when_each_contract_was_cancelled_or_that_it_runs():
    lives = contract_lives([10, 6, 6, 5])
    assert lives.periods.tolist() == [1, 2, 3, 3]
    assert lives.cancelled.tolist() == [1, 1, 1, 0]
    assert lives.counts.tolist() == [4, 0, 1, 5]


def test_sbg_is_the_same_from_contracts_as_from_their_table():
    table = contract_lives([1000, 631, 468, 382, 326])
    one_by_one = [np.repeat(column, table.counts.astype(int)) for column in table[:2]]
    assert fit_sbg(*one_by_one) == fit_sbg(*table)


def test_sbg_standard_errors_are_those_of_as_many_contracts():
    few = fit_sbg(*contract_lives(HIGH_END))
    many = fit_sbg(*contract_lives(100 * np.array(HIGH_END)))
    assert many.standard_errors == pytest.approx(np.array(few.standard_errors) / 10, rel=1e-4)
    assert (many.alpha, many.beta) == pytest.approx((few.alpha, few.beta), rel=1e-5)


def test_cohorts_of_different_age_are_fitted_together():
    old, young = contract_lives([1000, 631, 468, 382]), contract_lives([500, 320])
    joined = ContractLives(*(np.append(a, b) for a, b in zip(old, young, strict=True)))
    both = fit_sbg(*joined)
    assert both.n_customers == 1500
    assert both.standard_errors.beta < fit_sbg(*old).standard_errors.beta


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("survivors", "message"),
    [
        ([100], "survivors must have at least two values, the start and one renewal, got 1"),
        ([100, 101], "survivors must be at most the value before, got 101 at index 1"),
        ([100, 50, -1], "survivors must be >= 0, got -1 at index 2"),
        ([100, np.nan], "survivors must be finite, got nan at index 1"),
        (["x", 1], "survivors must be numbers: could not convert string to float: 'x'"),
        ([[100, 50]], "survivors must have one dimension, got shape (1, 2)"),
    ],
)
def test_bad_tables_are_refused_in_one_line(survivors, message):
    with pytest.raises(DataError) as caught:
        contract_lives(survivors)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1, -1], [1, 0]), "periods must be a whole number >= 0, got -1 at index 1"),
        (([1, 1.5], [1, 0]), "periods must be a whole number >= 0, got 1.5 at index 1"),
        (([1, 0], [1, 1]), "periods must be >= 1 where cancelled is 1, got 0 at index 1"),
        (([1, 1], [1, 2]), "cancelled must be 0 or 1, got 2 at index 1"),
        (([1, 1], [1]), "cancelled must have as many values as periods, 2, got 1"),
        (([], []), "periods must have at least one value, got none"),
        (([1], [True], [-1.0]), "counts must be >= 0, got -1 at index 0"),
        (([1], [True], [np.inf]), "counts must be finite, got inf at index 0"),
        (([1], [True], [0.0]), "counts must be positive in at least one row, got only zeros"),
        (([3, 4], [0, 0]), "cancelled must be 1 for at least one contract, got only zeros"),
    ],
)
def test_bad_contracts_are_refused_in_one_line(columns, message):
    with pytest.raises(DataError) as caught:
        fit_sbg(*columns)
    assert str(caught.value) == message


def test_sbg_refuses_contracts_whose_retention_does_not_rise():
    with pytest.raises(DataError, match=r"^sBG has no interior maximum .* got alpha=.*, beta="):
        fit_sbg(*contract_lives([1000, 800, 640, 512]))


def test_questions_out_of_range_are_refused():
    with pytest.raises(DataError, match="renewals must be a whole number >= 0, got -1 at index 1"):
        PUBLISHED.survival([0, -1])
    with pytest.raises(DataError, match="renewal must be >= 1, got 0 at index 0"):
        PUBLISHED.retention(0)
    with pytest.raises(DataError, match="renewal must be >= 1, got 0 at index 0"):
        PUBLISHED.cancellation_probability([0, 1])
    with pytest.raises(DataError, match="discount must be > 0, got 0 at index 0"):
        PUBLISHED.discounted_renewals(1, discount=0.0)
    with pytest.raises(DataError, match="discount must be finite, got nan at index 0"):
        PUBLISHED.discounted_renewals(1, discount=np.nan)


def test_what_looks_like_a_top_by_rounding_alone_is_none():
    """Far out a likelihood falls for ever, and over small steps its differences are rounding."""
    from nba_gym.calibration.likelihood import _is_held  # pyright: ignore[reportPrivateUsage]

    looks_curved = np.array([[4e-6]])
    assert not _is_held(lambda at: float(np.exp(-at[0])), np.array([20.0]), looks_curved)
    assert not _is_held(lambda at: float(np.exp(at[0])), np.array([-20.0]), looks_curved)
    assert _is_held(lambda at: 2e-6 * float(at[0] ** 2), np.array([0.0]), looks_curved)
