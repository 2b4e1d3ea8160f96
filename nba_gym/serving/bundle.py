"""The policy folder: ``policy.onnx`` and ``card.json``, checked before anything is believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError, MissingExtraError

FORMAT = "nba_gym policy 1"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a policy folder, with its graph checked against the digest.

    Raises:
        BundleError: If something is missing, damaged or of another format.
    """
    path = folder / "card.json"
    if not path.is_file():
        raise BundleError(f"policy folder must hold card.json, got none in {folder}")
    try:
        card = cast(dict[str, Any], json.loads(path.read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"card.json must be valid JSON, got {error}") from None
    if card.get("format") != FORMAT:
        raise BundleError(f"card.json: format must be {FORMAT!r}, got {card.get('format')!r}")
    graph = folder / str(card["graph"]["file"])
    if not graph.is_file():
        raise BundleError(f"policy folder must hold {graph.name}, got none in {folder}")
    if file_digest(graph) != card["graph"]["sha256"]:
        raise BundleError(f"{graph.name} must match the digest in card.json, got another file")
    return card


class OnnxPolicy:
    """An exported policy, run by onnxruntime.

    Args:
        folder: The policy folder.
        threads: Threads of onnxruntime.

    Attributes:
        card: What the folder says about itself.

    Raises:
        BundleError: If the folder is incomplete or damaged.
        MissingExtraError: If onnxruntime is not installed.
    """

    def __init__(self, folder: str | Path, *, threads: int = 1) -> None:
        try:
            import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
        except ImportError as error:
            raise MissingExtraError("running an exported policy", "serve") from error
        where = Path(folder)
        self.card = read_card(where)
        self.name = f"{self.card['training']['algorithm']} (exported)"
        runtime = cast(Any, onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = runtime.InferenceSession(
            str(where / self.card["graph"]["file"]), options, providers=["CPUExecutionProvider"]
        )

    def scores(self, observations: NDArray[np.float32], masks: NDArray[Any]) -> NDArray[np.float32]:
        """Probability of every action, ``(n, n_actions)``; forbidden ones exactly 0.

        Raises:
            BundleError: If an input has the wrong shape or is not finite.
        """
        n_features, n_actions = len(self.card["features"]), len(self.card["actions"])
        x, m = np.asarray(observations, dtype=np.float32), np.asarray(masks, dtype=np.int8)
        if x.ndim != 2 or x.shape[1] != n_features:
            raise BundleError(f"observations must have shape (n, {n_features}), got {x.shape}")
        if m.shape != (len(x), n_actions):
            raise BundleError(f"masks must have shape ({len(x)}, {n_actions}), got {m.shape}")
        if not np.isfinite(x).all():
            row, column = (int(i) for i in np.argwhere(~np.isfinite(x))[0])
            name = self.card["features"][column]["name"]
            raise BundleError(f"observations[{row}].{name} must be finite, got {x[row, column]}")
        if len(m) and not (m > 0).any(axis=1).all():
            raise BundleError("masks must allow at least one action in every row, got none in one")
        return self._session.run(["probabilities"], {"observations": x, "masks": m})[0]

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The most probable allowed action of every customer, ``(n,)``."""
        return np.argmax(self.scores(observations, masks), axis=1)
