"""Strict loading of scenarios: presets, files, ``extends`` and dotted overrides."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from nba_gym.errors import ScenarioError, nearest
from nba_gym.scenario.schema import Scenario

Overrides = Mapping[str, Any] | Iterable[str]


def preset_names() -> list[str]:
    """Names of the scenarios that ship with nba_gym."""
    folder = resources.files("nba_gym.scenario") / "presets"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


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
    if isinstance(source, Scenario):
        if not pairs:
            return source
        tree, label = source.model_dump(mode="json"), source.name
    else:
        tree, label = _read_tree(source, seen=())
    for path, value in pairs:
        _assign(tree, path, value)
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        lines = [_one_line(dict(item), tree, label) for item in error.errors()]
        raise ScenarioError("\n".join(lines)) from None


def scenario_hash(scenario: Scenario) -> str:
    """First 16 hexadecimal digits of the SHA-256 of all the scenario's values."""
    text = json.dumps(scenario.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_tree(source: str | Path, seen: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    name = str(source)
    if name in seen:
        raise ScenarioError(f"extends must not go in a circle, got {' -> '.join((*seen, name))}")
    path = Path(source)
    if path.suffix == ".toml":
        label = path.name
        if not path.is_file():
            raise ScenarioError(f"scenario must be a preset or an existing file, got {name!r}")
        text = path.read_bytes()
    else:
        known = preset_names()
        if name not in known:
            raise ScenarioError(
                f"scenario must be a preset or a .toml file, got {name!r}{nearest(name, known)}"
            )
        label = f"{name}.toml"
        text = (resources.files("nba_gym.scenario") / "presets" / label).read_bytes()
    try:
        tree: dict[str, Any] = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{label}: must be valid TOML, got {error}") from None
    parent = tree.pop("extends", None)
    if parent is None:
        return tree, label
    if not isinstance(parent, str):
        raise ScenarioError(f"{label}: extends must be the name of a scenario, got {parent!r}")
    if parent.endswith(".toml"):
        parent = str(path.parent / parent)
    base, _ = _read_tree(parent, (*seen, name))
    return _merge(base, tree), label


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay changes over a tree: tables merge, named rows of lists are matched by name."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            old, value = cast(dict[str, Any], old), cast(dict[str, Any], value)
            # another family of distribution has other parameters: replace it whole
            replace = "family" in value and value["family"] != old.get("family")
            merged[key] = value if replace else _merge(old, value)
        elif _is_named(old) and _is_named(value):
            merged[key] = _merge_named(cast(list[Any], old), cast(list[Any], value))
        else:
            merged[key] = value
    return merged


def _is_named(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    rows = cast(list[Any], value)
    return bool(rows) and all(isinstance(row, dict) and "name" in row for row in rows)


def _merge_named(base: list[Any], changes: list[Any]) -> list[Any]:
    rows: dict[str, Any] = {row["name"]: row for row in base}
    for row in changes:
        name = row["name"]
        rows[name] = _merge(rows[name], row) if name in rows else row
    return list(rows.values())


def _pairs(overrides: Overrides) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        return list(cast(Mapping[str, Any], overrides).items())
    return [_parse_override(text) for text in overrides]


def _parse_override(text: str) -> tuple[str, Any]:
    path, equals, right = text.partition("=")
    if not equals or not path.strip():
        raise ScenarioError(f"override must read field=value, got {text!r}")
    try:
        value = tomllib.loads(f"x = {right}")["x"]
    except tomllib.TOMLDecodeError:
        value = right.strip()  # a bare word is text
    return path.strip(), value


def _assign(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node: Any = tree
    for step in parents:
        node = _step_into(node, step, path)
    if isinstance(node, list):
        raise ScenarioError(f"override {path} must name a field, got the list entry {last!r}")
    node[last] = value


def _step_into(node: Any, step: str, path: str) -> Any:
    if isinstance(node, list):
        rows = cast(list[dict[str, Any]], node)
        for row in rows:
            if row.get("name") == step:
                return row
        names = [str(row.get("name")) for row in rows]
        raise ScenarioError(f"override {path} must name an entry{nearest(step, names)}")
    if not isinstance(node, dict):
        raise ScenarioError(f"override {path} must name a field, but {step!r} lies inside a value")
    return cast(dict[str, Any], node).setdefault(step, {})


def _one_line(error: dict[str, Any], tree: dict[str, Any], label: str) -> str:
    """A pydantic error as "field rule, got value (file)"."""
    location = cast(tuple[int | str, ...], error["loc"])
    field = _field_name(location, tree)
    if error["type"] == "extra_forbidden":
        return f"{field} is not a known field ({label})"
    if error["type"] == "missing":
        return f"{field} must be given ({label})"
    if error["type"] == "value_error":
        return f"{error['ctx']['error']} ({label})"
    rule = str(error["msg"]).removeprefix("Input should be ")
    return f"{field} must be {rule}, got {error['input']!r} ({label})"


def _field_name(location: tuple[int | str, ...], tree: Any) -> str:
    names: list[str] = []
    node = tree
    for step in location:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            node = None
            if isinstance(step, str) and names and step in _FAMILIES:
                continue  # pydantic names the branch of a tagged union: not part of the file
        shown = str(step)
        if isinstance(step, int) and isinstance(node, dict) and "name" in node:
            shown = str(cast(dict[str, Any], node)["name"])
        names.append(shown)
    return ".".join(names)


_FAMILIES = ("constant", "gamma", "lognormal", "beta", "normal")
