"""Mistakes in a scenario file, told in one line: field, rule, value and file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from nba_gym.errors import nearest
from nba_gym.scenario.schema import Scenario

_LONGEST_VALUE = 60
_RULES = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_type": "text",
    "tuple_type": "a list",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def one_line(
    error: ErrorDetails, tree: Mapping[str, Any], label: str, root: type[BaseModel] = Scenario
) -> str:
    """What pydantic found, in the words of the scenario file.

    Args:
        error: One of the errors of a failed validation.
        tree: The values that were validated.
        label: Name of the file.
        root: What the file describes.

    Returns:
        For example ``leaving.period_scale must be in [0, 1], got 1.7 (shop.toml)``.
    """
    spot = _Spot(error["loc"], tree, root)
    kind = error["type"]
    given = shown(error["input"])
    match kind:
        case "value_error":
            return f"{error.get('ctx', {})['error']} ({label})"
        case "missing" | "union_tag_not_found":
            family = ".family" if kind == "union_tag_not_found" else ""
            return f"{spot.name}{family} must be given, got nothing ({label})"
        case "extra_forbidden":
            hint = nearest(str(error["loc"][-1]), spot.siblings)
            return f"{spot.name} must be a known field, got {given}{hint} ({label})"
        case "union_tag_invalid":
            families = _families(spot.annotation)
            family = error["input"]["family"]
            hint = nearest(str(family), families)
            rule = f"one of {', '.join(families)}"
            return f"{spot.name}.family must be {rule}, got {shown(family)}{hint} ({label})"
        case _:
            return f"{spot.name} must {_rule(error, spot)}, got {given}{_hint(error)} ({label})"


def shown(value: Any) -> str:
    """A value as a short line."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _rule(error: ErrorDetails, spot: _Spot) -> str:
    kind, message = error["type"], error["msg"]
    if kind in _OUT_OF_RANGE and spot.field is not None:
        return f"be {_range(spot.field)}"
    if kind == "string_pattern_mismatch":
        return "be a name of lower-case letters, digits and _, beginning with a letter"
    if kind in _RULES:
        return f"be {_RULES[kind]}"
    return re.sub(r"^\w+ should ", "", message)


def _hint(error: ErrorDetails) -> str:
    if error["type"] != "literal_error":
        return ""
    names = re.findall(r"'([^']*)'", error.get("ctx", {})["expected"])
    close = nearest(str(error["input"]), names)
    return close if "mean" in close else ""  # the rule has listed them all


def _range(field: FieldInfo) -> str:
    """The range of a number: ``in [0, 1)``, ``at least 0``."""
    bounds: dict[str, float] = {}
    for item in field.metadata:
        found = {name: getattr(item, name, None) for name in _BOUNDS}
        bounds |= {name: bound for name, bound in found.items() if bound is not None}
    if len(bounds) == 2:
        low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
        left, right = "[" if "ge" in bounds else "(", "]" if "le" in bounds else ")"
        return f"in {left}{low:g}, {high:g}{right}"
    return " and ".join(f"{_BOUNDS[name]} {bound:g}" for name, bound in bounds.items())


class _Spot:
    """Where in a scenario a mistake lies.

    Attributes:
        name: Dotted name as a person would write it: ``channels.email.cost``.
        field: The field of the schema, if the schema has it.
        annotation: Type of what should be there.
        siblings: Names of the fields beside it.
    """

    def __init__(self, location: tuple[int | str, ...], tree: Any, root: type[BaseModel]) -> None:
        names: list[str] = []
        self.field: FieldInfo | None = None
        self.annotation: Any = root
        self.siblings: list[str] = []
        node: Any = tree
        for step in location:
            families = _families(self.annotation)
            if step in families:  # pydantic names the branch of a union: not part of the file
                self.annotation = families[str(step)]
                continue
            self._enter(step)
            node = _child(node, step)
            row_name = _child(node, "name") if isinstance(step, int) else None
            text = row_name if isinstance(row_name, str) else str(step)
            names.append(text if text.isprintable() else repr(text))
        self.name = ".".join(names)

    def _enter(self, step: int | str) -> None:
        inside = _plain(self.annotation)
        self.field, self.siblings = None, []
        self.annotation = Any
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            self.siblings = list(inside.model_fields)
            self.field = inside.model_fields.get(str(step))
            self.annotation = self.field.annotation if self.field else Any
        elif get_origin(inside) is tuple:
            self.annotation = get_args(inside)[0]
        elif get_origin(inside) is dict:
            self.annotation = get_args(inside)[1]


def _child(node: Any, step: int | str) -> Any:
    """What lies under a step in a tree of tables and lists; None if nothing does."""
    try:
        return node[step]
    except (KeyError, IndexError, TypeError):
        return None


def _plain(annotation: Any) -> Any:
    """A type without its annotations, and without None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _plain(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def _families(annotation: Any) -> dict[str, Any]:
    """The members of a union of distributions, by family."""
    inside = _plain(annotation)
    if get_origin(inside) not in (Union, UnionType):
        return {}
    members = cast(tuple[type[BaseModel], ...], get_args(inside))
    return {get_args(member.model_fields["family"].annotation)[0]: member for member in members}
