"""The real service on a loopback port, a real browser in front of it."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from searcher.api.app import create_app
from services.encoder.registry import DEFAULT, DEFAULT_FOLDER
from services.settings import Settings
from tests.page.catalogue import products

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds to wait for the page to reach a state: generous, as other work may share the cores.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run the service on a free loopback port and give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    # No logging of uvicorn's own: its handlers would outlive these tests, in the process of the others.
    config = uvicorn.Config(create_app(settings), log_config=None, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        # The listener queues connections from the start, so this answers once the service is up.
        httpx.get(f"{address}/healthz", timeout=60).raise_for_status()
        yield address
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, tiny_openclip_dir: Path) -> Iterator[str]:
    """Address of the running service with its catalogue indexed over HTTP."""
    shipped = (DEFAULT_FOLDER / "open_clip_model.safetensors").is_file()
    encoder = DEFAULT if shipped else f"local-dir:{tiny_openclip_dir}"
    data = tmp_path_factory.mktemp("shop")
    with serving(Settings(data_dir=data, encoder=encoder, device="cpu", log_level="error")) as address:
        answer = httpx.put(f"{address}/products", json=products(), timeout=120)
        assert answer.json() == {"upserted": len(products()), "rejected": []}
        yield address


# Package-wide, not session-wide: while it lives, no other test could run an event loop of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        installed = next(filter(None, map(shutil.which, BROWSERS)), playwright.chromium.executable_path)
        if not Path(installed).is_file():
            pytest.skip("The tests of the page need a browser: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=installed, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def modules(browser: Browser, service: str) -> Iterator[Page]:
    """The page, left alone, so that its modules can be called by themselves."""
    with tab(browser, service) as shop:
        shop.open()
        yield shop.page


@dataclass
class Shop:
    """A shopper's browser tab on the service."""

    page: Page
    address: str
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        """Go there, and wait for the first screen, the results or a problem."""
        self.page.goto(self.address + path)
        something = self.page.locator(".idea, #grid .card:not(.skeleton), #problem .panel")
        expect(something.filter(visible=True).first).to_be_visible()

    def search(self, words: str) -> None:
        self.words.fill(words)
        self.words.press("Enter")
        self.settle()

    def settle(self) -> None:
        """Wait until the answer to what was asked last is on the page."""
        expect(self.page.locator("#grid:not([aria-busy])")).to_be_attached()
        expect(self.page.locator("#grid .skeleton")).to_have_count(0)
        expect(self.page.locator("#status, #problem .panel").filter(visible=True).first).not_to_be_empty()

    @property
    def words(self) -> Locator:
        return self.page.get_by_role("searchbox")

    @property
    def cards(self) -> Locator:
        return self.page.locator("#grid .card")

    @property
    def chips(self) -> Locator:
        return self.page.locator("#parts .chip")

    @property
    def status(self) -> Locator:
        return self.page.locator("#status")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def titles(self) -> list[str]:
        return self.page.locator("#grid .card-link").all_inner_texts()

    def query(self) -> dict[str, list[str]]:
        """Parameters of the page's address."""
        return parse_qs(urlsplit(self.page.url).query)


@pytest.fixture
def shop(browser: Browser, service: str, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A fresh tab. Fails the test if the console, a script or the content policy complained.

    `@pytest.mark.parametrize("shop", [{...}], indirect=True)` passes options of the browser context.
    """
    with tab(browser, service, **getattr(request, "param", {})) as shop:
        yield shop
        assert shop.complaints == []


@contextmanager
def tab(browser: Browser, address: str, **options: Any) -> Iterator[Shop]:
    """A tab of its own browser context, in which every complaint is noted."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    shop = Shop(page, address, context)

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            shop.complaints.append(message.text)

    def watch(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            shop.complaints.append(f"asked another host: {request.url}")

    def refuse(dialog: Dialog) -> None:
        shop.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", hear)
    page.on("pageerror", lambda error: shop.complaints.append(str(error)))
    page.on("dialog", refuse)
    page.on("request", watch)
    yield shop
    context.close()
