"""Work shared out among threads: every part once, nobody late, nobody left behind."""

import copy
import gc
import os
import subprocess
import sys
import threading
import time
from typing import Any, cast

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numba.core.errors import TypingError

from nba_gym.compiled import COMPILED, address_of, entry
from nba_gym.customer import kernel
from nba_gym.customer.population import Population
from nba_gym.scenario import load_scenario
from nba_gym.sharing import (
    LEADER,
    NO_PART,
    TASK,
    Crew,
    await_job,
    await_parts,
    finish_part,
    new_board,
    post,
    take_part,
)

pytestmark = pytest.mark.skipif(not COMPILED, reason="without compiled code nobody helps")
SCENARIO = load_scenario("control")
compiled = cast(Any, numba).njit(nogil=True)


@compiled
def announce(board, parts, addend):
    board[TASK] = addend
    post(board, parts)


@compiled
def work(board, known, sums):
    """Add the task's number to the sum of every part taken; see ``kernel.run_tiles``."""
    job = await_job(board, known)
    while job != known:
        part = take_part(board, job)
        while part != NO_PART:
            sums[part] += board[TASK]
            finish_part(board)
            part = take_part(board, job)
        if known == LEADER:
            return job if await_parts(board, sums.shape[0]) else LEADER
        known, job = job, await_job(board, job)
    return known


def test_every_part_of_many_jobs_is_done_once_by_whoever_comes_first():
    board, sums = new_board(1), np.zeros(37, dtype=np.int64)
    crew = Crew([lambda known: work(board, known, sums) for _ in range(3)])
    crew.start()
    total = 0
    try:
        for i in range(20_000):
            crew.wake()
            announce(board, len(sums), i)
            while work(board, LEADER, sums) == LEADER:
                time.sleep(0)
            total += i
            if i % 500 == 0:  # seen at once, and by all, whoever did the parts
                assert sums.tolist() == [total] * len(sums), i
                time.sleep(0.001)  # long enough for helpers to go to sleep
    finally:
        crew.close()
    assert sums.tolist() == [total] * len(sums)


def test_threads_that_take_parts_at_the_same_time_never_take_the_same():
    parts = 2_000_000  # long enough for the system to give each thread a processor
    board = new_board(1)
    taken = [np.zeros(parts, dtype=np.int64) for _ in range(2)]  # by each thread
    crew = Crew([lambda known: work(board, known, taken[1])])
    crew.start()
    until = time.monotonic() + 60.0
    jobs = shared = 0
    try:
        while shared < 5 and time.monotonic() < until:
            before = taken[0].sum()
            crew.wake()
            announce(board, parts, 1)
            while work(board, LEADER, taken[0]) == LEADER:
                time.sleep(0)
            jobs += 1
            shared += 0 < taken[0].sum() - before < parts
    finally:
        crew.close()
    sums = taken[0] + taken[1]
    assert shared == 5, "the machine never let two threads work at the same time"
    assert np.flatnonzero(sums != jobs).tolist() == []


def test_helpers_do_take_parts():
    board, sums = new_board(1), np.zeros(8, dtype=np.int64)
    crew = Crew([lambda known: work(board, known, sums)])
    crew.start()
    try:
        announce(board, len(sums), 1)  # and nobody leads
        crew.wake()
        until = time.monotonic() + 60.0
        while sums.sum() < len(sums) and time.monotonic() < until:
            time.sleep(0.001)
    finally:
        crew.close()
    assert sums.tolist() == [1] * len(sums)


def test_a_late_helper_takes_nothing_of_a_job_it_does_not_know():
    board = new_board(1)
    announce(board, 2, 0)
    first = await_job(board, LEADER)
    assert [take_part(board, first) for _ in range(3)] == [1, 0, NO_PART]
    announce(board, 2, 0)
    second = await_job(board, LEADER)
    assert second != first
    assert take_part(board, first) == NO_PART
    assert [take_part(board, second) for _ in range(3)] == [1, 0, NO_PART]


def test_who_leads_knows_that_others_have_parts_in_hand():
    board, sums = new_board(1), np.zeros(2, dtype=np.int64)
    announce(board, 2, 5)
    assert take_part(board, await_job(board, LEADER)) == 1
    assert work(board, LEADER, sums) == LEADER  # not done
    assert sums.tolist() == [5, 0]
    finish_part(board)
    assert work(board, LEADER, sums) == await_job(board, LEADER)


def test_job_numbers_may_run_over():
    board, sums = new_board(1), np.zeros(3, dtype=np.int64)
    for before in ((1 << 31) - 1, -1):
        board[0] = before << 32
        announce(board, 3, 1)
        assert work(board, before, sums) != before
    assert sums.tolist() == [2, 2, 2]


def population(threads: int) -> Population:
    n = 512
    people = Population(SCENARIO, n, threads=threads)
    people.begin(np.ones(n, bool), np.zeros(n, np.uint64), np.arange(n, dtype=np.uint64))
    return people


def helpers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("nba_gym")]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64])
def test_actions_may_be_any_integers_lying_anywhere(kind):
    people, twin = population(2), population(1)
    actions = np.random.default_rng(0).integers(0, SCENARIO.n_actions, people.n)
    strided = np.repeat(actions.astype(kind), 2)[::2]
    strided.flags.writeable = False
    assert not strided.flags.c_contiguous
    people.step(strided, kernel.SAME_STEP)
    twin.step(actions, kernel.SAME_STEP)
    assert (people.out.observations == twin.out.observations).all()
    assert (people.out.rewards == twin.out.rewards).all()


def test_helpers_go_when_their_population_does():
    before = len(helpers())
    people = population(3)
    assert len(helpers()) == before + 2
    del people
    assert len(helpers()) == before


def test_a_step_after_an_interrupted_one_waits_for_what_was_posted():
    people, twin = population(2), population(1)
    actions, nobody = np.zeros(people.n, dtype=np.int64), np.zeros(0, dtype=bool)
    # as if Ctrl-C had come when the job was posted
    people._workshop._post(kernel.SAME_STEP, nobody, actions, people.out)
    twin.step(actions, kernel.SAME_STEP)
    people.step(actions, kernel.SAME_STEP)
    twin.step(actions, kernel.SAME_STEP)
    assert (people.out.observations == twin.out.observations).all()


STORM = """
import faulthandler
import signal
import numpy as np
from nba_gym.envs.vector import JourneyVectorEnv

faulthandler.dump_traceback_later(100, exit=True)  # whoever waits for ever says where
armed = [False]

def ring(*_):
    if armed[0]:
        armed[0] = False
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, ring)
n, actions, luck = 20_000, np.zeros(20_000, dtype=np.int64), np.random.default_rng(0)
env = None
for i in range(60):
    wait = luck.uniform(1e-4, 8e-3)
    try:
        if env is None and i % 4:  # else the alarm comes while helpers are hired
            env = JourneyVectorEnv(n, "control", threads=6)
        if env is not None and not env.has_begun:  # new, or its reset was interrupted
            env.reset(seed=0)
        armed[0] = True
        signal.setitimer(signal.ITIMER_REAL, wait)
        if env is None:
            env = JourneyVectorEnv(n, "control", threads=6)
            env.reset(seed=0)
        while armed[0]:  # an alarm may also be swallowed, where Python finalises something
            env.step(actions)
    except KeyboardInterrupt:
        pass
    if i % 2:
        env = None
print("survived", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timers that interrupt")
def test_a_storm_of_ctrl_c_leaves_no_process_dead_or_waiting():
    done = subprocess.run(
        [sys.executable, "-c", STORM], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


def test_code_is_loaded_where_no_signal_reaches(monkeypatch, tmp_path):
    seen: list[threading.Thread] = []
    compile_ = Dispatcher.compile

    def watched(dispatcher, signature):
        seen.append(threading.current_thread())
        return compile_(dispatcher, signature)

    monkeypatch.setattr(Dispatcher, "compile", watched)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    twice = entry(lambda digest: lambda x: x + x)
    assert twice(2) == 4
    assert address_of(twice, 2) != 0
    assert seen
    assert threading.main_thread() not in seen
    with pytest.raises(TypingError, match="dict"):  # what is wrong is told where it was asked for
        twice({})


@pytest.mark.parametrize("given", [0, 1])
def test_where_the_system_gives_no_more_threads_the_leader_works_alone(monkeypatch, given):
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if len(begun) >= given:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    people, twin = population(4), population(1)
    actions = np.zeros(people.n, dtype=np.int64)
    people.step(actions, kernel.SAME_STEP)
    twin.step(actions, kernel.SAME_STEP)
    assert (people.out.rewards == twin.out.rewards).all()
    assert len(begun) == given
    del people
    assert not any(thread.is_alive() for thread in begun)


def test_whoever_is_hired_while_ctrl_c_comes_goes_home_too(monkeypatch):
    before, start = len(helpers()), threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    people = Population(SCENARIO, 512, threads=3)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    everybody = np.ones(512, bool), np.zeros(512, np.uint64), np.arange(512, dtype=np.uint64)
    with pytest.raises(KeyboardInterrupt):
        people.begin(*everybody)
    monkeypatch.undo()
    people.begin(*everybody)
    assert len(helpers()) == before + 1  # nobody is hired twice
    del people
    assert len(helpers()) == before


def test_a_copy_has_helpers_of_its_own():
    before, people = len(helpers()), population(2)
    twin = copy.deepcopy(people)
    actions = np.zeros(people.n, dtype=np.int64)
    rewards = people.step(actions, kernel.SAME_STEP).rewards.copy()
    assert (twin.step(actions, kernel.SAME_STEP).rewards == rewards).all()
    assert len(helpers()) == before + 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_goes_on_without_helpers():
    people = population(2)
    actions = np.zeros(people.n, dtype=np.int64)
    for _ in range(3):
        people.step(actions, kernel.SAME_STEP)
    child = os.fork()
    if child == 0:
        value = people.step(actions, kernel.SAME_STEP).rewards.sum()
        del people
        gc.collect()
        os._exit(0 if np.isfinite(value) else 1)
    until = time.monotonic() + 60.0
    pid, status = os.waitpid(child, os.WNOHANG)
    while pid == 0 and time.monotonic() < until:
        time.sleep(0.01)
        pid, status = os.waitpid(child, os.WNOHANG)
    if pid == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert pid == child
    assert status == 0
