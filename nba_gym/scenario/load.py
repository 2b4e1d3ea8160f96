"""Strict loading of scenarios: presets, files, ``extends`` and dotted overrides."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import ValidationError

from nba_gym.errors import ScenarioError, nearest
from nba_gym.scenario.mistakes import one_line, shown
from nba_gym.scenario.schema import Scenario

Overrides = Mapping[str, Any] | Iterable[str]


def preset_names() -> list[str]:
    """Names of the scenarios that ship with nba_gym."""
    folder = resources.files("nba_gym.scenario") / "presets"
    files = [file.name for file in folder.iterdir() if file.name.endswith(".toml")]
    return sorted(name.removesuffix(".toml") for name in files)


def load_scenario(source: str | Path | Scenario, overrides: Overrides = ()) -> Scenario:
    """Load a scenario from a preset name or a TOML file, and change single values.

    Args:
        source: Name of a preset (``"retail"``), path of a ``.toml`` file, or a scenario. A file may
            say ``extends = "retail"`` and then gives only what differs.
        overrides: Either ``{"leaving.period_base": -3.0}`` or strings such as
            ``"leaving.period_base=-3.0"``, as on the command line. Parts of a list are named:
            ``"channels.email.cost=0.01"``.

    Returns:
        The validated, frozen scenario.

    Raises:
        ScenarioError: One line a mistake, each with file, field, rule and value.
    """
    pairs = _pairs(overrides)
    if not isinstance(cast(Any, source), (str, Path, Scenario)):
        raise ScenarioError(f"scenario must be a preset or .toml file, got {source!r}")
    if isinstance(source, Scenario):
        if not pairs:
            return source
        tree, label = source.model_dump(mode="json"), source.name
    else:
        tree, label = _read_tree(source, seen=())
    for path, value in pairs:
        assign(tree, path, value, label)
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        lines = [one_line(item, tree, label) for item in error.errors()]
        raise ScenarioError("\n".join(lines)) from None


def scenario_hash(scenario: Scenario) -> str:
    """First 16 hexadecimal digits of the SHA-256 of all the scenario's values."""
    text = json.dumps(scenario.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_tree(
    source: str | Path, seen: tuple[str, ...], said_by: str = ""
) -> tuple[dict[str, Any], str]:
    """Values of a preset or file over those it extends, and a label that says where they are from.

    Args:
        source: Name of a preset, or path of a file.
        seen: What was read on the way here.
        said_by: The file that extends this one, in parentheses.
    """
    path = Path(source)
    is_file = path.suffix == ".toml"
    name = str(path.resolve()) if is_file else str(source)
    if name in seen:
        circle = " -> ".join(Path(step).name for step in (*seen, name))
        raise ScenarioError(f"extends must not go in a circle, got {circle}")
    label = path.name if is_file else f"{name}.toml"
    tree = _read_toml(path if is_file else _preset(name, said_by), label, said_by)
    parent = tree.pop("extends", None)
    if parent is None:
        return tree, label
    if not isinstance(parent, str):
        raise ScenarioError(f"extends must be the name of a scenario, got {parent!r} ({label})")
    if parent.endswith(".toml"):
        parent = str(path.parent / parent)
    base, base_label = _read_tree(parent, (*seen, name), f" ({label})")
    return _merge(base, tree, label), f"{label} extending {base_label}"


def _preset(name: str, said_by: str) -> Traversable:
    known = preset_names()
    if name not in known:
        hint = nearest(name, known)
        raise ScenarioError(f"scenario must be a preset or .toml file, got {name!r}{hint}{said_by}")
    return resources.files("nba_gym.scenario") / "presets" / f"{name}.toml"


def _read_toml(file: Traversable, label: str, said_by: str) -> dict[str, Any]:
    if not file.is_file():
        raise ScenarioError(f"scenario must be a file that exists, got {str(file)!r}{said_by}")
    try:
        return tomllib.loads(file.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"scenario must be valid TOML, got: {error} ({label})") from None


def _merge(base: dict[str, Any], changes: dict[str, Any], label: str) -> dict[str, Any]:
    """Lay changes over a tree: tables merge, named rows of lists are matched by name."""
    merged = dict(base)
    for key, new in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            below, above = cast(dict[str, Any], old), cast(dict[str, Any], new)
            merged[key] = above if _is_replaced(below, above) else _merge(below, above, label)
        elif _is_named(old) and _is_named(new):
            merged[key] = _merge_named(key, cast(list[Any], old), cast(list[Any], new), label)
        else:
            merged[key] = new
    return merged


def _is_replaced(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a distribution is of another family: its parameters would not fit together."""
    return isinstance(new.get("family"), str) and new["family"] != old.get("family")


def _is_named(value: Any) -> bool:
    rows = cast(list[Any], value) if isinstance(value, list) else []
    return bool(rows) and all(
        isinstance(row, dict) and isinstance(cast(dict[str, Any], row).get("name"), str)
        for row in rows
    )


def _merge_named(key: str, base: list[Any], changes: list[Any], label: str) -> list[Any]:
    for rows in (base, changes):  # a name that stands twice must not vanish in the merge
        for name, count in Counter(row["name"] for row in rows).items():
            if count > 1:
                got = f"{name!r} {count} times"
                raise ScenarioError(f"{key}.name must be unique, got {got} ({label})")
    merged: dict[str, Any] = {row["name"]: row for row in base}
    for row in changes:
        name = row["name"]
        merged[name] = _merge(merged[name], row, label) if name in merged else row
    return list(merged.values())


def _pairs(overrides: Overrides) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        given = [(str(path), x) for path, x in cast(Mapping[Any, Any], overrides).items()]
        return [(path, x.item() if isinstance(x, np.generic) else x) for path, x in given]
    texts = [overrides] if isinstance(overrides, str) else overrides
    if not isinstance(cast(Any, texts), Iterable):
        raise ScenarioError(f"overrides must be texts such as 'horizon=5', got {overrides!r}")
    return [parse_override(text) for text in texts]


def parse_override(text: str) -> tuple[str, Any]:
    """Field and value of a text such as ``"leaving.by_loyalty=2.0"``.

    Raises:
        ScenarioError: If it does not read so.
    """
    if not isinstance(cast(Any, text), str):
        raise ScenarioError(f"override must read field=value, got {text!r}")
    path, equals, right = text.partition("=")
    if not equals or not path.strip():
        raise ScenarioError(f"override must read field=value, got {text!r}")
    try:
        value = tomllib.loads(f"x = {right}")["x"]
    except tomllib.TOMLDecodeError:
        value = right.strip()  # a bare word is text
    return path.strip(), value


def assign(tree: dict[str, Any], path: str, value: Any, label: str) -> None:
    """Set a field in a tree of tables; parts of a list are found by their ``name``.

    Raises:
        ScenarioError: If the path leads nowhere.
    """
    *parents, last = path.split(".")
    node: Any = tree
    for step in parents:
        node = _step_into(node, step, path, label)
    if not isinstance(node, dict):
        raise ScenarioError(f"override {path} must name a field, got {shown(node)} there ({label})")
    node[last] = value


def _step_into(node: Any, step: str, path: str, label: str) -> Any:
    if _is_named(node):
        rows = {row["name"]: row for row in node}
        if step not in rows:
            hint = nearest(step, rows)
            raise ScenarioError(f"override {path} must name an entry, got {step!r}{hint} ({label})")
        return rows[step]
    if not isinstance(node, dict):
        raise ScenarioError(f"override {path} must name a field, got {shown(node)} there ({label})")
    table = cast(dict[str, Any], node)
    if table.get(step) is None:
        table[step] = {}
    return table[step]
