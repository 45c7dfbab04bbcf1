"""The query as chips and as an address: weights, negative words, examples, back and forward."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.page.conftest import Shop


def asked(shop: Shop) -> list[dict[str, Any]]:
    """Bodies of the searches that the page sends from now on."""
    bodies: list[dict[str, Any]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/search"):
            bodies.append(json.loads(request.post_data or ""))

    shop.page.on("request", note)
    return bodies


def test_minus_before_a_word_leaves_it_out(shop: Shop) -> None:
    shop.open()
    bodies = asked(shop)
    shop.search('red dress -leather -"long sleeves"')
    assert bodies[-1]["parts"] == [
        {"text": "red dress", "weight": 1},
        {"text": "leather", "weight": -1},
        {"text": "long sleeves", "weight": -1},
    ]
    expect(shop.words).to_have_value("red dress")
    expect(shop.chips).to_have_count(3)
    expect(shop.chips.nth(1)).to_contain_text("not")
    expect(shop.chips.nth(1)).to_contain_text("leather")
    assert shop.query() == {"q": ["red dress"], "not": ["leather", "long sleeves"]}


def test_a_negative_word_takes_from_products_like_it_and_says_so(shop: Shop) -> None:
    shop.open("/?q=dress&not=red+dress&category=dress")
    expect(shop.cards.first).to_be_visible()
    # Only a weight that took something off is shown, so look at all cards together.
    reasons = shop.page.locator("#grid .why").all_inner_texts()
    taken = [text for text in reasons if "not “red dress” →" in text]
    assert taken and all(re.search("−\\d+\u202f%", text) for text in taken)


def test_without_and_also_add_parts_by_hand(shop: Shop) -> None:
    shop.open("/?q=dress")
    shop.page.get_by_role("button", name="Without").click()
    shop.page.get_by_label("Leave out").fill("red")
    shop.page.get_by_label("Leave out").press("Enter")
    shop.settle()
    shop.page.get_by_role("button", name="Also").click()
    shop.page.get_by_label("Also look for").fill("for summer")
    shop.page.get_by_role("button", name="Add").click()
    shop.settle()
    assert shop.query() == {"q": ["dress", "for summer"], "not": ["red"]}
    expect(shop.words).to_have_value("dress")
    expect(shop.cards.first.locator(".why")).to_contain_text("“for summer” → its")


def test_escape_closes_the_small_input(shop: Shop) -> None:
    shop.open("/?q=dress")
    shop.page.get_by_role("button", name="Without").click()
    shop.page.get_by_label("Leave out").press("Escape")
    expect(shop.page.get_by_label("Leave out")).to_have_count(0)
    expect(shop.page.get_by_role("button", name="Without")).to_be_focused()


def test_weights_step_up_and_down_and_travel_in_the_address(shop: Shop) -> None:
    shop.open("/?q=dress&not=red")
    bodies = asked(shop)
    more = shop.page.get_by_role("button", name="Counts more: “dress”")
    more.click()
    more.click()
    shop.page.get_by_role("button", name="Counts less: “red”").click()
    shop.settle()
    assert bodies[-1]["parts"] == [{"text": "dress", "weight": 2}, {"text": "red", "weight": -0.75}]
    assert shop.query() == {"q": ["dress^2"], "not": ["red^0.75"]}
    more.click()
    expect(more).to_have_attribute("aria-disabled", "true")
    expect(more).to_be_focused()
    shop.page.keyboard.press("Enter")
    assert shop.query()["q"] == ["dress^3"]


def test_a_part_alone_has_no_weight_to_set(shop: Shop) -> None:
    shop.open("/?q=dress")
    expect(shop.chips).to_have_count(1)
    expect(shop.page.get_by_role("button", name="Counts more")).to_have_count(0)


def test_a_part_can_be_turned_into_its_opposite(shop: Shop) -> None:
    shop.open("/?q=dress&like=mug-red")
    shop.page.get_by_role("button", name="Not like “Red mug”").click()
    shop.settle()
    assert shop.query() == {"q": ["dress"], "unlike": ["mug-red"]}
    # The words are now all that is looked for, so they cannot be turned too.
    expect(shop.page.get_by_role("button", name="Not like “dress”")).to_have_count(0)
    shop.page.get_by_role("button", name="Not like “Red mug”").click()
    shop.settle()
    assert shop.query() == {"q": ["dress"], "like": ["mug-red"]}


def test_examples_collect_and_each_can_be_turned_or_removed(shop: Shop) -> None:
    shop.open("/?q=dress")
    bodies = asked(shop)
    titles = []
    for _ in range(2):
        titles.append(shop.titles()[0])
        shop.cards.first.get_by_role("button", name="More like this").click()
        shop.settle()
    titles.append(shop.titles()[2])
    shop.cards.nth(2).get_by_role("button", name="Less like this").click()
    shop.settle()
    expect(shop.chips).to_have_count(4)
    assert [part["weight"] for part in bodies[-1]["parts"]] == [1, 1, 1, -1]
    assert not set(titles) & set(shop.titles())
    for chip, title in zip(range(1, 4), titles, strict=True):
        expect(shop.chips.nth(chip)).to_contain_text(title)
    shop.page.get_by_role("button", name=f"Not like “{titles[1]}”").click()
    shop.settle()
    assert [part["weight"] for part in bodies[-1]["parts"]] == [1, 1, -1, -1]
    shop.page.get_by_role("button", name="Remove “dress”").click()
    shop.settle()
    shop.page.get_by_role("button", name=f"Remove “{titles[2]}”").click()
    shop.settle()
    query = shop.query()
    assert set(query) == {"like", "unlike"} and len(query["like"]) == len(query["unlike"]) == 1
    assert [part["weight"] for part in bodies[-1]["parts"]] == [1, -1]
    assert titles[2] in shop.titles() and not set(titles[:2]) & set(shop.titles())


def test_variety_is_a_switch_that_travels_in_the_address(shop: Shop) -> None:
    shop.open("/?q=dress")
    bodies = asked(shop)
    plain = shop.titles()
    variety = shop.page.get_by_role("button", name="Variety")
    expect(variety).to_have_attribute("aria-pressed", "false")
    variety.click()
    shop.settle()
    expect(variety).to_have_attribute("aria-pressed", "true")
    assert bodies[-1]["diversity"] == 0.6
    assert shop.query() == {"q": ["dress"], "diversity": ["0.6"]}
    varied = shop.titles()
    assert varied[0] == plain[0] and varied != plain
    variety.click()
    shop.settle()
    assert shop.titles() == plain and shop.query() == {"q": ["dress"]}
    shop.open("/?q=dress&diversity=0.6")
    expect(variety).to_have_attribute("aria-pressed", "true")
    assert shop.titles() == varied


def test_removing_the_last_part_leads_to_the_first_screen(shop: Shop) -> None:
    shop.open("/?q=dress&category=dress")
    shop.page.get_by_role("button", name="Remove “dress”").click()
    expect(shop.page.locator(".idea").first).to_be_visible()
    expect(shop.words).to_be_focused()
    assert shop.query() == {}


def test_only_negative_parts_ask_for_something_to_look_for(shop: Shop) -> None:
    shop.open("/?q=dress&not=red")
    bodies = asked(shop)
    shop.page.get_by_role("button", name="Remove “dress”").click()
    expect(shop.page.get_by_role("alert")).to_contain_text("Add words, a photo or a product")
    shop.search("mug")
    parts = [body["parts"] for body in bodies]
    assert parts == [[{"text": "mug", "weight": 1}, {"text": "red", "weight": -1}]]


def test_back_and_forward_bring_query_results_and_box_back(shop: Shop) -> None:
    shop.open()
    shop.search("dress")
    dresses = shop.titles()
    shop.search("mug")
    mugs = shop.titles()
    shop.page.go_back()
    expect(shop.words).to_have_value("dress")
    shop.settle()
    assert shop.titles() == dresses
    shop.page.go_back()
    expect(shop.page.locator(".idea").first).to_be_visible()
    expect(shop.words).to_have_value("")
    shop.page.go_forward()
    shop.page.go_forward()
    expect(shop.words).to_have_value("mug")
    shop.settle()
    assert shop.titles() == mugs


def test_a_shared_address_shows_the_same(shop: Shop) -> None:
    address = "/?q=dress%5E1.5&not=red&like=mug-blue&brand=Aster&price_max=45"
    shop.open(address)
    expect(shop.chips).to_have_count(3)
    expect(shop.chips.nth(0)).to_contain_text("×1.5")
    expect(shop.chips.nth(2)).to_contain_text("Blue mug")
    expect(shop.chips.nth(2).locator("img")).to_be_visible()
    expect(shop.page.get_by_role("checkbox", name=re.compile("^Aster"))).to_be_checked()
    expect(shop.page.get_by_role("button", name="Remove filter price")).to_contain_text("up to 45")
    expect(shop.cards).to_have_count(10)


def test_home_starts_afresh(shop: Shop) -> None:
    shop.open("/?q=dress&not=red&category=dress")
    shop.page.get_by_role("link", name="Vitrine, start page").click()
    expect(shop.page.locator(".idea").first).to_be_visible()
    assert shop.query() == {}


def text(value: str, weight: float = 1) -> dict[str, Any]:
    return {"kind": "text", "value": value, "weight": weight}


def example(value: str, weight: float = 1) -> dict[str, Any]:
    return {"kind": "product", "value": value, "weight": weight}


@pytest.mark.parametrize(
    "state",
    [
        {"parts": [text("red dress")]},
        {"parts": [text("ten^2"), text("x", -0.25)]},
        {"parts": [example("a/b?c&d=e #1", 3), text("é 裙", 2)]},
        {"parts": [example("^1.5", -1)], "item": "q=1&not=2", "fusion": "rrf"},
        {"parts": [text("a")], "filters": {"category": ["x", "y, z"], "attributes.heel": ["hi&lo"]}},
        {"parts": [text("a")], "filters": {"price": {"gte": 0, "lte": 9.5}}},
        {"parts": [text("a"), example("b"), example("c", -2)], "diversity": 0.6},
    ],
)
def test_states_survive_the_way_through_the_address(modules: Page, state: dict[str, Any]) -> None:
    full = {"filters": {}, "item": None, "fusion": None, "diversity": 0, "lost": 0} | state
    back = modules.evaluate(
        """async (state) => {
            const { formatAddress, parseAddress } = await import("/static/state.js");
            return parseAddress(formatAddress(state));
        }""",
        full,
    )
    assert back == full


@pytest.mark.parametrize(
    ("typed", "words", "without"),
    [
        ("t-shirt", "t-shirt", []),
        ("red -dress", "red", ["dress"]),
        ("-a  b", "b", ["a"]),
        ('x -"two words" y', "x y", ["two words"]),
        ("10 - 20", "10 - 20", []),
        ("--", "--", []),
        ("-红色 裙", "裙", ["红色"]),
    ],
)
def test_what_the_box_says_is_read_as_meant(
    modules: Page, typed: str, words: str, without: list[str]
) -> None:
    read = modules.evaluate('async (text) => (await import("/static/state.js")).readWords(text)', typed)
    assert read == {"words": words, "without": without}
