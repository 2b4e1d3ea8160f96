"""Bearer keys: only their hashes are kept, and comparing takes the same time whatever is wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from nba_gym.errors import ServiceError
from nba_gym.files import whole_file

Role = Literal["client", "admin"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """A key as it is kept.

    Attributes:
        name: Whose it is; stands in logs and metrics.
        role: What it opens: ``client`` decides and reports, ``admin`` swaps policies and erases.
        digest: SHA-256 of the key. The key itself is 32 random bytes, so nothing slower is needed.
    """

    name: str
    role: Role
    digest: str


def new_key(name: str, role: Role) -> tuple[str, Key]:
    """A new key: the text to hand out once, and what to keep.

    Raises:
        ServiceError: If the name is none that fits into logs.
    """
    _check_name(name)
    text = "nba_" + secrets.token_urlsafe(32)
    return text, Key(name, role, _digest(text))


def read_keys(path: Path) -> list[Key]:
    """The keys of a file.

    Raises:
        ServiceError: Naming what is wrong, but never a digest.
    """
    try:
        rows = json.loads(path.read_text())
    except FileNotFoundError:
        raise ServiceError(
            f"keys must be a file that nba-gym key wrote, got none: {path}"
        ) from None
    except (OSError, ValueError):
        raise ServiceError(f"keys must be a file of JSON, got another: {path}") from None
    if not isinstance(rows, list):
        raise ServiceError(f"keys must be a list, got something else ({path})")
    keys = [_read_key(row, path) for row in cast(list[Any], rows)]
    names = [key.name for key in keys]
    if len(set(names)) < len(names):
        raise ServiceError(f"keys must have names of their own, got one twice ({path})")
    return keys


def write_keys(path: Path, keys: list[Key]) -> None:
    """Write a file of keys, as a whole and for its owner's eyes only."""
    with whole_file(path) as draft:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps([vars(key) for key in keys], indent=2) + "\n")


def find_key(keys: list[Key], authorization: bytes) -> Key | None:
    """Whose key a header ``Authorization: Bearer ...`` holds, None if nobody's.

    All keys are compared, each in constant time, so that how long it takes says nothing.
    """
    scheme, _, text = authorization.partition(b" ")
    given = hashlib.sha256(text.strip()).hexdigest()
    found: Key | None = None
    for key in keys:
        if hmac.compare_digest(key.digest, given):
            found = key
    return found if scheme.lower() == b"bearer" else None


def _read_key(row: Any, path: Path) -> Key:
    fields = cast(dict[str, Any], row) if isinstance(row, dict) else {}
    if set(fields) != {"name", "role", "digest"} or fields["role"] not in ("client", "admin"):
        raise ServiceError(f"keys must have name, role (client or admin) and digest ({path})")
    if not _DIGEST.fullmatch(str(fields["digest"])):
        raise ServiceError(f"digest must be 64 hexadecimal digits of SHA-256 ({path})")
    _check_name(str(fields["name"]))
    return Key(str(fields["name"]), fields["role"], str(fields["digest"]))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ServiceError(f"name must be of a-z, 0-9 and -, at most 40, got {name!r}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Allowance:
    """How much each caller may ask: so many a second, and so many at once after a pause.

    Args:
        rate: Requests a second; 0 for no limit.
        burst: Requests at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if rate < 0.0 or burst < 1.0:
            raise ServiceError(
                f"rate must be at least 0 and burst at least 1, got {rate:g} and {burst:g}"
            )
        self._rate, self._burst = rate, burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str, now: float | None = None) -> bool:
        """Whether a caller may ask once more; then it counts.

        Args:
            name: Who asks: one of the keys, so that there are never many.
            now: Time by the monotonic clock.
        """
        if not self._rate:
            return True
        at = time.monotonic() if now is None else now
        left, since = self._left.get(name, (self._burst, at))
        left = min(self._burst, left + (at - since) * self._rate)
        allowed = left >= 1.0
        self._left[name] = (left - 1.0 if allowed else left), at
        return allowed
