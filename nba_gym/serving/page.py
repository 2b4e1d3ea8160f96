"""The page to try a customer by hand: one file, no references to anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_bytes()


def _hash_of(tag: bytes) -> str:
    """The hash of what is between the tags, as a content policy names it."""
    found = re.search(rb"<%s>(.*?)</%s>" % (tag, tag), PAGE, re.DOTALL)
    inside = found[1] if found else b""
    return "'sha256-" + base64.b64encode(hashlib.sha256(inside).digest()).decode() + "'"


PAGE_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hash_of(b'script')}; style-src {_hash_of(b'style')}; "
        "connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Headers under which the page runs nothing but its own script and asks nobody but this service."""
