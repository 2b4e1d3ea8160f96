"""Serving an exported policy folder: onnxruntime, never torch, never the simulator."""

from nba_gym.serving.bundle import PolicyFolder, read_folder
from nba_gym.serving.engine import Decision, Decisions, Engine

__all__ = ["Decision", "Decisions", "Engine", "PolicyFolder", "read_folder"]
