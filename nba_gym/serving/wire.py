"""HTTP as we let it in: uvicorn's own protocol with limits on size, time and connections.

What is turned away here costs a few microseconds and never reaches the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

PIPELINED = 8
"""Most requests on a connection that wait for an earlier one's answer."""
OVERHEAD = 8
"""Bytes on the wire per byte of a request: a body in chunks of one byte takes six."""
LINGER_S = 2.0
"""Longest time for which a refused connection is still read, so that the refusal can be, too."""
_BUSY = b'{"error":"the service is busy; try again in a second"}'
_TEXTS = {
    400: ("Bad Request", b'{"error":"the request must be plain HTTP/1.1"}'),
    408: ("Request Timeout", b'{"error":"the request must arrive in time"}'),
    413: ("Content Too Large", b'{"error":"the body must be smaller"}'),
    431: ("Request Header Fields Too Large", b'{"error":"the header must be smaller"}'),
    503: ("Service Unavailable", _BUSY),
}


def _answer(status: int, *, close: bool) -> bytes:
    phrase, body = _TEXTS[status]
    lines = [f"HTTP/1.1 {status} {phrase}", "content-type: application/json"]
    lines.append(f"content-length: {len(body)}")
    lines += ["retry-after: 1"] if status == 503 else []
    lines += ["connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Limits:
    """What the service lets in.

    Attributes:
        body_bytes: Largest body.
        header_bytes: Largest request line and header together.
        headers: Most fields of a header.
        connections: Most connections at a time.
        requests: Most requests that are being answered at a time; more decisions are turned away.
        receive_s: Seconds within which a request must have arrived, once it has begun, and a
            connection must have begun its first; seconds also within which an answer is read.
        idle_s: Seconds for which a connection may do nothing between requests.
    """

    body_bytes: int = 256 * 1024
    header_bytes: int = 16 * 1024
    headers: int = 64
    connections: int = 512
    requests: int = 48
    receive_s: float = 10.0
    idle_s: float = 60.0


class Guarded(HttpToolsProtocol):
    """A connection within limits; made for one service by :func:`guarded`."""

    limits = Limits()
    full: Callable[[], bool]
    """Whether decisions are turned away now."""
    stopping: Callable[[], bool]
    """Whether connections end with the next answer."""
    turned_away: Callable[[int], None]
    """Told the status of what is turned away here."""
    receiving: set[Guarded]
    """Connections whose request has begun to be answered before all of it is there."""
    cycle: RequestResponseCycle | None  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        config: Any,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_bytes = self._message_bytes = 0
        self._n_headers = 0
        self._field_bytes = 0
        self._body_bytes = 0
        self._in_header = True
        self._skipping = False
        self._cycles: list[RequestResponseCycle] = []
        self._since: float | None = self.loop.time()
        self._idle_since = self._since
        self._stuck_since: float | None = None
        self._refused_since: float | None = None
        self._offered = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A connection; turned away where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Some bytes; the header must end before there are too many."""
        if self._ends:
            return
        if self._since is None:
            self._since = self.loop.time()
        if self._in_header:
            self._header_bytes += len(data)
        self._message_bytes += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._ends:
            return
        if self._in_header and self._header_bytes > self.limits.header_bytes:
            self._refuse(431)
        elif self._message_bytes > OVERHEAD * (self.limits.body_bytes + self.limits.header_bytes):
            self._refuse(413)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as switched:
            if not self._ends:
                self._feed(self._without_offer() + data[switched.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400)

    def _without_offer(self) -> bytes:
        """The header again, without the offer to speak another protocol, which may be ignored.

        The parser takes all that follows an offer for that other protocol (RFC 9110, 7.8).
        """
        lines = [b"%s %s HTTP/%s" % (self._method, self.url, self._version)]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_header, self._skipping, self._offered = True, False, False
        self._n_headers = self._field_bytes = self._body_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the header; one behind a body is not what was checked, and refused."""
        if not self._in_header:
            if not self._ends:
                self._refuse(400)
            return
        self._n_headers += 1
        self._field_bytes += len(name) + len(value)
        if self._n_headers <= self.limits.headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is there: begin to answer, or turn away at once."""
        self._in_header, self._header_bytes = False, 0
        size = self._field_bytes + len(self.url)
        parser: Any = self.parser
        self._method, self._version = parser.get_method(), parser.get_http_version().encode()
        self._offered = parser.should_upgrade()
        if self._ends:
            return
        if self._n_headers > self.limits.headers or size > self.limits.header_bytes:
            self._refuse(431)
        elif self._announced() > self.limits.body_bytes:
            self._refuse(413)
        elif self._method == b"CONNECT":
            self._refuse(400)
        elif self._offered:
            self._skipping = True  # it comes again, without the offer
        elif len(self.pipeline) >= PIPELINED:
            self._refuse(503)
        elif self._may_be_shed() and self._is_busy():
            self._skipping = True
            self.transport.write(_SHED)
            self.turned_away(503)
        else:
            super().on_headers_complete()
            self.receiving.add(self)
            self._begun()

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self._skipping or self._ends:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            self._refuse(413)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        if self._offered:
            return
        self.receiving.discard(self)
        self._since, self._in_header, self._header_bytes, self._message_bytes = None, True, 0, 0
        self._idle_since = self.loop.time()
        if not self._skipping and not self._ends:
            super().on_message_complete()

    def look_after(self, now: float) -> None:
        """Close the connection if it takes too long over anything."""
        busy = not self.answered
        if self._refused_since is not None and now - self._refused_since > LINGER_S:
            self.transport.close()
        if self._ends:
            pass  # but whoever does not read the last answer must not hold the connection
        elif self._since is not None and now - self._since > self.limits.receive_s:
            self._refuse(408)
        elif not busy and self._since is None and now - self._idle_since > self.limits.idle_s:
            self.transport.close()
        stuck = self.transport.get_write_buffer_size() > 0
        self._stuck_since = (self._stuck_since or now) if stuck else None
        if self._stuck_since is not None and now - self._stuck_since > self.limits.receive_s:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone; whatever is still answered must not be written to it."""
        self.receiving.discard(self)
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def _begun(self) -> None:
        """A request has begun to be answered; earlier ones may still be (pipelining)."""
        cycle = self.cycle
        if cycle is not None:
            self._cycles = [each for each in self._cycles if not each.response_complete]
            self._cycles.append(cycle)
            if self.stopping():
                cycle.keep_alive = False

    def _is_busy(self) -> bool:
        """Whether one more decision would wait too long.

        All requests under way count, not only those that have come to the desk: where many arrive
        at once, most of the wait is for the application in front of it. Whoever takes their time
        over a body keeps nobody out.
        """
        unread = sum(not each.answered for each in self.receiving)
        under_way = len(self.tasks) - unread
        return under_way >= self.limits.requests or self.full()

    @property
    def _ends(self) -> bool:
        """Whether nothing that comes on the connection counts any more."""
        return self._refused_since is not None or self.transport.is_closing()

    @property
    def answered(self) -> bool:
        """Whether the last request has been answered, if only for lack of a key."""
        return self.cycle is None or self.cycle.response_complete

    def _may_be_shed(self) -> bool:
        """Whether it asks for a decision, and an answer at once on an open connection will do."""
        if self.url != b"/v1/decide" or self._method != b"POST" or self.stopping():
            return False
        parser: Any = self.parser
        return bool(parser.should_keep_alive()) and self._may_answer_now()

    def _may_answer_now(self) -> bool:
        """Whether no earlier request on the connection still waits for its answer."""
        return self.answered and not self.pipeline

    def _announced(self) -> int:
        for name, value in self.headers:
            if name == b"content-length":
                return int(value) if value.isdigit() and len(value) < 16 else 0
        return 0

    def _refuse(self, status: int) -> None:
        """Say why, unless an earlier answer is under way, and end the connection.

        It is closed once the other side is done, or soon: closed while there is something unread,
        it would be reset, and the answer could be lost on the way.
        """
        if self._ends:
            return
        self._skipping, self._refused_since = True, self.loop.time()
        self.turned_away(status)
        if self._may_answer_now() or not (self.cycle and self.cycle.response_started):
            self.transport.write(_CLOSING[status])
        for cycle in self._cycles:
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


_SHED = _answer(503, close=False)
_CLOSING = {status: _answer(status, close=True) for status in _TEXTS}


def guarded(
    limits: Limits,
    full: Callable[[], bool],
    stopping: Callable[[], bool],
    turned_away: Callable[[int], None],
) -> type[Guarded]:
    """The protocol of one service.

    Args:
        limits: What it lets in.
        full: Whether decisions are turned away now.
        stopping: Whether connections end with the next answer.
        turned_away: Told the status of what is turned away before it reaches the application.
    """
    own: dict[str, Any] = {
        "receiving": set[Guarded](),
        "limits": limits,
        "full": staticmethod(full),
        "stopping": staticmethod(stopping),
        "turned_away": staticmethod(turned_away),
    }
    return type("GuardedConnection", (Guarded,), own)


class GracefulServer(Server):
    """A server that answers what has been asked before it stops."""

    drain_s = 5.0
    """Longest time for which requests that are on their way are still let in."""
    begun: Callable[[int], None]
    """Told the port once requests are taken."""
    begin_to_stop: Callable[[], None]
    """Called before anything is closed."""

    async def startup(self, sockets: Any = None) -> None:
        """Begin to serve, and to look after connections."""
        await super().startup(sockets)
        self._looking = asyncio.get_running_loop().create_task(self._look_after())
        self.begun(int(self.servers[0].sockets[0].getsockname()[1]))

    async def shutdown(self, sockets: Any = None) -> None:
        """Say that no more may come, answer what comes all the same, then stop."""
        self.begin_to_stop()
        loop = asyncio.get_running_loop()
        until, quiet_since, seen = loop.time() + self.drain_s, loop.time(), -1
        while loop.time() < until and loop.time() - quiet_since < 0.5:
            await asyncio.sleep(0.05)
            if self.server_state.total_requests != seen or self.server_state.tasks:
                quiet_since, seen = loop.time(), self.server_state.total_requests
        await super().shutdown(sockets)
        self._looking.cancel()

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.5)
            for connection in list(self.server_state.connections):
                cast(Guarded, connection).look_after(loop.time())
