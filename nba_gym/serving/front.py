"""Who may come in: host, key, rate and content type, looked at before anything is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nba_gym.serving.chain import orjson
from nba_gym.serving.keys import Allowance, Key, find_key

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

_OPEN = ("/", "/v2/health/live", "/v2/health/ready", "/openapi.json")
"""What anybody may see who reaches the port: nothing about customers or policies."""
_NOBODY = Key("nobody", "client", "")


class Front:
    """The application with a doorkeeper before it.

    Args:
        inside: The application.
        keys: Who may come in; none for a service on the loopback that anybody may use.
        allowance: How much each may ask.
        hosts: What the header ``Host`` may say, so that no web page can reach a service on the
            loopback under a name of its own; None for anything.
        refused: Told the status of whatever is refused here.
    """

    def __init__(
        self,
        inside: Application,
        keys: list[Key],
        allowance: Allowance,
        hosts: set[bytes] | None,
        refused: Callable[[int], None],
    ) -> None:
        self._inside = inside
        self._keys = keys
        self._allowance = allowance
        self._hosts = hosts
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self._inside(scope, receive, send)
            return
        status, why = self._look(scope)
        if status == 0:
            await self._inside(scope, receive, send)
            return
        self._refused(status)
        headers = [(b"content-type", b"application/json")]
        headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
        headers += [(b"retry-after", b"1")] if status == 429 else []
        body = orjson.dumps({"error": why})
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _look(self, scope: Scope) -> tuple[int, str]:
        """Status and reason to refuse a request, 0 to let it in; notes whose it is."""
        told = dict(scope["headers"])
        if self._hosts is not None and told.get(b"host", b"").lower() not in self._hosts:
            return 421, "Host must be the one that is served"
        if scope["path"] in _OPEN:
            return 0, ""
        key = find_key(self._keys, told.get(b"authorization", b"")) if self._keys else _NOBODY
        if key is None:
            return 401, "a known key must be given: Authorization: Bearer <key>"
        scope["caller"] = key.name
        return self._look_closer(scope, key, told.get(b"content-type", b""))

    def _look_closer(self, scope: Scope, key: Key, content: bytes) -> tuple[int, str]:
        if scope["path"].startswith("/admin/") and key.role != "admin":
            return 403, "a key for administration must be given"
        if not self._allowance.take(key.name):
            return 429, "fewer requests a second must be made with this key"
        if scope["method"] == "POST" and content.split(b";")[0].strip() != b"application/json":
            return 415, "Content-Type must be application/json"
        return 0, ""
