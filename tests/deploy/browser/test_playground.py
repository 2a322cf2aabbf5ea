"""The playground in a real browser: every input, every answer, every barrier."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SEVEN = ROOT / "examples/digits/seven.png"
CLIENTS = ROOT / ".venvs/clients"
ARROW_DOWN, ARROW_RIGHT, DELETE = "\ue015", "\ue014", "\ue017"
ASKED = "document.querySelector('#facts').textContent.includes('Round trip')"
AXE = (
    "axe.run().then((r) => JSON.stringify([r.violations.map((v) =>"
    " [v.id, v.nodes.map((n) => n.html)]), r.passes.length]))"
)
A_SEVEN = [(0.3, 0.2), (0.5, 0.2), (0.7, 0.2), (0.6, 0.45), (0.5, 0.65), (0.45, 0.85)]


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """The page, just loaded; afterwards nothing may have complained or asked another server."""
    browser.look()
    browser.logged("browser")
    browser.requested()
    browser.go(url)
    browser.wait("document.querySelector('#model')?.options.length > 1")
    yield browser
    complaints = [entry for entry in browser.logged("browser") if entry["level"] == "SEVERE"]
    assert [entry["message"] for entry in complaints if "status of 4" not in entry["message"]] == []
    outside = ("data:", "blob:", "about:", "chrome", url)
    assert [asked for asked in browser.requested() if not asked.startswith(outside)] == []


def choose(page: Any, model: str) -> None:
    page.run(
        "const s = document.querySelector('#model');"
        "s.selectedIndex = [...s.options].findIndex((o) => o.textContent.startsWith(arguments[0]));"
        "s.dispatchEvent(new Event('change', { bubbles: true }))",
        model,
    )
    assert page.text("#name") == model


def status_after(page: Any, condition: str = ASKED) -> str:
    page.wait(condition)
    return str(page.text("#status"))


def test_a_drawn_digit_is_answered_with_bars(page: Any) -> None:
    page.draw("#pad", A_SEVEN)
    assert status_after(page).startswith("7, ")
    assert page.run("return document.querySelectorAll('#answer li').length") == 3
    width = page.run("return document.querySelector('#answer .bar').getBoundingClientRect().width")
    assert width > 50
    facts = page.text("#facts")
    for part in ("version 1", "ai-edge-litert", "CPU", "ms"):
        assert part in facts
    page.click("#clear")
    assert page.text("#status") == "The pad is empty."


def test_a_digit_is_drawn_with_the_keyboard_alone(page: Any) -> None:
    page.run("document.querySelector('#pad').focus()")
    page.press(" ", *[ARROW_DOWN] * 8)
    assert page.text("#status") == "The pen is down."
    page.press(" ")
    assert "%" in status_after(page)
    page.press(DELETE)
    assert page.text("#status") == "The pad is empty."


def test_a_picture_is_uploaded_and_top_answers_are_counted(page: Any) -> None:
    page.run("document.querySelector('#top').value = 5")
    page.type("#file", str(SEVEN))
    assert status_after(page).startswith("7, ")
    assert page.run("return document.querySelectorAll('#answer li').length") == 5
    assert page.run("return !document.querySelector('#picture').hidden")


def test_boxes_are_drawn_on_the_picture(page: Any) -> None:
    choose(page, "spots")
    page.type("#file", str(SEVEN))
    assert status_after(page) == "2 found"
    page.wait("document.querySelector('#picture').getAttribute('aria-label').includes('2 boxes')")
    yellow = page.run(
        "const c = document.querySelector('#picture');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return d.filter((v, i) => i % 4 == 2 && v < 30 && d[i - 2] > 240 && d[i - 1] > 200).length"
    )
    assert yellow > 10


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page: Any, way: str) -> None:
    choose(page, "spots")
    page.run(
        "const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));"
        "const data = new DataTransfer();"
        "data.items.add(new File([bytes], 'seven.png', { type: 'image/png' }));"
        "const event = arguments[1] === 'drop' ? new DragEvent('drop', { dataTransfer: data })"
        " : new ClipboardEvent('paste', { clipboardData: data });"
        "(arguments[1] === 'drop' ? document.querySelector('#drop') : document)"
        ".dispatchEvent(event)",
        base64.b64encode(SEVEN.read_bytes()).decode(),
        way,
    )
    assert status_after(page) == "2 found"


def test_the_camera_takes_a_picture(page: Any) -> None:
    choose(page, "spots")
    page.click("#camera")
    page.wait("document.querySelector('#video').videoWidth > 0")
    page.click("#shoot")
    assert status_after(page) == "2 found"
    assert page.run("return document.querySelector('#viewfinder').hidden")


def test_features_have_a_form_with_an_example(page: Any) -> None:
    choose(page, "iris")
    names = page.run(
        "return [...document.querySelectorAll('#columns label')].map((l) => l.textContent)"
    )
    assert len(names) == 3
    page.run("document.querySelectorAll('#columns input')[0].value = 5.5")
    page.click("#send")
    assert status_after(page).startswith("The answer is ")
    sent = page.text("#curl")
    assert "5.5" in sent
    assert "/predict/iris" in sent
    assert "requests.post" in page.text("#python")


def test_text_has_a_box(page: Any) -> None:
    choose(page, "words")
    page.click("#send")
    assert page.text("#status") == "Write a text first."
    page.type("#text", "it's <b>bold</b>")
    page.click("#send")
    assert status_after(page) == "Tensors came: echo."
    assert "'\\''" in page.text("#curl")


def test_tensors_are_json_with_an_example(page: Any) -> None:
    choose(page, "pair")
    page.click("#send")
    assert "total" in status_after(page)
    page.run("document.querySelector('#tensors').value = '{\"inputs\": {}}'")
    page.click("#send")
    page.wait("document.querySelector('#status').classList.contains('bad')")
    assert "lacks the input" in page.text("#status")
    page.run("document.querySelector('#tensors').value = '{'")
    page.click("#send")
    page.wait("document.querySelector('#status').textContent.startsWith('This is not JSON')")


def test_the_report_is_one_link_away(page: Any, url: str) -> None:
    link = page.run("return document.querySelector('#report').href")
    assert link == f"{url}v2/models/digits/versions/1/report"
    choose(page, "pair")
    assert page.run("return document.querySelector('#report').hidden")


def test_a_server_with_a_key_is_asked_again_with_it(browser: Any, locked_url: str) -> None:
    browser.look()
    browser.go(locked_url)
    browser.wait("document.querySelector('#name')?.textContent === 'iris'")
    assert browser.run("return document.querySelector('#choice').hidden")
    browser.click("#send")
    browser.wait("!document.querySelector('#key-wanted').hidden")
    assert "API key is missing" in browser.text("#status")
    assert browser.run("return document.activeElement.id") == "key"
    browser.type("#key", "open-sesame")
    browser.click("#send")
    browser.wait("document.querySelector('#status').textContent.startsWith('The answer is ')")
    assert "TWITE_API_KEY" in browser.text("#curl")
    assert "open-sesame" not in browser.text("main")
    browser.logged("browser")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_it_fits_the_screen(page: Any, width: int, dark: bool, tmp_path: Path) -> None:
    page.look(width=width, height=844, dark=dark)
    for model in ("digits", "iris", "words", "spots", "pair"):
        choose(page, model)
        assert page.run("return document.documentElement.scrollWidth") <= width, model
    choose(page, "digits")
    page.draw("#pad", A_SEVEN)
    status_after(page)
    colour = page.run("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, colour.strip("rgb()").split(",")[:3]))
    assert (lightness < 200) is dark
    page.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").stat().st_size > 10_000


@pytest.mark.skipif(
    not CLIENTS.exists(),
    reason="cannot run here: .venvs/clients is not there; make .venvs/clients/.made",
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_barrier(page: Any, dark: bool) -> None:
    (axe,) = CLIENTS.glob("lib/python*/site-packages/axe_playwright_python/axe.min.js")
    page.look(dark=dark)
    page.devtools("Page.setBypassCSP", enabled=True)
    page.devtools("Runtime.evaluate", expression=axe.read_text())
    for model in ("digits", "iris", "words", "spots", "pair"):
        choose(page, model)
        if model == "digits":
            page.draw("#pad", A_SEVEN)
            status_after(page)
        found = page.devtools("Runtime.evaluate", expression=AXE, awaitPromise=True)
        violations, passed = json.loads(found["result"]["value"])
        assert violations == [], model
        assert passed > 10
