"""Golden vectors: inputs and what the policy answered, as tensors of Open Inference Protocol V2.

The file is a request and its answer at once: ``{"inputs": [...]}`` may be posted to any server that
speaks the protocol, and ``"outputs"`` is what it must answer, but for the last bits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError
from nba_gym.serving.contents import GOLDEN, OUTPUTS

_TYPES = {"float32": "FP32", "int8": "INT8", "int64": "INT64"}


@dataclass(frozen=True)
class Golden:
    """Some observations, and what the policy answers.

    Attributes:
        observations: ``(n, n_features)`` float32.
        masks: ``(n, n_actions)`` int8.
        ranking: ``(n, n_actions)`` int64.
        scores: ``(n, n_actions)`` float32.
        probabilities: ``(n, n_actions)`` float32.
        value: ``(n, 1)`` float32.
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.int8]
    ranking: NDArray[np.int64]
    scores: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    value: NDArray[np.float32]

    def text(self) -> str:
        """The file: one number after the other, each the shortest text that gives the same bits."""
        tree = {"inputs": self.tensors("observations", "masks"), "outputs": self.tensors(*OUTPUTS)}
        return json.dumps(tree) + "\n"

    def tensors(self, *names: str) -> list[dict[str, Any]]:
        """Some of the arrays as tensors of the protocol."""
        arrays = {name: cast(NDArray[Any], getattr(self, name)) for name in names}
        return [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": _TYPES[str(array.dtype)],
                "data": array.ravel().tolist(),
            }
            for name, array in arrays.items()
        ]

    @staticmethod
    def read(data: bytes, n_features: int, n_actions: int) -> Golden:
        """Read the file.

        Raises:
            BundleError: If it is not what ``text`` writes for a policy of this size.
        """
        sizes = {"observations": n_features, "value": 1}
        kinds = {"observations": "float32", "masks": "int8"}
        kinds |= {name: kind for name, (kind, _) in OUTPUTS.items()}
        try:
            tree: Any = json.loads(data)
            tensors = {each["name"]: each for each in (*tree["inputs"], *tree["outputs"])}
            arrays: dict[str, Any] = {}
            for name, kind in kinds.items():
                each = tensors[name]
                wide = sizes.get(name, n_actions)
                arrays[name] = np.array(each["data"], dtype=kind).reshape(-1, wide)
                if each["datatype"] != _TYPES[kind] or each["shape"] != [*arrays[name].shape]:
                    raise ValueError(f"{name} is {each['datatype']} {each['shape']}")
            if len({len(array) for array in arrays.values()}) != 1 or not len(arrays["masks"]):
                raise ValueError("rows differ, or there are none")
            if (np.sort(arrays["ranking"], axis=1) != np.arange(n_actions)).any():
                raise ValueError("a ranking must hold every action once")
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BundleError(f"{GOLDEN} must hold inputs and outputs, got {error!r}") from None
        return Golden(**arrays)
