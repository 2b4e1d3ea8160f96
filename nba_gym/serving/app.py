"""The application: what can be asked over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from nba_gym.errors import MissingExtraError, RequestError
from nba_gym.serving.chain import orjson
from nba_gym.serving.desk import Erase
from nba_gym.serving.documents import describe, world_document
from nba_gym.serving.infer import infer, metadata_of
from nba_gym.serving.metrics import logger
from nba_gym.serving.page import PAGE, PAGE_HEADERS
from nba_gym.serving.requests import check_key, read_erasure, read_outcome, read_swap
from nba_gym.serving.service import Service

try:
    from fastapi import FastAPI, Request, Response
    from starlette.requests import ClientDisconnect
except ImportError as error:
    raise MissingExtraError("the decision service", "serve") from error

JSON = "application/json"
DECIDE = "/v1/decide"
_SMALL = 16 * 1024
"""Bytes of an inference request that costs less than handing it to a thread and taking it back."""
_MOST_INFERRING = 8
"""Larger inference requests that may wait."""
Handler = Callable[[Request], Awaitable[Response]]


def answer(content: Any, status: int = 200) -> Response:
    """A response of JSON; bytes are sent as they are."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, media_type=JSON)


class Routes:
    """The handlers of one service.

    Args:
        service: Who answers.
        allow_inference: Whether the bare model may be asked, for features and masks of the caller's
            own; what it says is no decision, and is not on record.
    """

    def __init__(self, service: Service, *, allow_inference: bool = True) -> None:
        self.service = service
        self._allow_inference = allow_inference
        self._inferring = asyncio.Semaphore(1)
        self._waiting = 0

    async def decide(self, request: Request) -> Response:
        """What to do for a customer: ranked actions with propensities, and why not the rest."""
        begun = time.perf_counter()
        question = self.service.reader.question(await request.body(), _key_of(request))
        body = await self.service.ask(question)
        self.service.metrics.seconds.observe(time.perf_counter() - begun)
        return answer(body)

    async def outcome(self, request: Request) -> Response:
        """Report what came of a decision."""
        outcome = read_outcome(await request.body(), _key_of(request))
        return answer(await self.service.ask(outcome))

    async def world(self, request: Request) -> Response:
        """Channels, actions, and the columns of an event record with their ranges."""
        return answer(world_document(self.service.scenario, self.service.reader))

    async def swap(self, request: Request) -> Response:
        """Let another policy of the configured folder decide, after it has been verified."""
        name = read_swap(await request.body())
        digest = await asyncio.to_thread(self.service.swapper.swap, name)
        return answer({"policy": digest})

    async def roll_back(self, request: Request) -> Response:
        """Let the policy before decide again."""
        swapper, key = self.service.swapper, _key_of(request)
        return answer({"policy": await asyncio.to_thread(swapper.roll_back, key)})

    async def erase(self, request: Request) -> Response:
        """Erase a customer from log and store; the chain of the log still holds."""
        customer = read_erasure(await request.body())
        return answer(await self.service.ask(Erase(customer)))

    async def live(self, request: Request) -> Response:
        """Whether the process answers at all."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Response:
        """Whether it takes decisions and can record them."""
        ready = self.service.ready
        return answer({"ready": ready}, 200 if ready else 503)

    async def server(self, request: Request) -> Response:
        """The server, in the words of the Open Inference Protocol."""
        return answer({"name": "nba_gym", "version": self.service.version, "extensions": []})

    async def model(self, request: Request) -> Response:
        """Inputs and outputs of the model, in the words of the Open Inference Protocol."""
        self._check_name(request)
        return answer(metadata_of(self.service.scenario.name, self.service.desk.lineup.champion))

    async def model_ready(self, request: Request) -> Response:
        """Whether the model can be asked."""
        self._check_name(request)
        return await self.ready(request)

    async def infer(self, request: Request) -> Response:
        """Ask the bare model about features and masks of the caller's own; nothing is recorded."""
        self._check_name(request)
        if not self._allow_inference:
            raise RequestError("inference must be allowed when the service is started", 403)
        body = await request.body()
        name, champion = self.service.scenario.name, self.service.desk.lineup.champion
        if len(body) <= _SMALL:
            return answer(infer(name, champion, body))
        if self._waiting >= _MOST_INFERRING:
            raise RequestError("the service is busy; try again in a second", 503)
        self._waiting += 1
        try:
            async with self._inferring:
                said = await asyncio.to_thread(infer, name, champion, body)
        finally:
            self._waiting -= 1
        return answer(said)

    async def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        return Response(self.service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def page(self, request: Request) -> Response:
        """A page to try a customer by hand."""
        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    def _check_name(self, request: Request) -> None:
        if request.path_params["name"] != self.service.scenario.name:
            raise RequestError("model must be the one that is served, got another", 404)


def _key_of(request: Request) -> str | None:
    """The idempotency key, which belongs to whoever calls."""
    key = check_key(request.headers.get("idempotency-key"))
    return None if key is None else f"{request.scope['caller']}:{key}"


def make_app(service: Service, *, allow_inference: bool = True) -> FastAPI:
    """The application of a service.

    Args:
        service: Who answers.
        allow_inference: Whether the bare model may be asked.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        service.serve_on(asyncio.get_running_loop())
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="nba_gym decision service",
        version=service.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    routes = Routes(service, allow_inference=allow_inference)
    for path, method, handler in (
        (DECIDE, "POST", routes.decide),
        ("/v1/outcome", "POST", routes.outcome),
        ("/v1/world", "GET", routes.world),
        ("/v2", "GET", routes.server),
        ("/v2/health/live", "GET", routes.live),
        ("/v2/health/ready", "GET", routes.ready),
        ("/v2/models/{name}", "GET", routes.model),
        ("/v2/models/{name}/ready", "GET", routes.model_ready),
        ("/v2/models/{name}/infer", "POST", routes.infer),
        ("/metrics", "GET", routes.metrics),
        ("/admin/v1/swap", "POST", routes.swap),
        ("/admin/v1/roll-back", "POST", routes.roll_back),
        ("/admin/v1/erase", "POST", routes.erase),
        ("/", "GET", routes.page),
    ):
        counted = _counted(path, handler, service)
        if path == DECIDE:
            app.state.decide = counted
        app.add_api_route(
            path,
            counted,
            methods=[method],
            response_class=Response,
            name=handler.__name__,
            description=handler.__doc__,
        )
    app.openapi = lambda: describe(app, service)
    app.exception_handlers.update({404: _unknown, 405: _unknown})
    return app


def _counted(path: str, handler: Handler, service: Service) -> Handler:
    """A handler whose answers are counted, and whose refusals are answers."""

    async def counted(request: Request) -> Response:
        try:
            response = await handler(request)
        except RequestError as error:
            response = answer({"error": str(error)}, error.status)
            if error.status == 503:
                response.headers["retry-after"] = "1"
        except ClientDisconnect:  # whoever asked has gone: nobody reads this
            response = answer({"error": "the request must arrive"}, 400)
        except Exception:
            logger.exception("a request could not be answered")
            response = answer({"error": "the service has failed"}, 500)
        service.metrics.count(path, response.status_code)
        return response

    return counted


def with_shortcut(app: FastAPI) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The application, with decisions going straight to their handler.

    FastAPI's way to a handler takes about as long as the decision itself; everything else that it
    does for this route, the description above all, stays as it is.

    Args:
        app: Made by :func:`make_app`.
    """
    decide = cast(Handler, app.state.decide)

    async def called(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == DECIDE and scope["method"] == "POST":
            response = await decide(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await app(scope, receive, send)

    return called


async def _unknown(_: Request, error: Exception) -> Response:
    status = cast(Any, error).status_code
    said = {404: "path must be one that is served", 405: "method must be one of this path"}
    response = answer({"error": said[status]}, status)
    response.headers.update(cast(Any, error).headers or {})
    return response
