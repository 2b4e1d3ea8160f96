"""Serving over HTTP: ``nba-gym serve``."""

from __future__ import annotations

import gc
import ipaddress
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nba_gym.errors import MissingExtraError, ServiceError
from nba_gym.serving.app import make_app, with_shortcut
from nba_gym.serving.front import Front
from nba_gym.serving.keys import Allowance, Key
from nba_gym.serving.lineup import Lineup
from nba_gym.serving.loading import load_policy
from nba_gym.serving.metrics import log_to_stderr, tell
from nba_gym.serving.service import Service, Setup
from nba_gym.serving.wire import GracefulServer, Limits, guarded

try:
    import uvicorn
except ImportError as error:
    raise MissingExtraError("the decision service", "serve") from error

_SWITCH_S = 0.0005
"""Seconds for which one thread may keep the interpreter while the other waits: the clerk must not
wait five milliseconds, Python's default, whenever it comes back from the disk."""


@dataclass(frozen=True)
class Serving:
    """How a service is reached.

    Attributes:
        host: Address to listen on.
        port: Port; 0 lets the system choose.
        keys: Who may come in; needed everywhere but on the loopback.
        hosts: What the header ``Host`` may say; host and port by default.
        rate: Requests a second with each key; 0 for no limit.
        burst: Requests at once with each key.
        limits: What is let in.
        inference: Whether the bare model may be asked.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    keys: tuple[Key, ...] = ()
    hosts: tuple[str, ...] = ()
    rate: float = 0.0
    burst: float = 100.0
    limits: Limits = field(default_factory=Limits)
    inference: bool = True

    def check(self) -> None:
        """Refuse to be reached by everybody, or by a port that there is not.

        Raises:
            ServiceError: If anybody could come in and no key is asked for, or for such a port.
        """
        if not 0 <= self.port <= 65_535:
            raise ServiceError(f"port must be in [0, 65535], got {self.port}")
        if not self.keys and not is_loopback(self.host):
            raise ServiceError(
                f"host must be the loopback (127.0.0.1) while no keys are given, got {self.host}; "
                "write a file of keys with nba-gym key, and name it with --keys"
            )

    def bind(self) -> socket.socket:
        """Take the port, before anything is loaded or written; nobody gets in yet.

        Raises:
            ServiceError: If it cannot be had, or as ``check``.
        """
        self.check()
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            taken = socket.socket(family, kind, proto)
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise ServiceError(
                f"host must be an address of this machine, got {self.host}: {said}"
            ) from None
        try:
            if sys.platform != "win32":  # there it would let two services have one port
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
        except OSError as error:
            taken.close()
            said = (error.strerror or str(error)).lower()
            raise ServiceError(
                f"host and port must be free to listen on, got {self.host}:{self.port}: {said}; "
                "choose another with --port"
            ) from None
        return taken


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_service(
    champion: Path,
    setup: Setup,
    *,
    challenger: Path | None,
    share: float,
    epsilon: float,
    salt: str,
) -> Service:
    """A service for the policies of one or two folders.

    Raises:
        BundleError: If a folder is not what it may be.
        ServiceError: If the two are not for the same world, or a setting is out of range.
    """
    log_to_stderr()
    first, scenario = load_policy(champion)
    second = None
    if challenger is not None:
        second, other = load_policy(challenger)
        if other != scenario:
            raise ServiceError("challenger must be for the champion's world, got another")
    lineup = Lineup(first, second, share, epsilon, salt)
    return Service(scenario, lineup, setup, load_policy)


def serve(
    service: Service,
    serving: Serving,
    taken: socket.socket,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C), then answer what is on its way.

    Args:
        service: Who answers.
        serving: How it is reached.
        taken: The port, as ``serving.bind`` took it.
        ready: Told the port once requests are taken.
    """
    sys.setswitchinterval(_SWITCH_S)
    hosts: set[bytes] = set()
    app = Front(
        with_shortcut(make_app(service, allow_inference=serving.inference)),
        list(serving.keys),
        Allowance(serving.rate, serving.burst),
        hosts if serving.hosts or is_loopback(serving.host) else None,
        lambda status: service.metrics.count("front", status),
    )
    config = uvicorn.Config(
        app,
        http=guarded(
            serving.limits,
            lambda: service.desk.full,
            lambda: service.stopping,
            lambda status: service.metrics.count("wire", status),
        ),
        ws="none",
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(serving.limits.idle_s) + 5,
        timeout_graceful_shutdown=30,
        backlog=1024,
    )

    def begun(port: int) -> None:
        hosts.update(_hosts(serving, port))
        # what is loaded by now stays: no search for garbage need ever look at it again
        gc.collect()
        gc.freeze()
        tell("listening", host=serving.host, port=port)
        if ready is not None:
            ready(port)

    server = GracefulServer(config)
    server.begun, server.begin_to_stop = begun, service.stop
    try:
        server.run([taken])
    except KeyboardInterrupt:
        tell("interrupted")


def _hosts(serving: Serving, port: int) -> set[bytes]:
    names = serving.hosts or ("localhost", "127.0.0.1", "[::1]", serving.host)
    return {name.lower().encode() for name in names} | {
        f"{n}:{port}".lower().encode() for n in names
    }
