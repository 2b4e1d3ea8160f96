"""Servers that know nothing of us load the folder and give the golden answers.

The two servers are started for real where `make serve-others` has installed them; what can be
checked without them is checked in every run.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml

from nba_gym.serving import read_folder
from nba_gym.serving.contents import TRITON_GRAPH

SERVERS = Path(__file__).parents[2] / ".venv-others" / "bin"
PATIENCE = 120.0
needs_servers = pytest.mark.skipif(
    not (SERVERS / "mlserver").exists(),
    reason="mlflow and MLServer are not installed: make serve-others does it",
)


@pytest.fixture(scope="module")
def golden(written) -> dict[str, Any]:
    return json.loads((written.folder / "golden.json").read_text())


def as_array(tensor: dict[str, Any]) -> np.ndarray:
    kinds = {"FP32": "float32", "INT8": "int8", "INT64": "int64"}
    return np.array(tensor["data"], dtype=kinds[tensor["datatype"]]).reshape(tensor["shape"])


def check(golden: dict[str, Any], answers: dict[str, np.ndarray]) -> None:
    wanted = {tensor["name"]: as_array(tensor) for tensor in golden["outputs"]}
    assert answers.keys() == wanted.keys()
    for name, values in wanted.items():
        given = np.asarray(answers[name])
        if name == "ranking":
            np.testing.assert_array_equal(given, values)
        else:
            np.testing.assert_allclose(given, values, rtol=1e-5, atol=1e-5)


# --- without a server ---------------------------------------------------------------------------


def test_plain_onnxruntime_gives_the_golden_answers_in_any_batch(written, golden):
    inputs = {tensor["name"]: as_array(tensor) for tensor in golden["inputs"]}
    for path in ("policy.onnx", TRITON_GRAPH):
        session = onnxruntime.InferenceSession(written.folder / path)
        names = [output.name for output in session.get_outputs()]
        whole: Any = session.run(None, inputs)
        check(golden, dict(zip(names, whole, strict=True)))
        rows: list[Any] = [
            session.run(None, {name: array[i : i + 1] for name, array in inputs.items()})
            for i in range(len(inputs["masks"]))
        ]
        check(golden, {n: np.concatenate([row[j] for row in rows]) for j, n in enumerate(names)})


def test_the_files_for_others_say_what_the_graph_takes_and_gives(written):
    session = onnxruntime.InferenceSession(written.folder / "policy.onnx")
    kinds = {"tensor(float)": "float32", "tensor(int8)": "int8", "tensor(int64)": "int64"}
    triton = {"float32": "TYPE_FP32", "int8": "TYPE_INT8", "int64": "TYPE_INT64"}
    model = yaml.safe_load((written.folder / "MLmodel").read_text())
    config = (written.folder / "triton" / "policy" / "config.pbtxt").read_text()
    for which, ends in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        signature = json.loads(model["signature"][which])
        assert [
            (s["name"], s["tensor-spec"]["dtype"], s["tensor-spec"]["shape"]) for s in signature
        ] == [(end.name, kinds[end.type], [-1, end.shape[1]]) for end in ends]
        for end in ends:
            kind = triton[kinds[end.type]]
            row = f'{{ name: "{end.name}" data_type: {kind} dims: [ {end.shape[1]} ] }}'
            assert row in config
    assert model["flavors"]["onnx"]["data"] == "policy.onnx"
    assert model["flavors"]["python_function"]["loader_module"] == "mlflow.onnx"
    assert re.search(r'platform: "onnxruntime_onnx"\nmax_batch_size: [1-9]', config)
    assert config.count("[") == config.count("]")
    settings = json.loads((written.folder / "model-settings.json").read_text())
    assert settings["parameters"]["uri"] == "."


# --- with the servers -----------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20.0) as answer:
        text = answer.read()
    return json.loads(text) if text.strip() else None


@contextmanager
def served(command: list[str], ready: str, cwd: Path, **env: str) -> Iterator[None]:
    """A server that is up, and is gone with all its processes afterwards."""
    surroundings = os.environ | {"PATH": f"{SERVERS}:{os.environ['PATH']}"} | env
    surroundings.pop("PYTHONPATH", None)  # nothing of ours can be found
    with (cwd.parent / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=cwd, env=surroundings, stdout=log, stderr=log, start_new_session=True
        )
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    ask(ready)
                    break
                except (urllib.error.URLError, OSError, ValueError):
                    told = (cwd.parent / "server.log").read_text()[-2_000:]
                    assert server.poll() is None, f"the server ended: {told}"
                    assert time.monotonic() < until, f"the server did not get ready: {told}"
                    time.sleep(0.5)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
def copy(written, tmp_path) -> Path:
    return Path(shutil.copytree(written.folder, tmp_path / "policy"))


@needs_servers
@pytest.mark.slow
def test_mlflow_serves_the_folder(copy, golden):
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    command = [f"{SERVERS}/mlflow", "models", "serve", "-m", ".", "--env-manager", "local"]
    command += ["-p", str(port), "-w", "1"]
    with served(command, f"{here}/ping", copy, MLFLOW_TRACKING_URI=f"file:{copy.parent}/runs"):
        inputs = {tensor["name"]: as_array(tensor).tolist() for tensor in golden["inputs"]}
        answer = ask(f"{here}/invocations", {"inputs": inputs})
    check(golden, answer["predictions"])
    read_folder(copy)  # and has left it as it was


@needs_servers
@pytest.mark.slow
def test_mlserver_answers_by_open_inference_protocol_v2(copy, golden):
    ports = {f"MLSERVER_{kind}_PORT": str(free_port()) for kind in ("HTTP", "GRPC", "METRICS")}
    here = f"http://127.0.0.1:{ports['MLSERVER_HTTP_PORT']}/v2/models/policy"
    settings = ports | {"MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_HOST": "127.0.0.1"}
    with served([f"{SERVERS}/mlserver", "start", "."], f"{here}/ready", copy, **settings):
        about = ask(here)
        answer = ask(f"{here}/infer", {"inputs": golden["inputs"]})
    assert {each["name"] for each in about["inputs"]} == {"observations", "masks"}
    check(golden, {tensor["name"]: as_array(tensor) for tensor in answer["outputs"]})
    read_folder(copy)
