"""Searching by words: results, count, filters, examples, more results, details."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.catalogue import CHINESE, LONG, products
from tests.page.conftest import Shop


def test_first_screen_invites_with_ideas_and_products_of_the_catalogue(shop: Shop) -> None:
    shop.open()
    start = shop.page.get_by_role("region", name="Ideas to start with")
    expect(start.locator(".idea").first).to_be_visible()
    expect(start.get_by_role("region", name="Mug")).to_be_visible()
    picture = start.locator(".card img").first
    expect(picture).to_have_class(re.compile("loaded"))
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_an_idea_is_searched_for(shop: Shop) -> None:
    shop.open()
    idea = shop.page.locator(".idea").first
    words = idea.inner_text()
    idea.click()
    shop.settle()
    expect(shop.words).to_have_value(words)
    expect(shop.cards).not_to_have_count(0)


def test_shelf_opens_its_category(shop: Shop) -> None:
    shop.open()
    shop.page.get_by_role("region", name="Mug").get_by_role("link", name="See all").click()
    shop.settle()
    assert shop.query() == {"q": ["mug"], "category": ["mug"]}
    assert len(shop.titles()) == 6


def test_words_find_products_with_title_price_and_category(shop: Shop) -> None:
    shop.open()
    shop.search("red dress")
    expect(shop.cards).to_have_count(24)
    expect(shop.status).to_have_text(re.compile(r"24 shown\s*34 products considered in (\d+|under 1) ms"))
    card = shop.cards.filter(has=shop.page.get_by_role("link", name="Red dress", exact=True))
    expect(card).to_contain_text("€10.00")
    expect(card).to_contain_text("Aster · dress")
    expect(card.get_by_role("img", name="Picture of Red dress")).to_be_visible()
    assert shop.query() == {"q": ["red dress"]}
    expect(shop.page).to_have_title("red dress – Vitrine")


def test_every_product_says_why_it_was_found(shop: Shop) -> None:
    shop.open()
    shop.search("blue mug")
    for reasons in shop.page.locator("#grid .why").all():
        shares = [int(share) for share in re.findall(r"(\d+)\u202f%", reasons.inner_text())]
        # Shares below 3 % are left to the detail view.
        assert 93 <= sum(shares) <= 102
    first = shop.cards.first.locator(".why li").first
    expect(first).to_have_text(re.compile(r"your words → its (picture|title)\s*\d+\u202f%"))
    share = int(re.findall(r"(\d+)\u202f%", first.inner_text())[0])
    bar = first.locator(".why-bar").bounding_box()
    filled = first.locator(".why-bar i").bounding_box()
    assert bar and filled and abs(filled["width"] / bar["width"] - share / 100) < 0.02


def test_reasons_can_be_switched_off_for_good(shop: Shop) -> None:
    shop.open("/?q=dress")
    shop.page.get_by_role("button", name="Reasons").click()
    expect(shop.page.locator("#grid .why").first).to_be_hidden()
    shop.page.reload()
    shop.settle()
    expect(shop.page.get_by_role("button", name="Reasons")).to_have_attribute("aria-pressed", "false")
    expect(shop.page.locator("#grid .why").first).to_be_hidden()


def test_show_more_adds_the_rest_below_and_ends(shop: Shop) -> None:
    shop.open("/?q=dress")
    first = shop.titles()
    shop.page.get_by_role("button", name="Show more").click()
    expect(shop.cards).to_have_count(34)
    titles = shop.titles()
    assert titles[:24] == first
    assert len(set(titles)) == 34
    expect(shop.cards.nth(24).get_by_role("link")).to_be_focused()
    expect(shop.page.get_by_role("button", name="Show more")).to_be_hidden()
    expect(shop.page.get_by_text("That is all of them")).to_be_visible()


def test_reload_keeps_what_show_more_added(shop: Shop) -> None:
    shop.open("/?q=dress")
    shop.page.get_by_role("button", name="Show more").click()
    expect(shop.cards).to_have_count(34)
    shop.page.reload()
    expect(shop.cards).to_have_count(34)


def test_filters_have_counts_narrow_the_results_and_come_off_again(shop: Shop) -> None:
    shop.open("/?q=dress")
    filters = shop.page.get_by_role("complementary", name="Filters")
    category = filters.get_by_role("group", name="Category")
    mug = category.get_by_role("checkbox", name=re.compile("^mug 6"))
    mug.check()
    shop.settle()
    expect(shop.cards).to_have_count(6)
    assert all(title.endswith("mug") for title in shop.titles())
    category.get_by_role("checkbox", name=re.compile("^lamp")).check()
    shop.settle()
    expect(shop.cards).to_have_count(12)
    filters.get_by_role("checkbox", name=re.compile("^Kite & Co 4")).check()
    shop.settle()
    assert sorted(shop.titles()) == ["Green lamp", "Green mug", "Pink lamp", "Pink mug"]
    assert shop.query() == {"q": ["dress"], "category": ["mug", "lamp"], "brand": ["Kite & Co"]}
    shop.page.get_by_role("button", name="Remove filter Brand: Kite & Co").click()
    shop.settle()
    expect(shop.cards).to_have_count(12)
    expect(filters.get_by_role("checkbox", name=re.compile("^Kite & Co"))).not_to_be_checked()


def test_price_filter_swaps_bounds_given_the_wrong_way_round(shop: Shop) -> None:
    shop.open("/?q=dress&price_min=40")
    price = shop.page.get_by_role("group", name="Price")
    expect(price.get_by_label("From")).to_have_value("40")
    price.get_by_label("To").fill("20")
    price.get_by_label("To").press("Enter")
    shop.settle()
    expect(shop.cards).to_have_count(15)
    assert shop.query() == {"q": ["dress"], "price_min": ["20"], "price_max": ["40"]}


def test_filters_that_leave_nothing_say_so_and_can_be_cleared(shop: Shop) -> None:
    shop.open("/?q=dress&category=mug&price_min=5000")
    expect(shop.page.get_by_role("heading", name="Nothing found")).to_be_visible()
    shop.page.get_by_role("button", name="Clear filters").click()
    shop.settle()
    expect(shop.cards).to_have_count(24)
    assert shop.query() == {"q": ["dress"]}


def test_more_like_this_adds_the_product_as_an_example(shop: Shop) -> None:
    shop.open("/?q=dress")
    title = shop.titles()[0]
    shop.cards.first.get_by_role("button", name="More like this").click()
    shop.settle()
    expect(shop.chips).to_have_count(2)
    expect(shop.chips.nth(1)).to_contain_text(title)
    assert title not in shop.titles()
    product = next(product for product in products() if product["title"] == title)
    assert shop.query() == {"q": ["dress"], "like": [product["id"]]}
    expect(shop.status).to_be_focused()


def test_a_product_alone_can_be_the_query(shop: Shop) -> None:
    shop.open("/?q=red+dress&category=dress")
    shop.page.get_by_role("link", name="Red dress", exact=True).click()
    shop.dialog.get_by_role("button", name="Only this").click()
    shop.settle()
    expect(shop.dialog).to_be_hidden()
    assert shop.query() == {"like": ["dress-red"]}
    expect(shop.chips).to_have_text(re.compile("Red dress"))
    expect(shop.words).to_have_value("")
    assert "Red dress" not in shop.titles()
    expect(shop.cards.first.locator(".why")).to_contain_text(re.compile("your example → its (picture|title)"))


def test_detail_view_shows_all_fields_and_closes_by_back_and_escape(shop: Shop) -> None:
    shop.open("/?q=red+dress")
    link = shop.page.get_by_role("link", name="Red dress", exact=True)
    link.click()
    expect(shop.dialog.get_by_role("heading", name="Red dress")).to_be_visible()
    for text in ("€10.00", "A red dress, made to last.", "Aster", "sale", "Colour", "red", "dress-red"):
        expect(shop.dialog.get_by_text(text, exact=True)).to_be_visible()
    expect(shop.dialog.get_by_role("link", name="View in shop")).to_have_attribute(
        "href", "https://shop.example/dress/red"
    )
    expect(shop.dialog.get_by_role("list", name="Why it was found")).to_contain_text("similarity")
    assert shop.query()["item"] == ["dress-red"]
    shop.page.keyboard.press("Escape")
    expect(shop.dialog).to_be_hidden()
    assert "item" not in shop.query()
    expect(link).to_be_focused()
    link.click()
    expect(shop.dialog).to_be_visible()
    shop.page.go_back()
    expect(shop.dialog).to_be_hidden()
    expect(shop.cards).to_have_count(24)


def test_detail_view_turns_to_the_next_product(shop: Shop) -> None:
    shop.open("/?q=lamp")
    titles = shop.titles()
    shop.cards.first.get_by_role("link").click()
    expect(shop.dialog.get_by_role("heading", name=titles[0])).to_be_visible()
    expect(shop.dialog.get_by_role("button", name="Previous product")).to_be_disabled()
    shop.page.keyboard.press("ArrowRight")
    expect(shop.dialog.get_by_role("heading", name=titles[1])).to_be_visible()
    shop.dialog.get_by_role("button", name="Close").click()
    expect(shop.dialog).to_be_hidden()


def test_a_field_of_the_detail_view_narrows_the_search_to_its_value(shop: Shop) -> None:
    shop.open("/?q=dress&item=mug-blue")
    shop.dialog.get_by_role("button", name="Only Colour blue").click()
    expect(shop.dialog).to_be_hidden()
    shop.settle()
    assert shop.query() == {"q": ["dress"], "attributes.colour": ["blue"]}
    assert sorted(shop.titles()) == ["Blue bag", "Blue dress", "Blue lamp", "Blue mug", "Blue shoe"]


def test_detail_view_opens_from_a_link(shop: Shop) -> None:
    shop.open("/?item=mug-blue")
    expect(shop.dialog.get_by_role("heading", name="Blue mug")).to_be_visible()
    shop.page.keyboard.press("Escape")
    expect(shop.dialog).to_be_hidden()
    assert shop.query() == {}


def test_titles_in_any_script_and_of_any_length(shop: Shop) -> None:
    shop.open()
    shop.search(CHINESE)
    shop.page.get_by_role("button", name="Show more").click()
    expect(shop.cards).to_have_count(34)
    expect(shop.page.get_by_role("link", name=CHINESE)).to_be_visible()
    long = shop.cards.filter(has=shop.page.get_by_role("link", name=LONG))
    expect(long).to_contain_text("3.00 gold")
    assert long.evaluate("card => card.scrollWidth <= card.clientWidth")
    bare = shop.cards.filter(has=shop.page.get_by_role("link", name="Plain thing"))
    expect(bare.get_by_role("img", name="No picture")).to_be_visible()
