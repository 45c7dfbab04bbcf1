"""The page of a shop that lets only those search who hold its key."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Error, expect
from pydantic import SecretStr

from services.encoder.registry import DEFAULT
from services.settings import Settings
from tests.page.catalogue import draw, products
from tests.page.conftest import serving, tab

READ, WRITE = "open sesame", "write sesame"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("locked"),
        encoder=DEFAULT,
        device="cpu",
        log_level="error",
        read_key=SecretStr(READ),
        write_key=SecretStr(WRITE),
    )
    with serving(settings) as address:
        headers = {"Authorization": f"Bearer {WRITE}"}
        httpx.put(f"{address}/products", json=products(), headers=headers, timeout=120).raise_for_status()
        yield address


def test_without_the_key_there_is_no_page(browser: Browser, locked: str) -> None:
    with tab(browser, locked) as shop, pytest.raises(Error, match="INVALID_AUTH_CREDENTIALS"):
        # A browser with a person before it asks for the password now.
        shop.page.goto(locked)
    with tab(browser, locked, http_credentials={"username": "shop", "password": "wrong"}) as shop:
        answer = shop.page.goto(locked)
        assert answer is not None and answer.status == 401
        expect(shop.page.get_by_role("searchbox")).to_have_count(0)


def test_with_the_key_as_password_the_page_searches_and_shows_pictures(browser: Browser, locked: str) -> None:
    with tab(browser, locked, http_credentials={"username": "shop", "password": READ}) as shop:
        shop.open()
        shop.search("red mug")
        expect(shop.cards).not_to_have_count(0)
        picture = shop.page.locator("#grid .card img").first
        expect(picture).to_have_class(re.compile("loaded"))
        assert picture.evaluate("image => image.naturalWidth") > 0
        # By a photo: a request that a script makes, with a body.
        photo = io.BytesIO()
        draw("mug", "red").save(photo, "JPEG")
        shop.page.locator("#photo-file").set_input_files(
            {"name": "mug.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()}
        )
        expect(shop.chips.filter(has=shop.page.locator("img"))).not_to_have_count(0)
        shop.settle()
        expect(shop.cards).not_to_have_count(0)
        assert shop.complaints == []
