"""A real browser without a window, for pages that people look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PHONE = {"width": 390, "height": 844}
CONTRAST = """selector => [...document.querySelectorAll(selector)].filter(e => e.offsetWidth)
.map(e => {
  const shine = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = e;
  while (behind.parentElement && /, 0\\)$/.test(getComputedStyle(behind).backgroundColor))
    behind = behind.parentElement;
  const two = [getComputedStyle(e).color, getComputedStyle(behind).backgroundColor].map(shine);
  return (Math.max(...two) + 0.05) / (Math.min(...two) + 0.05);
})"""
"""Contrast of text to what is behind it, by element (WCAG 2.1: 4.5 for small text)."""


class Window:
    """A page in the browser, and what went wrong on it.

    Attributes:
        page: The page, as Playwright has it.
        complaints: Messages of the console, errors, and requests for anything but the file.
    """

    def __init__(self, page, path: Path, ready: str) -> None:
        self.page, self.complaints = page, []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._ask(request.url))
        self._own = path.resolve().as_uri()
        page.goto(self._own)
        page.wait_for_selector(ready)

    def _ask(self, url: str) -> None:
        if url.partition("#")[0] != self._own:
            self.complaints.append(f"asked for {url}")

    @property
    def scrolls_sideways(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")

    def least_contrast(self, selector: str) -> float:
        found = self.page.evaluate(CONTRAST, selector)
        assert found, f"nothing to be seen of {selector}"
        return min(found)


@contextmanager
def browser():
    """Chromium with a profile of its own."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


@contextmanager
def opened(running, path: Path, ready: str = "body", **context) -> Iterator[Window]:
    """A file in a window of its own: ``color_scheme="dark"``, ``viewport=PHONE``, ..."""
    here = running.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
    try:
        yield Window(here.new_page(), path, ready)
    finally:
        here.close()
