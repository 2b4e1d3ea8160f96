"""The page to try a customer by hand, in a real browser."""

import os
import shutil
from pathlib import Path

import pytest

from nba_gym.serving.chain import read_chain
from tests.serving.processes import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_customer_can_be_tried_by_hand(tmp_path, policy):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with Server(policy, tmp_path / "data") as server, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=CHROMIUM, args=FLAGS
        )
        page, asked, said = browser.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_default_timeout(15_000)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_selector("#consent input")
        page.fill("#customer", "by-hand")
        page.click("button")
        page.wait_for_selector("#ranked tr.chosen")
        everything = page.locator("#ranked tr").count()
        page.locator("#consent input[name=email]").uncheck()
        page.fill("#events", '[{"action": "email_news_shoes", "sent": 1, "responded": 1}]')
        page.click("button")
        page.wait_for_selector("text=eligibility: no consent for email")
        assert 0 < page.locator("#ranked tr").count() < everything
        assert page.locator("#why").inner_text().endswith("period 1)")
        page.select_option("#asking", "inbound:web")
        page.fill("#events", "[]")
        page.click("button")
        page.wait_for_selector("#ranked >> text=web_advice_shoes")
        if "NBA_GYM_SCREENSHOT" in os.environ:
            page.screenshot(path=os.environ["NBA_GYM_SCREENSHOT"], full_page=True)
        page.fill("#events", '[{"sent": 7}]')
        page.click("button")
        page.wait_for_selector("#problem >> text=must be")
        errors = [text for text in said if "422" not in text]
        browser.close()
    assert not errors
    assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{server.port}"}
    decisions = [e for e in read_chain(tmp_path / "data") if e.record["kind"] == "decision"]
    assert [e.personal["customer"] for e in decisions if e.personal] == ["by-hand"] * 3
    assert not list(Path(tmp_path).glob("*.log"))
