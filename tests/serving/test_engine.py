"""An engine answers what the policy would, ranks what is allowed, refuses what is no question."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nba_gym.errors import BundleError
from nba_gym.evaluation import rollout
from nba_gym.export import check_parity
from nba_gym.serving import Decisions, Engine
from nba_gym.serving.contents import FORBIDDEN
from nba_gym.serving.ranking import rank_room, rank_rows


@pytest.fixture(scope="module")
def engine(written) -> Engine:
    return Engine(written.folder, trial=False)


def test_actions_come_best_first_and_only_allowed_ones(engine, written):
    x, masks = written.observations, written.masks
    decisions = engine.decide_batch(x, masks)
    for i in range(0, len(x), 41):
        one = engine.decide(x[i], masks[i])
        assert (masks[i][one.actions] == 1).all()
        assert (np.diff(one.scores) <= 0.0).all()
        assert one.action == one.actions[0] == decisions.actions[i]
        np.testing.assert_array_equal(one.actions, decisions.ranking[i, : decisions.allowed[i]])
        np.testing.assert_allclose(one.probabilities.sum(), 1.0, atol=1e-6)
        assert one.value == decisions.values[i]


def test_without_any_consent_nothing_but_waiting_is_ever_ranked(engine, written):
    nothing = np.zeros_like(written.masks)
    nothing[:, 0] = 1
    decisions = engine.decide_batch(written.observations, nothing)
    assert (decisions.actions == 0).all()
    assert (decisions.allowed == 1).all()
    assert (decisions.scores[:, 1:] == np.float32(FORBIDDEN)).all()
    assert (decisions.probabilities[:, 1:] == 0.0).all()


def test_the_mask_has_the_last_word_over_what_the_graph_says():
    masks = np.array([[1, 0, 1]], dtype=np.int8)
    scores = np.array([[1.0, 9.0, np.nan]], dtype=np.float32)
    chances, ranking = np.full((1, 3), 0.5, np.float32), np.empty((1, 3), np.int16)
    allowed = np.empty(1, np.int16)
    assert rank_rows(masks, scores, chances, ranking, allowed, *rank_room(3)) == -1
    assert ranking[0, : allowed[0]].tolist() == [0]
    assert chances.tolist() == [[0.5, 0.0, 0.0]]


def test_ranking_is_that_of_a_stable_sort():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 5, (500, 29)).astype(np.float32)
    masks = (generator.random((500, 29)) < 0.7).astype(np.int8)
    masks[:, 0] = 1
    kept = np.where(masks > 0, scores, np.float32(FORBIDDEN))
    ranking, allowed = np.empty((500, 29), np.int16), np.empty(500, np.int16)
    rank_rows(masks, scores, np.ones_like(scores), ranking, allowed, *rank_room(29))
    np.testing.assert_array_equal(ranking, np.argsort(-kept, axis=1, kind="stable"))
    np.testing.assert_array_equal(allowed, masks.sum(axis=1))


@pytest.mark.parametrize("n", [0, 1, 511, 512, 513, 1_500])
def test_threads_and_blocks_change_no_answer(engine, written, n):
    both = Engine(written.folder, threads=2, trial=False)
    one = engine.decide_batch(written.observations[:n], written.masks[:n])
    other = both.decide_batch(written.observations[:n], written.masks[:n], Decisions.room(n, 29))
    for name in ("ranking", "allowed", "scores", "probabilities", "values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_several_threads_may_ask_at_once(engine, written):
    wanted = engine.decide_batch(written.observations, written.masks).actions

    def ask(i: int) -> int:
        return engine.decide(written.observations[i], written.masks[i]).action

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(1_000))) == wanted[:1_000].tolist()


def test_an_engine_is_a_policy_that_lives_the_same_journeys(engine, written):
    ours = rollout(engine, written.scenario, 60, 1).value
    theirs = rollout(written.source.policy, written.scenario, 60, 1).value
    np.testing.assert_array_equal(ours, theirs)


def test_what_is_no_question_is_refused_by_name(engine, written):
    x, masks = written.observations[:3].copy(), written.masks[:3].copy()
    with pytest.raises(BundleError, match="features must have shape"):
        engine.decide_batch(x[:, :-1], masks)
    with pytest.raises(BundleError, match="masks must have shape"):
        engine.decide_batch(x, masks[:2])
    with pytest.raises(BundleError, match="features must have shape"):
        engine.decide(x[0, :-1], masks[0])
    with pytest.raises(BundleError, match=r"masks\[0\] must hold 0 and 1 only"):
        engine.decide_batch(x, masks * 2)
    with pytest.raises(BundleError, match=r"masks\[0\] must allow at least one action"):
        engine.decide(x[0], masks[0] * 0)
    for wrong in (np.nan, np.inf, -np.inf):
        x[1, 3] = wrong
        with pytest.raises(BundleError, match=rf"features\[1\]\.{engine.features[3]} must be fin"):
            engine.decide_batch(x, masks)
    with pytest.raises(BundleError, match="threads must be at least 1"):
        Engine(written.folder, threads=0)


def test_a_wrong_row_is_named_by_its_number_in_the_whole_batch(engine, written):
    x = written.observations.copy()
    x[1_777, 0] = np.nan
    with pytest.raises(BundleError, match=r"features\[1777\]"):
        engine.decide_batch(x, written.masks)


def test_the_graph_agrees_with_the_policy_in_memory(engine, written):
    parity = check_parity(written.source, engine, written.observations, written.masks)
    assert parity.rows == 2_000
    assert parity.other_actions == parity.ties
