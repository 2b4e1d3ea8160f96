"""What Prometheus may ask, and logs of one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nba_gym.errors import MissingExtraError

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingExtraError("the decision service", "serve") from error

if TYPE_CHECKING:
    from nba_gym.serving.desk import Desk

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class _Now(Collector):
    """What a service looks like at the moment it is asked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        desk = self._desk
        for name, meaning, value in (
            ("nba_queue", "requests that wait", desk.queue),
            ("nba_log_records", "records in the decision log", desk.log.next_seq),
            ("nba_healthy", "1 while decisions can be recorded", 0 if desk.trouble else 1),
            ("nba_epsilon", "probability of exploring", desk.lineup.epsilon),
            ("nba_challenger_share", "share of customers of the challenger", desk.lineup.share),
        ):
            yield GaugeMetricFamily(name, meaning, value=value)
        policies = GaugeMetricFamily("nba_policy", "who decides", labels=["arm", "policy"])
        for arm, policy in (
            ("champion", desk.lineup.champion),
            ("challenger", desk.lineup.challenger),
        ):
            if policy is not None:
                policies.add_metric([arm, policy.digest], 1.0)
        yield policies
        decisions = CounterMetricFamily(
            "nba_decisions", "decisions on record", labels=["arm", "action"]
        )
        for (arm, action), count in sorted(desk.counts.copy().items()):
            decisions.add_metric([arm, desk.decider.catalogue.names[action]], count)
        yield decisions


class Metrics:
    """The numbers of one service.

    Args:
        desk: Whose numbers they are.
    """

    def __init__(self, desk: Desk) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Now(desk))
        self._requests = Counter(
            "nba_requests", "answers", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "nba_decide_seconds",
            "from the whole request to the answer, durable record included",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch = Histogram(
            "nba_batch", "requests answered together", buckets=_SIZES, registry=self.registry
        )
        self._children: dict[tuple[str, int], Any] = {}

    def count(self, route: str, status: int) -> None:
        """Count an answer; ``route`` is one of ours, never what was sent."""
        child = self._children.get((route, status))
        if child is None:
            child = self._requests.labels(route=route, status=str(status))
            self._children[route, status] = child
        child.inc()

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        told: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{record.msecs:03.0f}",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        told |= getattr(record, "told", {})
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


logger = logging.getLogger("nba_gym.serving")


def log_to_stderr() -> None:
    """Write the service's logs to standard error, one JSON object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    for name in ("nba_gym.serving", "uvicorn.error"):
        each = logging.getLogger(name)
        each.handlers = [handler]
        each.propagate = False
    logger.setLevel(logging.INFO)
    # what is refused is counted, not logged: a flood of bad requests must not flood the logs
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def tell(event: str, **facts: Any) -> None:
    """Log an event with its facts."""
    logger.info(event, extra={"told": facts})
