"""The region of a photo that counts, and where in a product's picture something was seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, expect

from tests.page.catalogue import draw
from tests.page.conftest import Shop
from tests.page.test_photos import upload


def pair() -> FilePayload:
    """A red dress on the left, a blue mug on the right."""
    image = Image.new("RGB", (800, 500), "white")
    image.paste(draw("dress", "red", (300, 400)), (50, 50))
    image.paste(draw("mug", "blue", (300, 400)), (450, 50))
    return upload("pair.png", image)


def choose(shop: Shop) -> Locator:
    """Search with the photo of two things, and give the stage it is shown on."""
    shop.open()
    shop.page.locator("#photo-file").set_input_files(pair())
    expect(shop.chips).to_have_count(1)
    shop.settle()
    expect(shop.page.get_by_text("Looking for products in it")).to_be_hidden()
    return shop.page.locator(".stage")


def drag(shop: Shop, stage: Locator, start: tuple[float, float], end: tuple[float, float]) -> Any:
    """Drag between two places, in shares of the stage; gives the part of the search that follows."""
    stage.scroll_into_view_if_needed()
    around = stage.bounding_box()
    assert around is not None

    def go(x: float, y: float) -> None:
        shop.page.mouse.move(around["x"] + x * around["width"], around["y"] + y * around["height"])

    with shop.page.expect_request("**/search") as request:
        go(*start)
        shop.page.mouse.down()
        go((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        go(*end)
        shop.page.mouse.up()
    return json.loads(request.value.post_data or "")["parts"][0]


def test_a_proposed_frame_that_is_tapped_is_searched_for(shop: Shop) -> None:
    stage = choose(shop)
    frames = stage.get_by_role("button", name="Proposed frame")
    assert 1 <= frames.count() <= 4
    with shop.page.expect_request("**/search") as request:
        frames.last.click()
    left, top, right, bottom = json.loads(request.value.post_data or "")["parts"][0]["box"]
    assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    expect(shop.chips.first).to_contain_text("Part of photo")
    expect(stage.locator(".region-chosen")).to_be_visible()


def test_a_frame_that_is_drawn_finds_what_lies_in_it_and_back_takes_it_away(shop: Shop) -> None:
    stage = choose(shop)
    part = drag(shop, stage, (0.99, 0.97), (0.53, 0.04))
    assert part["box"] == pytest.approx([0.53, 0.04, 0.99, 0.97], abs=0.02)
    shop.settle()
    assert any("mug" in title.lower() for title in shop.titles()[:3])
    shop.page.go_back()
    expect(shop.chips.first).to_contain_text("Photo")
    expect(shop.chips.first).not_to_contain_text("Part of")
    shop.settle()


def test_a_chosen_frame_is_moved_resized_and_taken_away_by_keys(shop: Shop) -> None:
    choose(shop)
    shop.page.get_by_role("button", name="Frame by keys").press("Enter")
    chosen = shop.page.get_by_role("button", name="Chosen frame")
    expect(chosen).to_be_focused()
    shop.settle()
    with shop.page.expect_request("**/search") as request:
        for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp"):
            shop.page.keyboard.press(key)
    box = json.loads(request.value.post_data or "")["parts"][0]["box"]
    assert box == pytest.approx([0.27, 0.27, 0.79, 0.75], abs=0.005)
    expect(chosen).to_be_focused()
    shop.settle()
    chosen.press("Delete")
    expect(shop.chips.first).not_to_contain_text("Part of")
    shop.settle()


def test_the_panel_closes_and_opens_from_the_chip(shop: Shop) -> None:
    stage = choose(shop)
    shop.page.get_by_role("button", name="Done").click()
    expect(stage).to_be_hidden()
    shop.page.get_by_role("button", name="Choose what counts in your photo").click()
    expect(stage).to_be_visible()
    shop.page.get_by_role("button", name="Remove your photo").click()
    expect(stage).to_be_hidden()


def test_why_shows_for_each_word_where_it_is_seen(shop: Shop) -> None:
    shop.open("/?q=red+dress")
    card = shop.cards.first
    card.get_by_role("button", name="Why?").click()
    words = card.locator(".seen-word")
    expect(words).to_have_text(["red dress", "red", "dress"])
    expect(words.first).to_have_attribute("aria-pressed", "true")
    expect(card.locator(".tile canvas")).to_have_count(1)
    before = card.locator(".tile canvas").evaluate("(canvas) => canvas.toDataURL()")
    words.nth(2).click()
    expect(words.nth(2)).to_have_attribute("aria-pressed", "true")
    assert card.locator(".tile canvas").evaluate("(canvas) => canvas.toDataURL()") != before
    card.get_by_role("button", name="Why?").click()
    expect(card.locator(".tile canvas")).to_have_count(0)
    expect(words.first).to_be_hidden()


def test_why_shows_a_photo_too_where_the_product_is_seen_in_it(shop: Shop) -> None:
    choose(shop)
    # A product without a picture has nothing to look into.
    card = shop.cards.filter(has=shop.page.locator(".why-toggle")).first
    card.get_by_role("button", name="Why?").click()
    expect(card.locator(".seen-word")).to_have_text(["your photo"])
    expect(card.locator(".seen-photo canvas")).to_have_count(1)
