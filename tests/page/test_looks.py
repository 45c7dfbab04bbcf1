"""Looks and reach: keyboard only, phones, dark mode, contrast, names for screen readers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import Shop

#: Visible text whose contrast to what lies behind it is below WCAG 2.2 AA (1.4.3).
FAINT = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const parse = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((value, i) => value * a + under[i] * (1 - a));
    const light = (rgb) => {
        const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = rgb.map((value) => linear(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            layers.push(parse(getComputedStyle(at).backgroundColor));
        }
        return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode;
        const element = text.parentElement;
        const unread = ".unseen, .sprite, noscript, .skip, [disabled]";
        if (!text.textContent.trim() || element.closest(unread)) continue;
        if (!element.checkVisibility({ visibilityProperty: true })) continue;
        const style = getComputedStyle(element);
        const under = ground(element);
        const [a, b] = [light(over(parse(style.color), under)), light(under)].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < (large ? 3 : 4.5)) faint.push(`${text.textContent.trim()}: ${ratio.toFixed(2)}`);
    }
    return faint;
}"""
SCHEMES = pytest.mark.parametrize(
    "shop", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True
)
PHONE = pytest.mark.parametrize(
    "shop",
    [
        {
            "viewport": {"width": 320, "height": 640},
            "is_mobile": True,
            "has_touch": True,
            "device_scale_factor": 2,
        }
    ],
    indirect=True,
)


@SCHEMES
def test_all_text_stands_out_from_its_ground(shop: Shop) -> None:
    shop.open()
    assert shop.page.evaluate(FAINT) == []
    shop.open("/?q=dress&not=red&like=mug-blue&category=dress&photos=1")
    expect(shop.page.get_by_role("group", name="Category")).to_be_visible()
    expect(shop.chips.nth(2)).to_contain_text("Blue mug")
    assert shop.page.evaluate(FAINT) == []
    shop.cards.first.get_by_role("link").click()
    expect(shop.dialog).to_be_visible()
    assert shop.page.evaluate(FAINT) == []


@pytest.mark.parametrize("shop", [{"color_scheme": "dark"}], indirect=True)
def test_dark_mode_follows_the_system(shop: Shop) -> None:
    shop.open("/?q=dress")
    grounds = (
        "['html', '.box', '.tile'].map((s) => getComputedStyle(document.querySelector(s)).backgroundColor)"
    )
    for colour in shop.page.evaluate(grounds):
        assert all(int(value) < 64 for value in re.findall(r"\d+", colour)[:3])
    shop.page.emulate_media(color_scheme="light")
    for colour in shop.page.evaluate(grounds):
        assert all(int(value) > 192 for value in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize("shop", [{"reduced_motion": "reduce"}], indirect=True)
def test_nothing_moves_for_those_who_asked_for_stillness(shop: Shop) -> None:
    shop.open("/?q=dress")
    slowest = shop.page.evaluate(
        """() => Math.max(...[...document.querySelectorAll("*")].flatMap((element) =>
            ["transitionDuration", "animationDuration"].flatMap((property) =>
                getComputedStyle(element)[property].split(",").map(parseFloat))))"""
    )
    assert slowest <= 0.001


@PHONE
def test_a_narrow_phone_never_scrolls_sideways(shop: Shop) -> None:
    sideways = "document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth"
    shop.open()
    assert not shop.page.evaluate(sideways)
    shop.open("/?q=dress&not=a+very+long+thing+nobody+would+want+to+have&like=long&brand=Aster&photos=1")
    expect(shop.page.get_by_role("button", name="Filters (1)")).to_be_visible()
    assert not shop.page.evaluate(sideways)
    lefts = {round(box["x"]) for card in shop.cards.all() if (box := card.bounding_box())}
    assert len(lefts) == 2
    shop.page.get_by_role("button", name="Filters (1)").tap()
    expect(shop.page.get_by_role("group", name="Category")).to_be_visible()
    assert not shop.page.evaluate(sideways)
    shop.cards.first.get_by_role("link").tap()
    expect(shop.dialog).to_be_visible()
    assert not shop.page.evaluate(sideways)
    assert shop.dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


@PHONE
def test_filters_fold_away_on_a_phone(shop: Shop) -> None:
    shop.open("/?q=dress")
    toggle = shop.page.get_by_role("button", name="Filters")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    expect(shop.page.get_by_role("group", name="Category")).to_be_hidden()
    toggle.tap()
    shop.page.get_by_role("checkbox", name=re.compile("^mug")).tap()
    shop.settle()
    expect(shop.cards).to_have_count(6)
    expect(shop.page.get_by_role("button", name="Filters (1)")).to_have_attribute("aria-expanded", "true")


@PHONE
def test_things_to_tap_are_large_enough(shop: Shop) -> None:
    shop.open("/?q=dress&not=red")
    small = shop.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input:not(.unseen)")].flatMap((element) => {
            // Labels around checkboxes and cards around their links are what is tapped.
            const target = element.closest("label, .card") ?? element;
            const box = (element.matches("a, [type=checkbox]") ? target : element).getBoundingClientRect();
            if (!box.width || element.matches(".skip")) return [];
            const small = box.width < 24 || box.height < 24; // WCAG 2.2 AA, 2.5.8
            return small ? [`${element.outerHTML.slice(0, 80)} ${box.width}x${box.height}`] : [];
        })"""
    )
    assert small == []


def test_the_keyboard_alone_is_enough(shop: Shop) -> None:
    shop.open()
    keys = shop.page.keyboard
    keys.press("/")
    expect(shop.words).to_be_focused()
    keys.type("red dress")
    keys.press("Enter")
    shop.settle()
    keys.press("ArrowDown")

    def link(index: int) -> Locator:
        return shop.cards.nth(index).get_by_role("link")

    expect(link(0)).to_be_focused()
    columns = shop.page.evaluate(
        "getComputedStyle(document.querySelector('#grid')).gridTemplateColumns.split(' ').length"
    )
    assert columns > 1
    keys.press("ArrowRight")
    expect(link(1)).to_be_focused()
    keys.press("ArrowDown")
    expect(link(1 + columns)).to_be_focused()
    keys.press("ArrowLeft")
    expect(link(columns)).to_be_focused()
    keys.press("ArrowUp")
    expect(link(0)).to_be_focused()
    keys.press("End")
    expect(link(23)).to_be_focused()
    keys.press("Home")
    expect(link(0)).to_be_focused()
    keys.press("Enter")
    expect(shop.dialog).to_be_visible()
    keys.press("Escape")
    expect(shop.dialog).to_be_hidden()
    expect(link(0)).to_be_focused()
    keys.press("Tab")
    expect(shop.cards.nth(0).get_by_role("button", name="More like this")).to_be_focused()
    keys.press("Enter")
    shop.settle()
    expect(shop.chips).to_have_count(2)
    keys.press("/")
    expect(shop.words).to_be_focused()


def test_a_slash_in_the_box_is_a_slash(shop: Shop) -> None:
    shop.open()
    shop.words.press_sequentially("w/o")
    expect(shop.words).to_have_value("w/o")


def test_tab_reaches_every_control_and_shows_where_it_is(shop: Shop) -> None:
    shop.open("/?q=dress&not=red&category=mug")
    expect(shop.page.get_by_role("group", name="Category")).to_be_visible()
    wanted = shop.page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("a[href], button, input")].filter((element) =>
                element.checkVisibility() && element.tabIndex >= 0 && !element.disabled);
            all.forEach((element, index) => { element.dataset.stop = index; });
            return all.length;
        }"""
    )
    reached = set()
    unmarked = []
    for _ in range(wanted):
        shop.page.keyboard.press("Tab")
        stop, marked, name = shop.page.evaluate(
            """() => {
                const element = document.activeElement;
                const marks = [element, element.closest(".card"), element.closest(".box")].filter(Boolean);
                const marked = marks.some((mark) => {
                    const style = getComputedStyle(mark);
                    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)
                        || (mark.matches(".box") && style.boxShadow !== "none");
                });
                return [element.dataset.stop, marked, element.outerHTML.slice(0, 80)];
            }"""
        )
        reached.add(stop)
        if not marked:
            unmarked.append(name)
    assert len(reached) == wanted
    assert unmarked == []


def test_skip_link_leads_past_the_top(shop: Shop) -> None:
    shop.open("/?q=dress")
    shop.page.keyboard.press("Tab")
    expect(shop.page.get_by_role("link", name="Skip to the results")).to_be_focused()
    shop.page.keyboard.press("Enter")
    expect(shop.page.get_by_role("main")).to_be_focused()
    assert shop.query() == {"q": ["dress"]}


def test_everything_has_a_name_for_screen_readers(shop: Shop) -> None:
    shop.open("/?q=dress&not=red&like=mug-blue&category=dress")
    expect(shop.page.get_by_role("group", name="Category")).to_be_visible()
    expect(shop.status).to_have_attribute("aria-live", "polite")
    nameless = shop.page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, img, [role=img]")].filter((element) => {
            // The thumbnail of a chip stands beside the same product's title.
            if (element.matches("[aria-hidden=true], .thumb")) return false;
            const given = element.getAttribute("aria-label") ?? element.getAttribute("alt");
            const name = (given ?? element.textContent) + (element.labels?.[0]?.textContent ?? "");
            return !name.trim();
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    assert shop.page.evaluate("new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == (
        shop.page.locator("[id]").count()
    )
