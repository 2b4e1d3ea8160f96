"""The Open Inference Protocol, version 2: the bare model, for features and masks of the caller.

Source: https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol
"""

from __future__ import annotations

from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import BundleError, RequestError
from nba_gym.serving.chain import orjson
from nba_gym.serving.contents import OUTPUTS
from nba_gym.serving.lineup import Scorer
from nba_gym.serving.requests import read_object

MOST_ROWS = 1024
"""Customers in one request."""
_TYPES = {"observations": "FP32", "masks": "INT8"}
_WIRE = {"float32": "FP32", "int64": "INT64"}


def _widths(policy: Scorer) -> dict[str, int]:
    return {"observations": len(policy.card["features"]), "masks": len(policy.card["actions"])}


def metadata_of(name: str, policy: Scorer) -> dict[str, Any]:
    """What the model takes and gives."""
    widths = _widths(policy)
    inputs = [
        {"name": each, "datatype": _TYPES[each], "shape": [-1, widths[each]]} for each in _TYPES
    ]
    outputs = [
        {
            "name": each,
            "datatype": _WIRE[kind],
            "shape": [-1, 1 if size == "1" else widths["masks"]],
        }
        for each, (kind, size) in OUTPUTS.items()
    ]
    return {
        "name": name,
        "versions": [policy.digest[:12]],
        "platform": "onnx",
        "inputs": inputs,
        "outputs": outputs,
    }


def infer(name: str, policy: Scorer, body: bytes) -> bytes:
    """Answer an inference request.

    Raises:
        RequestError: Naming the field that breaks a rule.
    """
    sent = read_object(body)
    unknown = set(sent) - {"id", "inputs", "outputs", "parameters"}
    if unknown or not isinstance(sent.get("inputs"), list):
        raise RequestError("body must hold inputs, and besides only id, outputs and parameters")
    identity = sent.get("id")
    if identity is not None and not (isinstance(identity, str) and len(identity) <= 128):
        raise RequestError("id must be a text of at most 128 characters")
    asked = _asked(sent.get("outputs"))
    given = _tensors(cast(list[Any], sent["inputs"]), _widths(policy))
    try:
        said = policy.decide_batch(
            given["observations"].astype(np.float32), given["masks"].astype(np.int8)
        )
    except BundleError:
        raise RequestError("masks must allow an action in every row, with ones and zeros") from None
    arrays = {
        "ranking": said.ranking,
        "scores": said.scores,
        "probabilities": said.probabilities,
        "value": said.values[:, None],
    }
    outputs = [_tensor(each, OUTPUTS[each][0], arrays[each]) for each in asked]
    answer = {"model_name": name, "model_version": policy.digest[:12], "outputs": outputs}
    return orjson.dumps(answer | ({"id": identity} if identity is not None else {}))


def _asked(outputs: Any) -> list[str]:
    """Names of the outputs that are asked for; all if none is named."""
    if outputs is None or outputs == []:
        return list(OUTPUTS)
    names: list[str] = []
    for each in cast(list[Any], outputs) if isinstance(outputs, list) else [None]:
        name = cast(dict[str, Any], each).get("name") if isinstance(each, dict) else None
        if not isinstance(name, str) or name not in OUTPUTS or name in names:
            raise RequestError(f"outputs must name {', '.join(OUTPUTS)}, each once at most")
        names.append(name)
    return names


def _tensor(name: str, kind: str, values: NDArray[Any]) -> dict[str, Any]:
    flat = values.ravel().tolist()
    return {"name": name, "datatype": _WIRE[kind], "shape": list(values.shape), "data": flat}


def _tensors(inputs: list[Any], widths: dict[str, int]) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = {}
    for each in inputs:
        row = cast(dict[str, Any], each) if isinstance(each, dict) else {}
        name = row.get("name")
        if not isinstance(name, str) or name not in _TYPES or name in found:
            raise RequestError("inputs must be observations and masks, each once")
        if set(row) - {"name", "shape", "datatype", "data", "parameters"}:
            raise RequestError(f"{name} must hold name, shape, datatype and data only")
        if row.get("datatype") != _TYPES[name]:
            raise RequestError(f"{name}.datatype must be {_TYPES[name]}")
        found[name] = _values(row, name, widths[name])
    if len(found) < 2 or len(found["observations"]) != len(found["masks"]):
        raise RequestError("inputs must be observations and masks with as many rows each")
    if not np.isin(found["masks"], (0.0, 1.0)).all():
        raise RequestError("masks.data must be zeros and ones")
    return found


def _values(row: dict[str, Any], name: str, width: int) -> NDArray[np.float64]:
    shape, data = row.get("shape"), row.get("data")
    if not isinstance(shape, list) or len(cast(list[Any], shape)) != 2:
        raise RequestError(f"{name}.shape must be two whole numbers")
    n, columns = cast(list[Any], shape)
    if type(n) is not int or not 1 <= n <= MOST_ROWS or columns != width:
        raise RequestError(f"{name}.shape must be [1 to {MOST_ROWS}, {width}]")
    rows = cast(list[Any], data) if isinstance(data, list) else []
    if rows and all(isinstance(each, list) for each in rows):
        by_row = cast(list[list[Any]], rows)
        rows = list(chain.from_iterable(by_row)) if {len(r) for r in by_row} == {width} else []
    if len(rows) != n * width or any(type(each) not in (int, float) for each in rows):
        raise RequestError(f"{name}.data must be {n} x {width} numbers, flat or by rows")
    values = np.array(rows, dtype=np.float64).reshape(n, width)
    if np.abs(values).max() > 3.0e38:
        raise RequestError(f"{name}.data must be numbers of single precision")
    return values
