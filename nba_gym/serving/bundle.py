"""Read a policy folder: every byte is checked against the checksums before anything is believed.

Files are read once, and what was checked is what is used: nobody can change a file in between.
What the graph does is looked at in ``inspect_graph.py``, what it answers in ``self_test.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from nba_gym.errors import BundleError
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.contents import (
    CARD,
    CHECKSUMS,
    FORMAT,
    GOLDEN,
    GRAPH,
    SCENARIO,
    SIZES,
    TRITON_GRAPH,
)
from nba_gym.serving.golden import Golden
from nba_gym.serving.inspect_graph import inspect_graph


@dataclass(frozen=True)
class PolicyFolder:
    """A policy folder that was read and found whole.

    Attributes:
        path: Where it lies.
        digest: SHA-256 of its list of checksums, which names this very policy.
        card: What it says about itself.
        graph: ``policy.onnx``.
        golden: Inputs with the answers that the policy gave when it was written.
        scenario_text: The world it was made for, as JSON.
    """

    path: Path
    digest: str
    card: dict[str, Any]
    graph: bytes
    golden: Golden
    scenario_text: bytes

    @cached_property
    def scenario(self) -> Scenario:
        """The world it was made for: catalogue, channels, engagement rules, features.

        Raises:
            BundleError: If it is not the one that the card names.
        """
        try:
            scenario = Scenario.model_validate_json(self.scenario_text)
        except ValueError as error:
            first = str(error).splitlines()[0]
            raise BundleError(f"{SCENARIO} must be a scenario, got {first}") from None
        if scenario_hash(scenario) != self.card["scenario_hash"]:
            raise BundleError(
                f"{SCENARIO} must have the hash in {CARD}, got {scenario_hash(scenario)}"
            )
        return scenario


def digest_of(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def checksums_text(digests: dict[str, str]) -> bytes:
    """The one way to write down the checksums of a folder."""
    tree = {"format": FORMAT, "sha256": dict(sorted(digests.items()))}
    return (json.dumps(tree, indent=2) + "\n").encode()


def read_folder(path: Path) -> PolicyFolder:
    """Read a policy folder and verify it without running anything.

    Raises:
        BundleError: Naming file, rule and value: if something is missing, too large, no plain
            file, not what its checksum says, or the graph holds what it may not.
    """
    files = _read_files(path)
    _check_digests(path, files)
    card = _read_card(files[CARD])
    inspect_graph(files[GRAPH], len(card["features"]), len(card["actions"]))
    if files[TRITON_GRAPH] != files[GRAPH]:
        raise BundleError(f"{TRITON_GRAPH} must be the same file as {GRAPH}, got another")
    return PolicyFolder(
        path=path,
        digest=digest_of(files[CHECKSUMS]),
        card=card,
        graph=files[GRAPH],
        golden=Golden.read(files[GOLDEN], len(card["features"]), len(card["actions"])),
        scenario_text=files[SCENARIO],
    )


def _read_files(folder: Path) -> dict[str, bytes]:
    """All files of a folder; nothing else may lie there."""
    if not folder.is_dir():
        raise BundleError(f"policy folder must be a folder, got {str(folder)!r}")
    if not (folder / CHECKSUMS).exists() and (folder / "policy" / CHECKSUMS).is_file():
        raise BundleError(
            f"policy folder must hold {CHECKSUMS}, got none in {folder}; did you mean "
            f"{folder / 'policy'}?"
        )
    found: set[str] = set()
    for where, folders, names in os.walk(folder, followlinks=False):
        for name in (*folders, *names):
            path = Path(where) / name
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise BundleError(f"{inside} must be a plain file or folder, got a link")
            if name in names:
                found.add(inside)
                if inside not in SIZES:
                    raise BundleError(f"policy folder must hold its own files only, got {inside}")
    for name in SIZES:
        if name not in found:
            raise BundleError(f"policy folder must hold {name}, got none in {folder}")
    return {name: _read_file(folder, name) for name in SIZES}


def _read_file(folder: Path, name: str) -> bytes:
    """A plain file that is no larger than it may be; a link in its place is not followed."""
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{name} must be a file that can be read: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BundleError(f"{name} must be a plain file, got something else")
        data = file.read(SIZES[name] + 1)
    if len(data) > SIZES[name]:
        raise BundleError(f"{name} must have at most {SIZES[name]:,} bytes, got more")
    return data


def _check_digests(folder: Path, files: dict[str, bytes]) -> None:
    tree = read_json(files[CHECKSUMS], CHECKSUMS)
    if tree.get("format") != FORMAT:
        raise BundleError(f"{CHECKSUMS}: format must be {FORMAT!r}, got {tree.get('format')!r}")
    digests = {name: digest_of(data) for name, data in files.items() if name != CHECKSUMS}
    said = tree.get("sha256")
    for name, digest in digests.items():
        told = cast(dict[str, Any], said).get(name) if isinstance(said, dict) else None
        if told != digest:
            raise BundleError(
                f"{name} must match the digest in {CHECKSUMS}, got another file (in {folder})"
            )
    if files[CHECKSUMS] != checksums_text(digests):
        raise BundleError(f"{CHECKSUMS} must list the files of the folder and nothing else")


def read_json(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        BundleError: If it is none.
    """
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} must be valid JSON, got {error}") from None
    if not isinstance(tree, dict):
        raise BundleError(f"{name} must be a JSON object, got {type(tree).__name__}")
    return cast(dict[str, Any], tree)


def _read_card(data: bytes) -> dict[str, Any]:
    card = read_json(data, CARD)
    if card.get("format") != FORMAT:
        raise BundleError(f"{CARD}: format must be {FORMAT!r}, got {card.get('format')!r}")
    for field in ("features", "actions"):
        rows = card.get(field)
        named = isinstance(rows, list) and all(
            isinstance(row, dict) and isinstance(cast(dict[str, Any], row).get("name"), str)
            for row in cast(list[Any], rows)
        )
        if not rows or not named:
            raise BundleError(f"{CARD}: {field} must be a list of tables with a name, got {rows!r}")
    training = card.get("training")
    if not isinstance(training, dict) or "algorithm" not in training:
        raise BundleError(f"{CARD}: training must name an algorithm, got {training!r}")
    if not isinstance(card.get("scenario_hash"), str):
        got = card.get("scenario_hash")
        raise BundleError(f"{CARD}: scenario_hash must be a text, got {got!r}")
    return card
