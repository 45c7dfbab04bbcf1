"""What goes wrong: hostile products, problems of the service, late answers, no service at all."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Route, expect

from tests.page.catalogue import HOSTILE
from tests.page.conftest import Shop


def test_hostile_products_are_text_wherever_they_are_shown(shop: Shop) -> None:
    shop.open("/?q=tee&like=hostile/tee&category=" + HOSTILE.replace(" ", "+").replace("=", "%3D"))
    expect(shop.chips.nth(1)).to_contain_text(HOSTILE)
    shop.open("/?q=tee&category=" + HOSTILE.replace(" ", "+").replace("=", "%3D"))
    expect(shop.cards).to_have_count(1)
    assert shop.titles() == [HOSTILE]
    expect(shop.page.get_by_role("checkbox", name=HOSTILE)).to_be_checked()
    shop.cards.first.get_by_role("link").click()
    expect(shop.dialog.get_by_role("heading", name=HOSTILE)).to_be_visible()
    # Its address is a script, so there is no link to it.
    expect(shop.dialog.get_by_role("link", name="View in shop")).to_have_count(0)
    shop.dialog.get_by_role("button", name="Only this").click()
    shop.settle()
    assert shop.query() == {"like": ["hostile/tee"]}
    expect(shop.chips.first).to_contain_text(HOSTILE)
    assert shop.page.evaluate("window.pwned") is None
    assert shop.page.locator("img[src='x']").count() == 0


def test_words_of_a_shopper_are_text_too(shop: Shop) -> None:
    shop.open()
    shop.search(HOSTILE)
    expect(shop.chips.first).to_contain_text(HOSTILE)
    assert shop.page.evaluate("window.pwned") is None


def test_the_content_policy_forbids_inline_code(shop: Shop) -> None:
    response = shop.page.goto(shop.address + "/")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe-inline" not in policy
    shop.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.inline = true";
            document.body.append(script);
        }"""
    )
    assert shop.page.evaluate("window.inline") is None
    assert shop.complaints and all("Content Security Policy" in complaint for complaint in shop.complaints)
    shop.complaints.clear()


def test_a_problem_of_the_service_is_shown_with_its_mend(shop: Shop) -> None:
    shop.open("/?q=dress&like=no-such-product")
    alert = shop.page.get_by_role("alert")
    expect(alert).to_contain_text("no-such-product")
    expect(alert.locator(".mend")).not_to_be_empty()
    shop.page.get_by_role("button", name="Remove “no-such-product”").click()
    shop.settle()
    expect(alert).to_be_hidden()
    expect(shop.cards).to_have_count(24)
    assert shop.complaints and all("404" in complaint or "422" in complaint for complaint in shop.complaints)
    shop.complaints.clear()


def test_a_link_to_a_product_that_is_gone_says_so(shop: Shop) -> None:
    shop.open("/?item=gone")
    expect(shop.dialog.get_by_role("alert")).to_contain_text("gone")
    shop.dialog.get_by_role("button", name="Close").click()
    expect(shop.dialog).to_be_hidden()
    assert all("404" in complaint for complaint in shop.complaints)
    shop.complaints.clear()


def test_no_service_is_said_in_words_and_can_be_tried_again(shop: Shop) -> None:
    shop.open()
    shop.context.set_offline(True)
    shop.words.fill("dress")
    shop.words.press("Enter")
    expect(shop.page.get_by_role("alert")).to_contain_text("Check the connection, then try again.")
    shop.context.set_offline(False)
    shop.page.get_by_role("button", name="Try again").click()
    shop.settle()
    expect(shop.cards).to_have_count(24)
    shop.complaints.clear()


def test_a_late_answer_never_replaces_a_newer_one(shop: Shop) -> None:
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if json.loads(route.request.post_data or "")["parts"][0]["text"] == "mug":
            held.append(route)
        else:
            route.continue_()

    shop.open("/?q=lamp")
    shop.page.route("**/search", hold_first)
    with shop.page.expect_event("requestfailed") as failed:
        shop.words.fill("mug")
        shop.words.press("Enter")
        expect(shop.page.locator("#grid")).to_have_attribute("aria-busy", "true")
        shop.search("dress")
    titles = shop.titles()
    assert failed.value.url.endswith("/search")
    assert len(held) == 1
    expect(shop.words).to_have_value("dress")
    assert shop.query() == {"q": ["dress"]}
    shop.page.unroute("**/search")
    shop.page.go_back()
    expect(shop.words).to_have_value("mug")
    shop.settle()
    assert shop.titles() != titles


def test_typing_goes_on_while_an_answer_comes_in(shop: Shop) -> None:
    held: list[Route] = []
    shop.open()
    shop.page.route("**/search", lambda route: held.append(route))
    with shop.page.expect_request("**/search"):
        shop.words.fill("mug")
        shop.words.press("Enter")
    shop.words.press_sequentially(" with a big")
    held[0].continue_()
    shop.settle()
    expect(shop.cards).to_have_count(24)
    expect(shop.words).to_have_value("mug with a big")


def test_waiting_shows_the_shape_of_what_comes(shop: Shop) -> None:
    held: list[Route] = []
    shop.open()
    shop.page.route("**/search", lambda route: held.append(route))
    with shop.page.expect_request("**/search"):
        shop.words.fill("mug")
        shop.words.press("Enter")
    expect(shop.page.locator("#grid .skeleton")).to_have_count(12)
    expect(shop.status).to_have_text(re.compile("Searching"))
    held[0].continue_()
    shop.settle()
    expect(shop.cards).to_have_count(24)


def test_pictures_hold_their_place_before_they_load(shop: Shop) -> None:
    shop.page.add_init_script(
        """window.jumps = 0;
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.jumps += entry.value;
        }).observe({ type: "layout-shift", buffered: true });"""
    )
    held: list[Route] = []
    shop.page.route(re.compile("/image"), lambda route: held.append(route))
    shop.open("/?q=dress")
    expect(shop.page.get_by_role("group", name="Category")).to_be_visible()
    before = shop.page.evaluate("window.jumps")
    boxes = [card.bounding_box() for card in shop.cards.all()]
    for route in held:
        route.continue_()
    expect(shop.page.locator("#grid .card img").first).to_have_class(re.compile("loaded"))
    assert [card.bounding_box() for card in shop.cards.all()] == boxes
    assert shop.page.evaluate("window.jumps") == before
