"""Decide with an exported policy: onnxruntime, masks and ranking, one customer or millions.

``Engine("policy/")`` verifies the folder first. One decision goes through buffers that were made
once and are bound to the runtime; a batch is cut into blocks that stay in the cache, shared out
among threads. Both rank with the same compiled function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError, MissingExtraError
from nba_gym.serving.bundle import PolicyFolder, read_folder
from nba_gym.serving.contents import GRAPH
from nba_gym.serving.decisions import Decision, Decisions
from nba_gym.serving.inspect_graph import without_last_steps
from nba_gym.serving.ranking import FINE, NOT_A_MASK, NOT_FINITE, check_rows, rank_room, rank_rows
from nba_gym.serving.self_test import self_test
from nba_gym.serving.trial import try_out

BLOCK = 2_048
"""Customers that the network looks at at a time: what is worked out for them stays in the cache."""
Room = tuple[NDArray[np.float32], NDArray[np.int32]]
_INPUTS = ("observations", "masks")
_WORKED_OUT = ("scores", "probabilities", "value")


class Engine:
    """An exported policy, run by onnxruntime; may be used by several threads at once.

    Args:
        folder: The policy folder, or what was read of one.
        threads: Threads that share a batch; a single decision takes one.
        trial: Try the folder out in a process of its own with limits on memory and time first.

    Attributes:
        folder: What was read: card, digest, golden vectors.
        card: What the folder says about itself.
        digest: SHA-256 of the folder's list of checksums: names this very policy.
        name: What tables call it.
        features: Names of the columns of an observation.
        actions: Names of the actions.

    Raises:
        BundleError: If the folder is incomplete, damaged, or not what it may be.
        MissingExtraError: If onnxruntime is not installed.
    """

    def __init__(
        self, folder: str | Path | PolicyFolder, *, threads: int = 1, trial: bool = True
    ) -> None:
        if threads < 1:
            raise BundleError(f"threads must be at least 1, got {threads}")
        self.folder = folder if isinstance(folder, PolicyFolder) else read_folder(Path(folder))
        if trial:
            try_out(self.folder)
        self.card = self.folder.card
        self.digest = self.folder.digest
        self.name = f"{self.card['training']['algorithm']} (exported)"
        self.features = [str(each["name"]) for each in self.card["features"]]
        self.actions = [str(each["name"]) for each in self.card["actions"]]
        self._threads = threads
        self._session = _session(without_last_steps(self.folder.graph))
        self._own = threading.local()
        self_test(self.folder.golden, self.decide_batch)

    def __reduce__(self) -> tuple[Callable[..., Engine], tuple[PolicyFolder]]:
        """Copies for other processes are made anew from what was read; sessions do not travel."""
        return partial(Engine, threads=self._threads, trial=False), (self.folder,)

    def decide(self, features: NDArray[Any], mask: NDArray[Any]) -> Decision:
        """Decide for one customer.

        Args:
            features: What the records show, ``(n_features,)``, in the order of ``features``.
            mask: 1 where an action is allowed, else 0, ``(n_actions,)``.

        Raises:
            BundleError: If a shape is wrong, a feature not finite, or nothing is allowed.
        """
        desk = self._desk()
        if np.shape(features) != desk.feature_shape or np.shape(mask) != desk.mask_shape:
            self._check_shapes(np.asarray(features)[None], np.asarray(mask)[None])
        desk.features[0], desk.masks[0] = features, mask
        out = desk.out
        wrong = check_rows(desk.features, desk.masks)
        if wrong[0] != FINE:
            self._refuse(wrong, desk.features)
        desk.run()
        self._rank(desk.masks, out, desk.room)
        actions = out.ranking[0, : out.allowed[0]].copy()
        return Decision(
            actions, out.scores[0][actions], out.probabilities[0][actions], out.values.item()
        )

    def decide_batch(
        self, features: NDArray[Any], masks: NDArray[Any], out: Decisions | None = None
    ) -> Decisions:
        """Decide for many customers.

        Args:
            features: ``(n, n_features)``.
            masks: ``(n, n_actions)``, 0 or 1.
            out: Room for the decisions (``Decisions.room``), written and returned; new by default.

        Raises:
            BundleError: If a shape is wrong, a feature not finite, or nothing is allowed in a row.
        """
        # Numba would compile anew for memory that is strided or may not be written
        x = np.require(features, np.float32, ["C", "W"])
        m = np.require(masks, np.int8, ["C", "W"])
        self._check_shapes(x, m)
        n = len(x)
        out = Decisions.room(n, len(self.actions)) if out is None else out
        if out.ranking.shape != (n, len(self.actions)):
            raise BundleError(
                f"out must have room for ({n}, {len(self.actions)}), got {out.ranking.shape}"
            )
        blocks = iter(range(0, n, BLOCK))
        if self._threads == 1 or n <= BLOCK:
            self._work(blocks, x, m, out)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                jobs = [pool.submit(self._work, blocks, x, m, out) for _ in range(self._threads)]
                for job in jobs:
                    job.result()
        return out

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The best action of every customer, ``(n,)``: an engine is a policy like any other."""
        return self.decide_batch(observations, masks).actions

    def _work(
        self,
        blocks: Iterator[int],
        features: NDArray[np.float32],
        masks: NDArray[np.int8],
        out: Decisions,
    ) -> None:
        """Take one block after the other, until none is left."""
        room = rank_room(len(self.actions))
        for first in blocks:
            rows = slice(first, first + BLOCK)
            x, m, part = features[rows], masks[rows], out[rows]
            wrong = check_rows(x, m)
            if wrong[0] != FINE:
                self._refuse((wrong[0], wrong[1] + first, wrong[2]), features)
            _bound(self._session, x, m, part)()
            self._rank(m, part, room)

    def _rank(self, masks: NDArray[np.int8], out: Decisions, room: Room) -> None:
        row = rank_rows(masks, out.scores, out.probabilities, out.ranking, out.allowed, *room)
        if row != FINE:
            raise BundleError(
                f"{GRAPH} must leave at least one of the allowed actions, got none in row {row}"
            )

    def _desk(self) -> _Desk:
        """The buffers of this thread."""
        desk = getattr(self._own, "desk", None)
        if desk is None:
            desk = self._own.desk = _Desk(self._session, len(self.features), len(self.actions))
        return desk

    def _check_shapes(self, features: NDArray[Any], masks: NDArray[Any]) -> None:
        n_features, n_actions = len(self.features), len(self.actions)
        if features.ndim != 2 or features.shape[1] != n_features:
            raise BundleError(f"features must have shape (n, {n_features}), got {features.shape}")
        if masks.shape != (len(features), n_actions):
            wanted = (len(features), n_actions)
            raise BundleError(f"masks must have shape {wanted}, got {masks.shape}")

    def _refuse(self, wrong: tuple[int, int, int], features: NDArray[np.float32]) -> None:
        kind, row, column = wrong
        if kind == NOT_FINITE:
            got = features[row, column]
            raise BundleError(f"features[{row}].{self.features[column]} must be finite, got {got}")
        if kind == NOT_A_MASK:
            raise BundleError(f"masks[{row}] must hold 0 and 1 only, got something else")
        raise BundleError(f"masks[{row}] must allow at least one action, got none")


class _Desk:
    """Buffers for one decision at a time, bound to the runtime once.

    Args:
        session: The runtime.
        n_features: Columns of an observation.
        n_actions: Actions.
    """

    def __init__(self, session: Any, n_features: int, n_actions: int) -> None:
        self.feature_shape, self.mask_shape = (n_features,), (n_actions,)
        self.features = np.zeros((1, n_features), dtype=np.float32)
        self.masks = np.ones((1, n_actions), dtype=np.int8)
        self.out = Decisions.room(1, n_actions)
        self.room = rank_room(n_actions)
        self.run = _bound(session, self.features, self.masks, self.out)


def _bound(session: Any, features: Any, masks: Any, out: Decisions) -> Any:
    """Something to call that runs the network from and to the memory of these arrays."""
    binding, n = session.io_binding(), len(features)
    for name, array in zip(_INPUTS, (features, masks), strict=True):
        binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
    given = out.scores, out.probabilities, out.values.reshape(n, 1)
    for name, array in zip(_WORKED_OUT, given, strict=True):
        binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
    return lambda: session.run_with_iobinding(binding)


def _session(graph: bytes) -> Any:
    try:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise MissingExtraError("running an exported policy", "serve") from error
    runtime = cast(Any, onnxruntime)
    options = runtime.SessionOptions()
    # threads of the runtime would only wait for each other: a batch is shared out in whole blocks
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the runtime has no public base of its errors
        raise BundleError(f"policy.onnx must be a graph that onnxruntime runs: {error}") from None
