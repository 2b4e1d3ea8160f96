"""Serving an exported policy folder: onnxruntime, never torch, never the simulator."""

from nba_gym.serving.bundle import OnnxPolicy

__all__ = ["OnnxPolicy"]
