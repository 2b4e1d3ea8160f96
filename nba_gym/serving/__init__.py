"""Serving an exported policy folder: onnxruntime, never torch, never the simulator."""

from nba_gym.serving.bundle import PolicyFolder, read_folder
from nba_gym.serving.decisions import Decision, Decisions
from nba_gym.serving.engine import Engine

__all__ = ["Decision", "Decisions", "Engine", "PolicyFolder", "read_folder"]
