"""Whatever stops a training: who goes on ends with the same bits."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import train as train_module
from agents.checkpoint import read_checkpoint, write_checkpoint
from agents.keeper import Keep
from agents.train import Arguments, main, train
from nba_gym.errors import CheckpointError, PolicyError
from nba_gym.files import whole_file
from nba_gym.policies import RoundRobin
from nba_gym.scenario.load import load_scenario
from tests.agents.kills import NAMES, digest, tiny

SCENARIO = load_scenario("retail")
QUICK: Any = {"watch_customers": 20, "quiet": True}


class StoppedError(Exception):
    """As if the process had been killed."""


class MortalTeacher(RoundRobin):
    """Does not live to the end of the lesson."""

    def __init__(self, lives: int) -> None:
        super().__init__()
        self.lives = lives

    def act(self, observations: Any, masks: Any, generator: Any) -> Any:
        self.lives -= 1
        if self.lives == 0:
            raise StoppedError
        return super().act(observations, masks, generator)


def all_bits(done: Any) -> str:
    weights = {f"model.{key}": x for key, x in done.model.policy.state_dict().items()}
    weights |= {f"best.{key}": x for key, x in done.policy.scores.state_dict().items()}
    weights |= {"values": np.array([point.value for point in done.curve])}
    return digest(weights | {"steps": np.array([point.steps for point in done.curve])})


def stop_at_look(number: int) -> Any:
    looks = []

    def tell(steps: int, seen: Any) -> None:
        looks.append(steps)
        if len(looks) == number:
            raise StoppedError

    return tell


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_goes_on_to_the_bit(name, tmp_path):
    path, recipe = tmp_path / "checkpoint.safetensors", tiny(name)
    alone = train(SCENARIO, recipe, teacher=RoundRobin(), **QUICK)
    for look in (2, 3, 2):
        keep = Keep(path, seconds=0.0, resume=True)
        told = stop_at_look(look)
        with pytest.raises(StoppedError):
            train(SCENARIO, recipe, teacher=RoundRobin(), keep=keep, tell=told, **QUICK)
    keep = Keep(path, seconds=0.0, resume=True)
    again = train(SCENARIO, recipe, teacher=RoundRobin(), keep=keep, **QUICK)
    assert all_bits(again) == all_bits(alone)
    assert again.model.num_timesteps == alone.model.num_timesteps


def test_imitation_goes_on_to_the_bit_and_the_teacher_is_asked_for_only_then(tmp_path):
    path, recipe = tmp_path / "checkpoint.safetensors", tiny("maskable_ppo")
    alone = train(SCENARIO, recipe, teacher=RoundRobin(), **QUICK)
    keep = Keep(path, seconds=0.0, resume=True)
    for lives in (10, 15):
        with pytest.raises(StoppedError):
            train(SCENARIO, recipe, teacher=MortalTeacher(lives), keep=keep, **QUICK)
        assert "imitation" in read_checkpoint(path)["moment"]
    with pytest.raises(StoppedError):
        train(SCENARIO, recipe, teacher=RoundRobin(), keep=keep, tell=stop_at_look(2), **QUICK)

    def nobody() -> Any:
        raise AssertionError("there is nothing left to imitate")

    again = train(SCENARIO, recipe, teacher=nobody, keep=keep, **QUICK)
    assert all_bits(again) == all_bits(alone)


def test_keeping_checkpoints_changes_nothing(tmp_path):
    recipe = tiny("dqn")
    alone = train(SCENARIO, recipe, **QUICK)
    kept = train(SCENARIO, recipe, keep=Keep(tmp_path / "c.safetensors", seconds=0.0), **QUICK)
    assert all_bits(kept) == all_bits(alone)


def test_kills_at_any_moment_leave_the_same_bits_and_no_unreadable_checkpoint():
    """The short form of ``make kills``, in processes of their own."""
    short = ["--kills", "1", "--saves", "3", "--recipes", "dqn"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.agents.kills", *short],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 unreadable" in done.stdout


# --- what a checkpoint refuses --------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        train(SCENARIO, tiny("a2c"), keep=Keep(path, 0.0), tell=stop_at_look(2), **QUICK)
    return path


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 7}, r"seed \(0, not 7\)"),
        ({"torch_threads": 2}, r"torch_threads \(1, not 2\)"),
        ({"watch_every": 5}, r"watch\.every \(1, not 5\)"),
        ({"observe": "everything"}, r"observe \(records, not everything\)"),
        ({"recipe": tiny("a2c").with_changes(entropy=0.5)}, r"recipe\.entropy \(0\.01, not 0\.5\)"),
        ({"taught_by": {"campaign": 9}}, r"taught_by \(None, not \{'campaign': 9\}\)"),
        ({"recipe": tiny("dqn")}, r"recipe\.algorithm \(a2c, not dqn\)"),
        ({"scenario": load_scenario("retail", ["discount=0.9"])}, r"scenario\.hash"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_by_what_differs(kept, changed, said):
    settings = {"scenario": SCENARIO, "recipe": tiny("a2c"), **QUICK} | changed
    with pytest.raises(CheckpointError, match=said):
        train(**settings, keep=Keep(kept, resume=True))


def test_a_checkpoint_of_another_version_is_refused(kept, monkeypatch):
    monkeypatch.setattr(train_module, "versions", lambda: {"torch": "1.0"})
    with pytest.raises(CheckpointError, match=r"versions\.torch \(.*, not 1\.0\)"):
        train(SCENARIO, tiny("a2c"), keep=Keep(kept, resume=True), **QUICK)


def test_a_damaged_checkpoint_is_refused_whatever_is_missing(kept, tmp_path):
    data, path = kept.read_bytes(), tmp_path / "checkpoint.safetensors"
    for size in (0, 4, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="checkpoint must be whole"):
            read_checkpoint(path)
    with pytest.raises(CheckpointError, match="existing file"):
        read_checkpoint(tmp_path / "none")


def test_weights_are_no_checkpoint(kept, tmp_path):
    from agents.weights import save_policy

    save_policy(train(SCENARIO, tiny("a2c"), **QUICK).policy, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match="of the format 'nba_gym checkpoint 1', got None"):
        read_checkpoint(tmp_path / "weights.safetensors")


def test_a_tree_comes_back_as_it_was_written(tmp_path):
    tree = {
        "words": ["a", "b"],
        "none": None,
        "nothing": {},
        "big": 2**127 + 1,
        "inner": {"float": 0.1, "bits": np.array([True, False]), "deep": {"x": np.float64(0.3)}},
        "whole": np.arange(6, dtype=np.uint64).reshape(2, 3).T,
        "scalar": np.array(0.7),
    }
    write_checkpoint(tmp_path / "c", tree)
    again = read_checkpoint(tmp_path / "c")
    assert np.array_equal(again["whole"], tree["whole"])
    assert again["whole"].dtype == np.uint64
    assert again["scalar"].shape == ()
    assert again["inner"]["bits"].tolist() == [True, False]
    assert {key: again[key] for key in ("words", "none", "nothing", "big")} == {
        key: tree[key] for key in ("words", "none", "nothing", "big")
    }


# --- where nothing can be written -----------------------------------------------------------------


def test_a_full_disk_is_one_clear_error_and_the_last_checkpoint_stays(kept, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, {"number": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
        with pytest.raises(CheckpointError, match="File too large; the one before is kept"):
            write_checkpoint(path, {"number": 2, "large": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_checkpoint(path) == {"number": 1}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_disk_that_fills_up_during_training_leaves_what_can_be_gone_on_from(
    tmp_path, monkeypatch
):
    recipe, path = tiny("a2c"), tmp_path / "checkpoint.safetensors"
    alone = train(SCENARIO, recipe, **QUICK)
    written = []
    write = Path.write_bytes

    def fills_up(self: Path, data: bytes) -> int:
        written.append(len(data))
        if len(written) == 6:
            write(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    with pytest.raises(CheckpointError, match="No space left on device; the one before is kept"):
        train(SCENARIO, recipe, keep=Keep(path, 0.0), **QUICK)
    monkeypatch.undo()
    again = train(SCENARIO, recipe, keep=Keep(path, 0.0, resume=True), **QUICK)
    assert all_bits(again) == all_bits(alone)


def test_a_read_only_folder_is_one_clear_error(tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but where the kernel says no
        folder = Path("/sys/kernel")
    if os.access(folder / "nothing", os.W_OK) or not folder.is_dir():
        pytest.skip("this user may write to every folder there is")
    with pytest.raises(CheckpointError, match="Permission denied; there was none before"):
        write_checkpoint(folder / "checkpoint.safetensors", {"number": 1})
    with pytest.raises(PolicyError, match="out must be a folder that can be made"):
        main(Arguments("retail", recipe="a2c", out=folder / "runs"))


def test_a_draft_never_takes_the_place_of_the_file_when_something_goes_wrong(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def half() -> None:
        with whole_file(path) as draft:
            draft.write_text("half")
            raise StoppedError

    with pytest.raises(StoppedError):
        half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), fsync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (done.append("name"), replace(self, to))[1]
    )
    write_checkpoint(tmp_path / "c", {"number": 1})
    assert done == ["sync", "name", "sync"]


# --- Ctrl-C ---------------------------------------------------------------------------------------


def interrupt_at_look(number: int) -> Any:
    looks = []

    def tell(steps: int, seen: Any) -> None:
        looks.append(steps)
        if len(looks) == number:
            os.kill(os.getpid(), signal.SIGINT)

    return tell


def test_ctrl_c_keeps_a_checkpoint_even_if_none_was_due(tmp_path):
    recipe, path = tiny("a2c"), tmp_path / "checkpoint.safetensors"
    before = signal.getsignal(signal.SIGINT)
    alone = train(SCENARIO, recipe, **QUICK)
    with pytest.raises(KeyboardInterrupt):
        train(SCENARIO, recipe, keep=Keep(path, 1e9), tell=interrupt_at_look(3), **QUICK)
    steps = read_checkpoint(path)["moment"]["learner"]["counters"]["num_timesteps"]
    assert steps >= alone.curve[2].steps
    assert signal.getsignal(signal.SIGINT) is before
    again = train(SCENARIO, recipe, keep=Keep(path, 1e9, resume=True), **QUICK)
    assert all_bits(again) == all_bits(alone)


def test_the_command_says_how_to_go_on_and_does_so(tmp_path, monkeypatch, capsys):
    arguments = {"recipe": "dqn", "seed": 3}
    monkeypatch.setattr(train_module, "load_recipe", lambda *_: tiny("dqn"))
    monkeypatch.setattr("agents.export.export", lambda *_, **__: None)  # takes its time
    monkeypatch.setattr(sys, "argv", ["train", "retail", "--out", "x y"])
    main(Arguments("retail", **arguments, out=tmp_path / "alone"))
    told = interrupt_at_look(2)
    monkeypatch.setattr(train_module, "train", lambda *a, **k: train(*a, **k | {"tell": told}))
    with pytest.raises(KeyboardInterrupt):
        main(Arguments("retail", **arguments, out=tmp_path / "stopped"))
    said = capsys.readouterr().err
    assert "python -m agents.train retail --out 'x y' --resume" in said
    assert not (tmp_path / "stopped" / "weights.safetensors").exists()
    monkeypatch.setattr(train_module, "train", train)
    main(Arguments("retail", **arguments, out=tmp_path / "stopped", resume=True))
    assert "going on after" in capsys.readouterr().err
    one, other = (tmp_path / name / "weights.safetensors" for name in ("alone", "stopped"))
    assert one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "stopped" / "checkpoint.safetensors").exists()


def test_to_go_on_from_nothing_is_to_begin_and_is_said(tmp_path, monkeypatch, capsys):
    recipe = tiny("a2c").with_changes(watch_every=30)
    monkeypatch.setattr(train_module, "load_recipe", lambda *_: recipe)
    monkeypatch.setattr("agents.export.export", lambda *_, **__: None)
    main(Arguments("retail", recipe="a2c", out=tmp_path, resume=True))
    assert "beginning anew" in capsys.readouterr().err
    assert (tmp_path / "weights.safetensors").exists()
