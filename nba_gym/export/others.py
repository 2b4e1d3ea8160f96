"""Files by which other servers load the folder: MLflow, MLServer and Triton."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib import metadata

from nba_gym.serving.contents import (
    GRAPH,
    MLMODEL,
    MLSERVER,
    OUTPUTS,
    PYTHON_ENV,
    REQUIREMENTS,
    TRITON_CONFIG,
)

MLFLOW = "3.18.0"
"""Version of MLflow whose format the files have."""
MOST_ROWS = 4096
"""Largest batch that Triton is told to put together."""


def files_for_others(n_features: int, n_actions: int) -> dict[str, str]:
    """Texts of the files, by name in the folder."""
    return {
        MLMODEL: _mlmodel(n_features, n_actions),
        MLSERVER: json.dumps(_mlserver(), indent=2) + "\n",
        REQUIREMENTS: "\n".join(["mlflow", *_needs()]) + "\n",
        PYTHON_ENV: _python_env(),
        TRITON_CONFIG: _triton(n_features, n_actions),
    }


def _needs() -> list[str]:
    return [f"{name}=={metadata.version(name)}" for name in ("onnx", "onnxruntime", "numpy")]


def _tensors(tensors: list[tuple[str, str, int]]) -> str:
    """Tensors as a signature of MLflow: rows are free."""
    return json.dumps(
        [
            {"name": name, "type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1, size]}}
            for name, kind, size in tensors
        ]
    )


def _ends(n_features: int, n_actions: int) -> tuple[list[tuple[str, str, int]], ...]:
    sizes = {"actions": n_actions, "1": 1}
    inputs = [("observations", "float32", n_features), ("masks", "int8", n_actions)]
    return inputs, [(name, kind, sizes[size]) for name, (kind, size) in OUTPUTS.items()]


def _mlmodel(n_features: int, n_actions: int) -> str:
    inputs, outputs = _ends(n_features, n_actions)
    python = platform.python_version()
    onnx = metadata.version("onnx")
    return f"""\
flavors:
  onnx:
    code: null
    data: {GRAPH}
    onnx_version: {onnx}
    providers:
    - CPUExecutionProvider
  python_function:
    data: {GRAPH}
    env:
      virtualenv: {PYTHON_ENV}
    loader_module: mlflow.onnx
    python_version: {python}
mlflow_version: {MLFLOW}
signature:
  inputs: '{_tensors(inputs)}'
  outputs: '{_tensors(outputs)}'
  params: null
utc_time_created: '{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}'
"""


def _mlserver() -> dict[str, object]:
    return {
        "name": "policy",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": "."},
    }


def _python_env() -> str:
    return f"""\
python: {platform.python_version()}
build_dependencies:
- pip
dependencies:
- -r {REQUIREMENTS}
"""


def _triton(n_features: int, n_actions: int) -> str:
    kinds = {"float32": "TYPE_FP32", "int8": "TYPE_INT8", "int64": "TYPE_INT64"}

    def listed(which: str, tensors: list[tuple[str, str, int]]) -> str:
        rows = [
            f'  {{ name: "{name}" data_type: {kinds[kind]} dims: [ {size} ] }}'
            for name, kind, size in tensors
        ]
        return f"{which} [\n" + ",\n".join(rows) + "\n]\n"

    inputs, outputs = _ends(n_features, n_actions)
    return (
        'name: "policy"\n'
        'platform: "onnxruntime_onnx"\n'
        f"max_batch_size: {MOST_ROWS}\n"
        + listed("input", inputs)
        + listed("output", outputs)
        + "dynamic_batching { max_queue_delay_microseconds: 500 }\n"
        "instance_group [ { kind: KIND_CPU } ]\n"
        "version_policy: { latest: { num_versions: 1 } }\n"
    )
