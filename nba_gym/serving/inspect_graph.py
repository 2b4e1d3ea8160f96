"""Read an ONNX graph without running it: only plain operators, no outside data, finite weights.

The graph is parsed and walked, never executed. What is on the list below does arithmetic on
tensors; nothing there reads a file, loops, or makes a tensor of a size that the data say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nba_gym.errors import BundleError, MissingExtraError
from nba_gym.serving.contents import GRAPH, OPSET, OUTPUTS

_ALLOWED = """
Add And ArgMax Cast Clip Div Elu Equal Exp Gather Gemm Greater GreaterOrEqual Identity LeakyRelu
Less LessOrEqual MatMul Max Min Mul Neg Not Or ReduceMax ReduceSum Relu Reshape Round Sigmoid Slice
Softmax Softplus Split Squeeze Sub Tanh TopK Unsqueeze Where
"""
OPERATORS = frozenset(_ALLOWED.split())
"""What a node may do."""
MOST_NODES = 1_000
_RANKING = "ranking"
_CHANCES = "probabilities"
_TENSOR, _WHOLE, _REAL, _WHOLES, _REALS, _TEXT = 4, 2, 1, 7, 6, 3
_PLAIN_ATTRIBUTES = {_TENSOR, _WHOLE, _REAL, _WHOLES, _REALS, _TEXT}


def inspect_graph(graph: bytes, n_features: int, n_actions: int) -> None:
    """Refuse a graph that is not what a policy may be.

    Args:
        graph: The file.
        n_features: Columns of an observation, as the card says.
        n_actions: Actions, likewise.

    Raises:
        BundleError: Naming the rule that is broken and what breaks it.
        MissingExtraError: If onnx is not installed.
    """
    model = _parse(graph)
    opsets = {(each.domain or "ai.onnx"): each.version for each in model.opset_import}
    if opsets != {"ai.onnx": OPSET}:
        raise _broken("operator set", f"ai.onnx {OPSET} and no other", opsets)
    if len(model.functions) or len(model.training_info):
        raise _broken("functions", "none", len(model.functions) + len(model.training_info))
    if not 0 < len(model.graph.node) <= MOST_NODES:
        raise _broken("nodes", f"1 to {MOST_NODES}", len(model.graph.node))
    for node in model.graph.node:
        _check_node(node)
    if len(model.graph.sparse_initializer):
        raise _broken("sparse weights", "none", len(model.graph.sparse_initializer))
    for tensor in model.graph.initializer:
        _check_tensor(tensor)
    _check_ends(model.graph, n_features, n_actions)


def without_last_steps(graph: bytes) -> bytes:
    """The same graph but for what the engine does faster by itself.

    That is the ranking, and to give what the mask forbids no chance.
    """
    model = _parse(graph)
    nodes = [node for node in model.graph.node if _RANKING not in node.output]
    nodes = _without_closing(nodes)
    outputs = [output for output in model.graph.output if output.name != _RANKING]
    used = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in used]
    for field, kept in (("node", nodes), ("output", outputs), ("initializer", weights)):
        model.graph.ClearField(field)
        getattr(model.graph, field).extend(kept)
    return model.SerializeToString()


def _without_closing(nodes: list[Any]) -> list[Any]:
    """Without the last choice between chances and 0, where one node works the chances out."""
    last = next((node for node in nodes if _CHANCES in node.output), None)
    if last is None or last.op_type != "Where":
        return nodes
    open_, chances, _ = last.input
    masks = {name for node in nodes if "masks" in node.input for name in node.output}
    made = [node for node in nodes if list(node.output) == [chances]]
    uses = sum(list(node.input).count(chances) for node in nodes)
    if open_ not in masks or len(made) != 1 or uses != 1:
        return nodes
    made[0].output[0] = _CHANCES
    return [node for node in nodes if node is not last]


def _parse(graph: bytes) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtraError("reading a policy folder", "serve") from error
    try:
        return onnx.load_model_from_string(graph)
    except (DecodeError, ValueError) as error:
        raise BundleError(f"{GRAPH} must be an ONNX file, got something else: {error}") from None


def _check_node(node: Any) -> None:
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        raise _broken("operator", "one of those allowed", f"{node.domain}:{node.op_type}")
    for attribute in node.attribute:
        if attribute.type not in _PLAIN_ATTRIBUTES:
            raise _broken(f"attribute {attribute.name!r}", "a plain value", "a graph or reference")
        if attribute.type == _TENSOR:
            _check_tensor(attribute.t)


def _check_tensor(tensor: Any) -> None:
    from onnx import numpy_helper

    if tensor.data_location != 0 or len(tensor.external_data):
        raise _broken(f"weights {tensor.name!r}", "inside of the file", "external data")
    try:
        values: Any = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise _broken(f"weights {tensor.name!r}", "numbers of its shape", error) from None
    if values.dtype.kind not in "fiub":
        raise _broken(f"weights {tensor.name!r}", "numbers", values.dtype)
    if not np.isfinite(values).all():
        raise _broken(f"weights {tensor.name!r}", "finite", "NaN or infinity")


def _check_ends(graph: Any, n_features: int, n_actions: int) -> None:
    """Check names, types and sizes of what goes in and comes out; rows are free."""
    sizes = {"actions": n_actions, "1": 1}
    wanted = {"observations": ("float32", n_features), "masks": ("int8", n_actions)}
    _check_values("inputs", graph.input, wanted)
    answers = {name: (kind, sizes[size]) for name, (kind, size) in OUTPUTS.items()}
    _check_values("outputs", graph.output, answers)


def _check_values(which: str, values: Any, wanted: dict[str, tuple[str, int]]) -> None:
    from onnx import helper

    found: dict[str, tuple[str, Any]] = {}
    for value in values:
        kind = value.type.tensor_type
        dims = kind.shape.dim
        free = len(dims) == 2 and not dims[0].HasField("dim_value")
        try:
            name = str(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        except (KeyError, ValueError):
            name = "no tensor"
        found[value.name] = (name, dims[1].dim_value if free else "not (rows, n)")
    if found != wanted:
        raise _broken(which, f"{wanted}", found)


def _broken(what: str, rule: str, got: object) -> BundleError:
    return BundleError(f"{GRAPH}: {what} must be {rule}, got {str(got)[:200]}")
