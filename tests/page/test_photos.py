"""Searching by photo: chosen, pasted, dropped, with words, scaled down, turned upright, not shared."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.page.catalogue import draw, encoded
from tests.page.conftest import Shop, tab
from tests.page.test_query import asked


def upload(name: str, image: Image.Image, format: str = "PNG", **options: Any) -> FilePayload:
    """A picture as Playwright hands it to a file input."""
    content = encoded(image, format, **options)
    return {"name": name, "mimeType": f"image/{format.lower()}", "buffer": content}


def drop(page: Page, content: bytes, name: str, type: str) -> None:
    """Drag a file over the page, check that it is welcome, and let it go."""
    transfer = page.evaluate_handle(
        """([content, name, type]) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [base64.b64encode(content).decode(), name, type],
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": transfer})
    expect(page.get_by_text("Drop it to search with it")).to_be_visible()
    page.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(page.get_by_text("Drop it to search with it")).to_be_hidden()


def sent_picture(shop: Shop, image: FilePayload) -> Image.Image:
    """What the page sends of a chosen picture."""
    with shop.page.expect_request("**/search") as request:
        shop.page.locator("#photo-file").set_input_files(image)
    shop.settle()
    part = json.loads(request.value.post_data or "")["parts"][0]
    head, data = part["image"].split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_photo_finds_the_product_it_shows(shop: Shop) -> None:
    shop.open()
    with shop.page.expect_file_chooser() as chooser:
        shop.page.get_by_role("button", name="Search with a photo").click()
    chooser.value.set_files(upload("mug.png", draw("mug", "green", (480, 600))))
    expect(shop.chips).to_have_count(1)
    expect(shop.chips.get_by_role("img", name="Your photo")).to_be_visible()
    shop.settle()
    assert "Green mug" in shop.titles()[:3]
    expect(shop.cards.first.locator(".why")).to_contain_text("your photo → its picture")
    expect(shop.page.get_by_text("A link to this search carries everything but the photo")).to_be_visible()


def test_a_dropped_photo_joins_the_words_in_the_box(shop: Shop) -> None:
    shop.open()
    shop.words.fill("in blue -red")
    drop(shop.page, encoded(draw("dress", "red")), "dress.png", "image/png")
    expect(shop.chips).to_have_count(3)
    shop.settle()
    expect(shop.words).to_have_value("in blue")
    reasons = "\n".join(shop.page.locator("#grid .why").all_inner_texts())
    assert "your words → its" in reasons
    assert "your photo → its picture" in reasons
    assert shop.query() == {"q": ["in blue"], "not": ["red"], "photos": ["1"]}
    shop.page.get_by_role("button", name="Remove your photo").click()
    shop.settle()
    assert shop.query() == {"q": ["in blue"], "not": ["red"]}


@pytest.mark.parametrize("shop", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True)
def test_a_pasted_photo_is_searched_for(shop: Shop) -> None:
    shop.open()
    shop.page.evaluate(
        """async (content) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const item = new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) });
            await navigator.clipboard.write([item]);
        }""",
        base64.b64encode(encoded(draw("lamp", "yellow"))).decode(),
    )
    shop.words.press("Control+V")
    expect(shop.chips).to_have_count(1)
    shop.settle()
    assert "Yellow lamp" in shop.titles()[:3]


def test_pasted_text_stays_text(shop: Shop) -> None:
    shop.open()
    shop.words.fill("blue mug")
    shop.words.press("Control+A")
    shop.words.press("Control+C")
    shop.words.press("End")
    shop.words.press("Control+V")
    expect(shop.words).to_have_value("blue mugblue mug")
    expect(shop.chips).to_have_count(0)


def test_a_large_photo_is_scaled_down_before_it_is_sent(shop: Shop) -> None:
    shop.open()
    sent = sent_picture(shop, upload("large.jpg", draw("bag", "blue", (3000, 2000)), "JPEG"))
    assert sent.size == (1024, 683)


def test_a_photo_is_turned_upright_and_loses_its_exif_data(shop: Shop) -> None:
    picture = Image.new("RGB", (400, 200), "red")
    picture.paste((0, 0, 255), (200, 0, 400, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: what lies left belongs on top
    exif[0x010F] = "Camera"
    shop.open()
    sent = sent_picture(shop, upload("turned.jpg", picture, "JPEG", exif=exif))
    assert sent.size == (200, 400)
    assert not sent.getexif()
    top, bottom = sent.getpixel((100, 50)), sent.getpixel((100, 350))
    assert isinstance(top, tuple) and isinstance(bottom, tuple)
    assert top[0] > 200 > 60 > top[2] and bottom[2] > 200 > 60 > bottom[0]


def test_a_cut_out_picture_stands_on_white(shop: Shop) -> None:
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    shop.open()
    sent = sent_picture(shop, upload("cut-out.png", picture))
    assert sent.getpixel((32, 32)) == (255, 255, 255)


def test_two_photos_weigh_in_together(shop: Shop) -> None:
    shop.open()
    shop.page.locator("#photo-file").set_input_files(
        [upload("a.png", draw("mug", "red")), upload("b.png", draw("mug", "blue"))]
    )
    expect(shop.chips).to_have_count(2)
    shop.settle()
    reasons = "\n".join(shop.page.locator("#grid .why").all_inner_texts())
    assert "photo 1 → its picture" in reasons and "photo 2 → its picture" in reasons


def test_a_photo_can_be_turned_into_its_opposite_and_weighed(shop: Shop) -> None:
    shop.open()
    bodies = asked(shop)
    shop.page.locator("#photo-file").set_input_files(
        [upload("a.png", draw("mug", "red")), upload("b.png", draw("mug", "blue"))]
    )
    shop.settle()
    assert [part["weight"] for part in bodies[-1]["parts"]] == [1, 1]
    shop.page.get_by_role("button", name="Not like photo 2").click()
    shop.settle()
    shop.page.get_by_role("button", name="Counts more: photo 2").click()
    shop.settle()
    assert [part["weight"] for part in bodies[-1]["parts"]] == [1, -1.5]
    assert all("image" in part for part in bodies[-1]["parts"])
    expect(shop.chips.nth(1)).to_contain_text("not")
    # What is left is all that is looked for, so it cannot be turned too.
    expect(shop.page.get_by_role("button", name="Not like photo 1")).to_have_count(0)
    reasons = "\n".join(shop.page.locator("#grid .why").all_inner_texts())
    assert "your photo → its picture" in reasons


def test_photos_dropped_in_quick_succession_all_count(shop: Shop) -> None:
    shop.open()
    drop(shop.page, encoded(draw("mug", "red", (2400, 3000))), "a.png", "image/png")
    drop(shop.page, encoded(draw("mug", "blue")), "b.png", "image/png")
    expect(shop.chips).to_have_count(2)


def test_a_file_that_is_no_picture_is_refused_in_words(shop: Shop) -> None:
    shop.open()
    drop(shop.page, b"%PDF-1.7", "order.pdf", "application/pdf")
    expect(shop.page.get_by_text("That is not a picture")).to_be_visible()
    drop(shop.page, b"not really", "broken.jpg", "image/jpeg")
    expect(shop.page.get_by_text("“broken.jpg” cannot be opened as a picture")).to_be_visible()
    expect(shop.chips).to_have_count(0)


def test_a_photo_survives_back_and_reload_but_not_a_shared_link(shop: Shop, browser: Browser) -> None:
    shop.open()
    shop.words.fill("in blue")
    shop.page.locator("#photo-file").set_input_files(upload("a.png", draw("mug", "red")))
    expect(shop.chips).to_have_count(2)
    shop.settle()
    titles = shop.titles()
    shop.search("in green")
    shop.page.go_back()
    expect(shop.words).to_have_value("in blue")
    shop.settle()
    assert shop.titles() == titles
    shop.page.reload()
    expect(shop.chips).to_have_count(2)
    shop.settle()
    assert shop.titles() == titles
    with tab(browser, shop.address) as other:
        other.page.goto(shop.page.url)
        expect(other.chips).to_have_count(1)
        other.settle()
        note = other.page.get_by_text("This search was made with a photo.")
        expect(note).to_be_visible()
        other.page.get_by_role("button", name="Go on without").click()
        expect(note).to_be_hidden()
        assert other.query() == {"q": ["in blue"]}
        assert other.complaints == []


def test_a_product_dragged_to_the_top_becomes_an_example(shop: Shop) -> None:
    shop.open("/?q=dress")
    link = shop.cards.nth(1).get_by_role("link")
    title = link.inner_text()
    link.drag_to(shop.page.locator(".top .box"))
    expect(shop.chips).to_have_count(2)
    expect(shop.chips.nth(1)).to_contain_text(title)
