"""Checkpoints: one file, safetensors, which runs no code when it is loaded.

What is kept is a tree: dictionaries of arrays, plain values and dictionaries. Arrays become tensors
named by their path in it, all the rest is JSON in the file's header.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nba_gym.errors import CheckpointError
from nba_gym.files import whole_file

FORMAT = "nba_gym checkpoint 1"
Tree = dict[str, Any]


def write_checkpoint(path: Path, tree: Tree) -> None:
    """Write a tree, as a whole or not at all: until it is on the disk, the last one stays.

    Raises:
        CheckpointError: If it cannot be written, for want of space or of the right to.
    """
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(_without_arrays(tree, "", arrays))
    data = save(arrays, metadata={"format": FORMAT, "tree": text})
    try:
        with whole_file(path) as draft:
            draft.write_bytes(data)
    except OSError as error:
        kept = "the one before is kept" if path.exists() else "there was none before"
        raise CheckpointError(
            f"checkpoint must be written to {path}, got {error.strerror or error}; {kept}"
        ) from None


def read_checkpoint(path: Path) -> Tree:
    """Read what ``write_checkpoint`` wrote.

    Raises:
        CheckpointError: If there is no such file, or it is damaged or something else.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint must be an existing file, got {str(path)!r}")
    try:
        with safe_open(str(path), framework="numpy") as file:
            tags = file.metadata() or {}
            names = list(file.keys())
            arrays = {name: np.array(file.get_tensor(name)) for name in names}
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint must be whole, got {path}: {error}") from None
    if tags.get("format") != FORMAT:
        raise CheckpointError(
            f"checkpoint must be of the format {FORMAT!r}, got {tags.get('format')!r} in {path}"
        )
    tree = cast(Tree, json.loads(tags["tree"]))
    for name, array in arrays.items():
        *folders, last = name.split("/")
        branch = tree
        for folder in folders:
            branch = branch[folder]
        branch[last] = array
    return tree


def _without_arrays(tree: Tree, above: str, arrays: dict[str, NDArray[Any]]) -> Tree:
    """The tree but for its arrays, which are put into ``arrays`` by path."""
    rest: Tree = {}
    for name, value in tree.items():
        if isinstance(value, np.ndarray):
            arrays[above + name] = np.ascontiguousarray(value).reshape(value.shape)
        elif isinstance(value, dict):
            branch = cast(Tree, value)
            rest[name] = _without_arrays(branch, f"{above}{name}/", arrays)
        else:
            rest[name] = value
    return rest


def plain(tree: Tree) -> Tree:
    """A tree of plain values as it would be read from a file: lists in the place of tuples."""
    return json.loads(json.dumps(tree))


def differences(had: Tree, wanted: Tree, above: str = "") -> list[str]:
    """What differs between two trees of plain values, as ``name (had, not wanted)``."""
    found: list[str] = []
    for name in sorted(had.keys() | wanted.keys()):
        one, other = had.get(name), wanted.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            branches = cast(Tree, one), cast(Tree, other)
            found += differences(*branches, above=f"{above}{name}.")
        elif one != other:
            found.append(f"{above}{name} ({one}, not {other})")
    return found
