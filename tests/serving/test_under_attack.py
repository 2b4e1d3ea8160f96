"""Small versions of ``make serve-fuzz`` and ``make serve-chaos``."""

from tests.serving.chaos import kill_again_and_again, swap_again_and_again
from tests.serving.fuzz import run, served


def test_hostile_requests_get_no_error_and_decent_ones_a_decision(tmp_path, policy):
    found, memory, decent = run(policy, tmp_path, 1_500, 2)
    assert found[-1] >= 1_500
    assert not {status for status in found if status >= 500 and status != 503}
    assert found[400] > 100
    assert served(decent), decent
    assert memory[1] < memory[0] + 100.0


def test_nothing_acknowledged_is_lost_when_the_service_is_killed(tmp_path, policy):
    acknowledged, missing = kill_again_and_again(policy, tmp_path, 2, 3)
    assert acknowledged > 20
    assert missing == 0


def test_swaps_under_load_let_in_sound_policies_only_and_never_a_mixture(
    tmp_path, policy, other_policy
):
    found = swap_again_and_again([policy, other_policy], tmp_path, 6, 4)
    assert found["sound answered 200"] == 3
    assert found["corrupt answered 422"] == 3
    assert found["decisions"] > 20
    assert found["of unknown policies"] == found["other policy on record"] == found["broken"] == 0
    assert not {kind for kind in found if kind.startswith("decide answered 5")} - {
        "decide answered 503"
    }
