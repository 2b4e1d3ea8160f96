"""What a policy folder holds: names, formats and limits, for who writes it and who reads it."""

from __future__ import annotations

FORMAT = "nba_gym policy 2"

CARD, GRAPH, SCENARIO, GOLDEN = "card.json", "policy.onnx", "scenario.json", "golden.json"
CHECKSUMS = "checksums.json"
MLMODEL, MLSERVER = "MLmodel", "model-settings.json"
REQUIREMENTS, PYTHON_ENV = "requirements.txt", "python_env.yaml"
TRITON_CONFIG, TRITON_GRAPH = "triton/policy/config.pbtxt", "triton/policy/1/model.onnx"

MEBI = 1 << 20
SIZES = {
    CARD: 4 * MEBI,
    GRAPH: 64 * MEBI,
    SCENARIO: 16 * MEBI,
    GOLDEN: 16 * MEBI,
    CHECKSUMS: 64 << 10,
    MLMODEL: 256 << 10,
    MLSERVER: 64 << 10,
    REQUIREMENTS: 64 << 10,
    PYTHON_ENV: 64 << 10,
    TRITON_CONFIG: 64 << 10,
    TRITON_GRAPH: 64 * MEBI,
}
"""Every file of a folder with the most bytes it may have; nothing else may lie there."""

OPSET, IR_VERSION = 18, 9
"""Operator set and format of the graph: old enough for servers that are years behind."""
OUTPUTS = {
    "ranking": ("int64", "actions"),
    "scores": ("float32", "actions"),
    "probabilities": ("float32", "actions"),
    "value": ("float32", "1"),
}
"""What the graph answers: type, and how many numbers a row."""
FORBIDDEN = -3.4028234663852886e38
"""Score of a forbidden action: the lowest number of single precision, which JSON can hold."""
