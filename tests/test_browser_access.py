"""Every widget in JupyterLab for people who use a keyboard, a screen reader, large
type, few colours or no motion.

What axe finds in JupyterLab itself is not ours; in our widgets nothing may be found,
also not in the controls of ipywidgets. Screen readers themselves are not run here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import LabNotebook, LabServer, write_fresh
from browser_page import require_chromium
from widget_gallery import STARTS, WIDGETS, access_script, axe_script, notebook

pytestmark = pytest.mark.browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
REPORT = ".jp-OutputArea-output .jp-RenderedHTML, .jp-RenderedHTMLCommon:has(b)"
FOCUSABLE = (
    "button:not(:disabled), select:not(:disabled), input:not(:disabled), "
    ".noUi-handle[tabindex='0'], .widget-readout[contenteditable='true'], "
    "[tabindex='0']:not(.noUi-handle)"
)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabNotebook]:
    """All widgets on one page, each run to its end, started by keyboard."""
    require_chromium()
    folder, root = (tmp_path_factory.mktemp(name) for name in ("jupyter", "root"))
    cells = write_fresh(notebook(), root / "gallery.ipynb")
    with LabServer.serve(root, folder) as server:
        server.wait()
        with LabNotebook(server, "gallery.ipynb", code_cells=cells) as lab:
            lab.page.set_viewport_size({"width": 1280, "height": 2400})
            lab.run_all()
            for number, (name, (button, _)) in enumerate(STARTS.items()):
                run = lab.page.locator(f".shown-{name} button:has-text('{button}')")
                run.first.press(("Enter", "Space")[number % 2])
            for name, (_, words) in STARTS.items():
                lab.page.wait_for_selector(
                    f".shown-{name} .tts-status:has-text('{words}')"
                )
            lab.page.evaluate(axe_script())
            lab.page.evaluate(access_script())
            yield lab
            lab.assert_clean()
        server.shut_down_kernels()


@pytest.fixture
def page(gallery: LabNotebook) -> Iterator:
    """The page, in the light theme and at its usual size before and after."""
    yield gallery.page
    gallery.page.emulate_media(reduced_motion="null", forced_colors="null")
    gallery.page.set_viewport_size({"width": 1280, "height": 2400})


def in_theme(page, name: str) -> None:
    """Choose one of JupyterLab's own themes from its menu."""
    light = "true" if name == "JupyterLab Light" else "false"
    if page.get_attribute("body", "data-jp-theme-light") == light:
        return
    page.click("li.lm-MenuBar-item:has-text('Settings')")
    page.click("li.lm-Menu-item:has-text('Theme')")
    exact = page.get_by_text(name, exact=True)
    page.locator("li.lm-Menu-item").filter(has=exact).last.click()
    page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
    page.wait_for_timeout(300)  # the theme's own transitions


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing(page, theme, artifacts: Path) -> None:
    in_theme(page, theme)
    try:
        found = {}
        for name in WIDGETS:
            root = page.locator(f".shown-{name}")
            root.screenshot(path=artifacts / f"access_{theme[11:].lower()}_{name}.png")
            found[name] = page.evaluate("window.ttsAxe", [f".shown-{name}", TAGS])
        found["report"] = page.evaluate("window.ttsAxe", [REPORT, TAGS])
        assert {name: own for name, own in found.items() if own} == {}
        # axe skips text in pictures
        pale = page.evaluate("window.ttsPale", [".tts-widget", 4.5])
        assert pale == []
    finally:
        in_theme(page, "JupyterLab Light")


def test_every_picture_has_words(page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.tts-widget svg')].filter((svg) =>
            svg.getAttribute('aria-hidden') !== 'true' &&
            !(svg.getAttribute('role') && svg.getAttribute('aria-label')?.length > 20)
        ).map((svg) => svg.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


@pytest.mark.parametrize("name", WIDGETS)
def test_tab_reaches_everything_and_shows_where_it_is(page, name) -> None:
    expected = page.evaluate("window.ttsBegin", [f".shown-{name}", FOCUSABLE])
    assert expected > 3
    for _ in range(expected + 12):  # what stands in between may be JupyterLab's own
        page.keyboard.press("Tab")
        if not page.evaluate("window.ttsStep()"):
            break
    walked = page.evaluate("window.ttsEnd()")
    assert walked["missed"] == []
    assert walked["unseen"] == []  # no difference between focused and not
    assert walked["nameless"] == []
    assert walked["left"], "Tab never left the widget"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("window.ttsInside()"), "Shift+Tab does not come back"


@pytest.mark.parametrize("name", ["coverage", "race", "allocation", "exchange"])
def test_points_of_a_picture_say_their_numbers_under_the_keyboard(page, name) -> None:
    pictures = page.locator(f".shown-{name} svg:has([tabindex])")
    for i in range(pictures.count()):
        picture = pictures.nth(i)
        items = picture.locator("[tabindex]")
        assert picture.locator("[tabindex='0']").count() == 1
        picture.locator("[tabindex='0']").focus()
        page.keyboard.press("Home")
        seen = []
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
            page.keyboard.press(key)
            seen.append(page.evaluate("window.ttsSaid()"))
        labels = [items.nth(k).get_attribute("aria-label") for k in (1, 2, 1)]
        assert [one["label"] for one in seen] == labels
        # what the mouse shows is shown: below the point, or in the picture
        for one in seen:
            assert one["label"] in (one["tip"], one["drawn"]), one
        page.keyboard.press("End")
        last = items.count() - 1
        said = page.evaluate("window.ttsSaid()")
        assert said["label"] == items.nth(last).get_attribute("aria-label")
        page.keyboard.press("Escape")
        assert page.evaluate("window.ttsSaid()")["tip"] == ""


def test_arrow_keys_walk_the_tree_and_a_new_tree_keeps_the_place(page) -> None:
    nodes = page.locator(".shown-lab [role=treeitem]")
    levels = [int(one.get_attribute("aria-level")) for one in nodes.all()]
    # not a first child, so that the line before it is not its parent
    child = next(i for i in range(2, len(levels)) if levels[i] == levels[i - 1] == 3)
    nodes.first.focus()
    for _ in range(child):
        page.keyboard.press("ArrowDown")

    def focused() -> str:
        return page.evaluate("document.activeElement.getAttribute('aria-label')")

    deep = focused()
    assert deep == nodes.nth(child).get_attribute("aria-label")
    page.keyboard.press("ArrowLeft")
    parent = max(i for i in range(child) if levels[i] == 2)
    assert focused() == nodes.nth(parent).get_attribute("aria-label")
    page.keyboard.press("ArrowRight")
    assert focused() == nodes.nth(parent + 1).get_attribute("aria-label")
    # the same search again, without moving the focus; what is said meanwhile
    page.evaluate("window.ttsListen('.shown-lab')")
    run = page.locator(".shown-lab button:has-text('Run')")
    run.evaluate("(button) => button.click()")
    page.wait_for_function("window.ttsHeard.at(-1)?.includes('Done in')")
    heard = page.evaluate("window.ttsHeard")
    assert len(heard) <= 3, heard
    assert page.evaluate("document.activeElement.getAttribute('role')") == "treeitem"


def test_a_line_that_ticks_is_not_announced_each_time(page) -> None:
    page.evaluate("window.ttsListen('.shown-thinking')")
    page.evaluate("window.ttsTick('.shown-thinking', 12)")
    page.wait_for_function("window.ttsHeard.at(-1)?.includes('ticked 12 times')")
    assert len(page.evaluate("window.ttsHeard")) <= 2


def test_cancel_by_keyboard(page) -> None:
    root = page.locator(".shown-coverage")
    samples = root.locator(".widget-slider:has(label:text-is('Samples')) .noUi-handle")
    samples.press("End")
    page.wait_for_function(
        "(handle) => handle.getAttribute('aria-valuetext') === '10,000'",
        arg=samples.element_handle(),
    )
    root.locator("button:has-text('Run')").press("Enter")
    page.wait_for_selector(".shown-coverage .tts-status[aria-busy=true]")
    page.wait_for_selector(".shown-coverage button:has-text('Cancel'):enabled")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Cancel"
    page.keyboard.press("Space")
    page.wait_for_selector(".shown-coverage .tts-status:has-text('Cancelled')")
    # Cancel cannot be pressed any more, and the keyboard is not lost with it
    page.wait_for_function(
        "document.activeElement.closest('.shown-coverage') && "
        "document.activeElement.textContent.trim() === 'Run'"
    )


def test_nothing_moves_where_motion_is_not_wanted(page) -> None:
    moving = page.add_style_tag(content=".tts-widget button { transition: all 3s }")
    count = """() => [...document.querySelectorAll('.tts-widget, .tts-widget *')]
            .filter((one) => {
                const style = getComputedStyle(one);
                return one.getAnimations().length || style.animationName !== 'none' ||
                    style.transitionDuration.split(', ').some((t) => t !== '0s');
            }).map((one) => one.className.baseVal ?? one.className)"""
    assert page.evaluate(count) != []
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(count) == []
    moving.evaluate("(style) => style.remove()")


def test_pictures_stay_visible_in_a_systems_few_colours(page, artifacts: Path) -> None:
    page.emulate_media(forced_colors="active")
    assert page.evaluate("window.ttsPale", [".tts-widget", 4.5]) == []
    faint = page.evaluate(
        "window.ttsFaint", [".tts-curve, .tts-dot, .tts-bar rect, .tts-mark", 3]
    )
    assert faint == []
    for name in ("allocation", "adaptation", "exchange"):
        shown = page.locator(f".shown-{name}")
        shown.screenshot(path=artifacts / f"access_forced_{name}.png")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_at_200_percent_nothing_is_cut_off(page, theme, artifacts: Path) -> None:
    in_theme(page, theme)
    try:
        # 1280 x 900 at 200 %: half as many CSS pixels each way
        page.set_viewport_size({"width": 640, "height": 450})
        collapse(page)
        assert page.evaluate("window.ttsWide()") == []
        page.set_viewport_size({"width": 640, "height": 2600})  # to look at
        for name in WIDGETS:
            path = artifacts / f"access_zoom_{theme[11:].lower()}_{name}.png"
            page.locator(f".shown-{name}").screenshot(path=path)
    finally:
        in_theme(page, "JupyterLab Light")


def collapse(page) -> None:
    """Close JupyterLab's side bar, as everyone would at that size."""
    if page.locator("#jp-left-stack").is_visible():
        page.keyboard.press("Control+b")
        page.wait_for_selector("#jp-left-stack", state="hidden")
    page.wait_for_timeout(300)
