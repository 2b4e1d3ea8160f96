"""An ONNX graph, written node by node: what every exported policy is made of.

The inputs are ``observations`` and ``masks``; a policy adds scores, and the tail that all share
makes of them what a server answers. Only plain operators of one operator set are used, so that any
runtime can load the file, and a short list says what a graph may hold (``serving.inspect_graph``).
"""

from __future__ import annotations

import importlib
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import MissingExtraError
from nba_gym.serving.contents import FORBIDDEN, IR_VERSION, OPSET, OUTPUTS

Layer = tuple[NDArray[Any], NDArray[Any]]
"""Weights ``(n_in, n_out)`` and bias ``(n_out,)``."""


CERTAIN = "certain"


class Draft:
    """A graph that is being written.

    Args:
        n_features: Columns of an observation.
        n_actions: Actions, waiting included.

    Raises:
        MissingExtraError: If onnx is not installed.
    """

    observations = "observations"
    masks = "masks"

    def __init__(self, n_features: int, n_actions: int) -> None:
        try:
            importlib.import_module("onnx")
        except ImportError as error:
            raise MissingExtraError("writing a policy folder", "export") from error
        self.n_features, self.n_actions = n_features, n_actions
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.allowed = self.add("Cast", self.masks, to=_bool_type())

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Numbers that belong to the graph; the name they got."""
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(np.asarray(values, dtype=kind))
        # from_array wants an array with at least the dimensions it shall have; 0 of them are fine
        array = array.reshape(np.shape(values))
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """One more node with one output; the name of that output."""
        from onnx import helper

        output = name or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def linear(self, of: str, layer: Layer) -> str:
        """``of @ weights + bias``."""
        weights, bias = layer
        return self.add("Gemm", of, self.constant(weights), self.constant(bias))

    def columns(self, of: str, places: Any) -> str:
        """Some of the columns, ``(rows, len(places))``."""
        return self.add("Gather", of, self.constant(places, np.int64), axis=1)

    def sum(self, of: str) -> str:
        """Sum over the columns, ``(rows, 1)``."""
        return self.add("ReduceSum", of, self.constant([1], np.int64))

    def bar(self, closed: str) -> None:
        """Forbid what the policy itself would never do, beside what the mask forbids."""
        self.allowed = self.add("And", self.allowed, self.add("Not", closed))

    def finish(self, scores: str, value: str, *, probabilities: str = "") -> bytes:
        """The whole graph as a file, with the tail that all policies share.

        Args:
            scores: What actions are ranked by, ``(rows, n_actions)``.
            value: What the customer is worth, ``(rows, 1)``.
            probabilities: Chance of every action, ``(rows, n_actions)``; by default the softmax of
                the scores; ``CERTAIN`` gives all of it to the highest score.
        """
        from onnx import TensorProto, checker, helper

        low = self.constant(FORBIDDEN)
        masked = self.add("Where", self.allowed, scores, low, name="scores")
        chances = self._chances(masked) if probabilities == CERTAIN else probabilities
        chances = chances or self.add("Softmax", masked, axis=1)
        # a row in which nothing is allowed would otherwise be shared out evenly
        none = self.constant(0.0)
        self.add("Where", self.allowed, chances, none, name="probabilities")
        every = self.constant([self.n_actions], np.int64)
        ranked = ["ranked_scores", "ranking"]
        self._nodes.append(helper.make_node("TopK", [masked, every], ranked, axis=1))
        self.add("Identity", value, name="value")
        kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
        sizes = {"actions": self.n_actions, "1": 1}
        graph = helper.make_graph(
            self._nodes,
            "policy",
            [
                helper.make_tensor_value_info(name, kind, ["rows", size])
                for name, kind, size in (
                    (self.observations, TensorProto.FLOAT, self.n_features),
                    (self.masks, TensorProto.INT8, self.n_actions),
                )
            ],
            [
                helper.make_tensor_value_info(name, kinds[kind], ["rows", sizes[size]])
                for name, (kind, size) in OUTPUTS.items()
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="nba_gym"
        )
        cast(Any, checker).check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)

    def _chances(self, scores: str) -> str:
        """1 for the best action, the first of several, and 0 for the others."""
        best = self.add("ArgMax", scores, axis=1, keepdims=1)
        numbers = self.constant(np.arange(self.n_actions)[None], np.int64)
        return self.add("Cast", self.add("Equal", best, numbers), to=_float_type())


def _float_type() -> int:
    from onnx import TensorProto

    return int(TensorProto.FLOAT)


def _bool_type() -> int:
    from onnx import TensorProto

    return int(TensorProto.BOOL)
