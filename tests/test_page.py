"""The page of a search in a real browser: what it shows, that it asks for nothing, that it needs no mouse and no large screen."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from nas import Architecture, spaces
from nas.report.page.render import Page, render
from tests import browser as browsers
from tests.browser import Browser
from tests.pagedata import ASSETS, codes, decide, page_data

CHARTS = ("progress", "scatter", "options", "operations", "curves")
SECTIONS = ("winner", "progress", "trials", "worth", "operations", "lineage", "curves", "failures", "budget", "settings")
SHOWN = "[...document.querySelectorAll('#trial-table tbody tr[data-number]')].map((row) => Number(row.dataset.number))"
OPEN = "!document.getElementById('detail').hidden"
FOCUS = "document.activeElement"
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>\'"&amp;`${1}\u202etfel\u0000' + "x" * 10_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; what each is told of sizes and schemes it sets itself."""
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """A search of the usual kind."""
    return page_data("nasnet-cell", 60)


def show(browser: Browser, data: dict[str, Any], folder: Path, width: int = 1280, scheme: str = "light") -> None:
    """Open the page of these data from disk, as somebody would who was sent it."""
    browser.size(width)
    browser.scheme(scheme)
    path = folder / "page.html"
    path.write_text(render(data), encoding="utf-8")
    browser.open(path.as_uri())
    browser.js("localStorage.clear()")


def draw(browser: Browser) -> None:
    """Draw the charts that are not on the screen, too."""
    browser.js("nasReport.drawAll()")


def quiet(browser: Browser) -> None:
    """Nothing was said on the console: no error, no warning, no violation of the page's policy."""
    assert browser.logs() == []


def press(browser: Browser, *keys: str) -> None:
    """Press keys where the focus is."""
    ActionChains(browser.driver).send_keys(*keys).perform()


def complete(data: dict[str, Any]) -> list[int]:
    """Trials that have a value."""
    return [number for number, state in enumerate(data["trials"]["state"]) if state == "C"]


def numbers(browser: Browser, chart: str) -> set[int]:
    """The trials that a chart shows."""
    return set(browser.js(f"document.getElementById('chart-{chart}').data.flatMap((trace) => trace.customdata || [])")) - {None}


@pytest.fixture(scope="module")
def opened(browser: Browser, data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Browser]:
    """A page that is handed other data, as it is during a search; it is opened anew when another test has opened one."""
    path = tmp_path_factory.mktemp("opened") / "page.html"
    path.write_text(render(data), encoding="utf-8")

    def hand(other: dict[str, Any]) -> Browser:
        if browser.driver.current_url != path.as_uri():
            browser.size(1280)
            browser.scheme("light")
            browser.open(path.as_uri())
        browser.js("(nasReport.close(), nasReport.load(arguments[0]), nasReport.paintFamilies(), nasReport.emit('data'))", other)
        return browser

    return hand


# --- one file, no network ---


def test_opens_from_disk_silently(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.requests()
    draw(browser)
    browser.js("nasReport.select(5)")
    quiet(browser)
    browser.open((tmp_path / "page.html").as_uri())
    asked = [url for url in browser.requests() if not url.startswith(("data:", "blob:", "about:"))]
    assert asked == [(tmp_path / "page.html").as_uri()]
    assert browser.js("document.title") == "nas search: nasnet-cell-run"


def test_the_policy_forbids_the_network(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    load = "Object.assign(new Image(), {onerror: done, onload: fail, src: 'https://example.org/x.png'})"
    browser.wait(f"new Promise((done, fail) => {load})")
    assert "violates the following Content Security Policy" in " ".join(browser.logs())


@pytest.mark.slow
def test_size_with_five_thousand_trials_and_speed(browser: Browser, tmp_path: Path) -> None:
    made = page_data("nas-bench-201", 5000)
    show(browser, made, tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 8e6
    # Measured 0.4 to 1.9 seconds; the limit leaves room for a busy machine.
    assert browser.js("performance.getEntriesByType('navigation')[0].domInteractive") < 10_000
    draw(browser)
    assert len(numbers(browser, "scatter")) == sum(state in "CF" for state in made["trials"]["state"])
    assert len(browser.js(SHOWN)) == 25
    quiet(browser)


def test_what_is_vendored_has_its_licence() -> None:
    for script in (ASSETS / "vendor").glob("*.js"):
        assert "Permission is hereby granted" in script.with_name(f"{script.name.split('.')[0]}.LICENSE").read_text()


def test_a_missing_browser_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(AssertionError, match="apt-get install chromium chromium-driver"):
        browsers.program("chromium")


# --- what it shows ---


def test_every_section_and_chart_has_its_data(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    draw(browser)
    assert browser.js("[...document.querySelectorAll('main > section')].map((section) => section.id)") == list(SECTIONS)
    assert browser.js("[...document.querySelectorAll('#nav .links a')].map((link) => link.hash.slice(1))") == list(SECTIONS)
    for chart in CHARTS:
        drawn = f"document.querySelectorAll('#chart-{chart} .main-svg .trace, #chart-{chart} .main-svg .fills path').length"
        assert browser.js(drawn) > 0, chart
    failed = [number for number, state in enumerate(data["trials"]["state"]) if state == "F"]
    assert numbers(browser, "scatter") == {*complete(data), *failed}
    assert numbers(browser, "progress") == set(complete(data))
    assert numbers(browser, "curves") >= {number for number, curve in enumerate(data["trials"]["curve"]) if curve}
    assert browser.js("document.querySelector('#winner svg title').textContent") == "Architecture of nasnet-cell"
    assert browser.js("document.querySelectorAll('#failures tbody tr').length") == 2


def test_best_so_far_is_a_step_to_the_end_of_the_budget(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    draw(browser)
    trace = browser.js("document.getElementById('chart-progress').data.find((trace) => trace.name === 'best so far')")
    trials, best, expected = data["trials"], 0.0, []
    for number in complete(data):
        if trials["stopped"][number] is None and trials["values"][0][number] > best:
            best = trials["values"][0][number]
            expected.append(number)
    assert trace["customdata"] == expected
    assert trace["line"]["shape"] == "hv"
    assert trace["y"][-1] == best
    assert trace["x"][-1] == pytest.approx(max(trials["clock"]) / 3600)
    browser.js("document.querySelector('#progress [data-key=order]').click()")
    draw(browser)
    trace = browser.js("document.getElementById('chart-progress').data.find((trace) => trace.name === 'best so far')")
    assert trace["x"][:-1] == [trials["order"][number] + 1 for number in expected]


@pytest.mark.parametrize("maximise", [True, False])
def test_a_value_far_out_does_not_press_the_others_into_a_line(browser: Browser, tmp_path: Path, maximise: bool) -> None:
    made = copy.deepcopy(page_data("tiny", 40, baselines=[]))
    made["control"] = made["confirmed"] = None
    sign = 1.0 if maximise else -1.0
    kept = complete(made)
    for place, number in enumerate(kept):
        made["trials"]["values"][0][number] = sign * (0.98 + 0.0002 * place)
    made["trials"]["values"][0][kept[3]] = sign * 0.4
    made["goals"][0] |= {"maximise": maximise, "fraction": False, "unit": ""}
    show(browser, made, tmp_path)
    draw(browser)
    for chart in ("progress", "scatter"):
        low, high = browser.js(f"document.getElementById('chart-{chart}')._fullLayout.yaxis.range")
        assert high - low < 0.05, chart
        for number in kept:
            assert (low <= made["trials"]["values"][0][number] <= high) == (number != kept[3])
        assert "1 trial further" in browser.js(f"document.getElementById('chart-{chart}').textContent")
    quiet(browser)


def test_the_front_is_that_of_what_is_shown(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    trials = data["trials"]

    def front(cost: str, among: list[int]) -> list[float]:
        found: list[float] = []
        for number in sorted(among, key=lambda n: (trials[cost][n], -trials["values"][0][n])):
            if not found or trials["values"][0][number] > found[-1]:
                found.append(trials["values"][0][number])
        return found

    among = [number for number in complete(data) if trials["stopped"][number] is None]
    trace = "document.getElementById('chart-scatter').data.find((trace) => trace.name === 'Pareto front')"
    draw(browser)
    assert browser.js(f"{trace}.y") == front("macs", among)
    browser.js("(nasReport.state.x = 'params', nasReport.emit('view'), nasReport.setFilter({how: 'sample'}), nasReport.drawAll())")
    sampled = [number for number in among if data["strings"][trials["how"][number]] == "sample"]
    assert browser.js(f"{trace}.y") == front("params", sampled)


def test_operations_are_shares_of_what_was_tried(opened: Callable[[dict[str, Any]], Browser], data: dict[str, Any]) -> None:
    browser = opened(data)
    draw(browser)
    traces = browser.js("document.getElementById('chart-operations').data.map((trace) => [trace.name, trace.y])")
    for column in zip(*[shares for _, shares in traces], strict=True):
        assert sum(column) == pytest.approx(1)
    decisions = data["space"]["decisions"]
    made = [
        item["short"][code - 1]
        for number in range(5)
        for item, code in zip(decisions, codes(data, number), strict=True)
        if item["kind"] == "operation"
    ]
    for name, shares in traces:
        assert shares[0] == pytest.approx(made.count(name) / len(made)), name


def test_a_decision_shows_the_values_of_its_options(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.js("document.querySelectorAll('.worth')[1].click()")
    draw(browser)
    index = data["importance"]["rows"][1][0]
    trials = data["trials"]
    among = [number for number in complete(data) if trials["stopped"][number] is None]
    assert numbers(browser, "options") == set(among)
    options = data["space"]["decisions"][index]["short"]
    for trace in browser.js("document.getElementById('chart-options').data"):
        option = next(i for i, label in enumerate(options) if trace["name"].startswith(f"{label} ("))
        assert all(codes(data, number)[index] == option + 1 for number in trace["customdata"])


# --- one trial ---


# Where the point of a trial is on the screen.
PLACE = """(() => {
  const plot = document.getElementById('chart-scatter');
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const trace = plot.data.find((item) => (item.customdata || []).includes(arguments[0]));
  const i = trace.customdata.indexOf(arguments[0]);
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + yaxis._offset + yaxis.d2p(trace.y[i])];
})()"""


def test_a_click_on_a_point_shows_its_architecture(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.js("document.getElementById('chart-scatter').scrollIntoView({block: 'center', behavior: 'instant'})")
    draw(browser)
    number = browser.js("nasReport.onFront().values().next().value")
    x, y = browser.js(PLACE, number)
    pointer = ActionChains(browser.driver, duration=50)
    pointer.w3c_actions.pointer_action.move_to_location(int(x) - 3, int(y)).move_to_location(int(x), int(y)).pause(0.2).click()
    pointer.perform()
    assert browser.js(OPEN)
    assert browser.js("document.getElementById('detail-title').textContent").startswith(f"Trial {number} ")
    architecture = decide(data, number, spaces.load("nasnet-cell"))
    shown = browser.js("document.querySelector('#detail pre').textContent")
    assert Architecture.from_yaml(shown).digest == architecture.digest
    edges = sum(len(node.edges) for cell in architecture.cells for node in cell.op.nodes)
    assert browser.js("document.querySelectorAll('#detail .picture .op').length") == edges
    assert len(numbers(browser, "scatter")) > 0
    quiet(browser)


def test_copy_puts_the_yaml_on_the_clipboard(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.js("nasReport.select(7)")
    button = browser.driver.find_element(By.CSS_SELECTOR, "#detail .yaml .copy")
    button.click()
    browser.wait("new Promise((done) => setTimeout(done, 100))")
    assert button.text == "Copied"
    browser.js("document.body.append(Object.assign(document.createElement('textarea'), {id: 'pasted'}))")
    browser.driver.find_element(By.ID, "pasted").send_keys(Keys.CONTROL, "v")
    assert browser.js("document.getElementById('pasted').value") == browser.js("nasReport.yaml(7)")


def test_parents_and_children_are_a_click_away(opened: Callable[[dict[str, Any]], Browser], data: dict[str, Any]) -> None:
    browser = opened(data)
    child = next(number for number, parent in enumerate(data["trials"]["parent"]) if parent is not None)
    parent = data["trials"]["parent"][child]
    browser.js("nasReport.select(arguments[0])", child)
    row = "document.querySelector('#detail section tbody tr')"
    cells = browser.js(f"[...{row}.cells].map((cell) => cell.textContent)")
    space = spaces.load("nasnet-cell")
    before, after = (space.decode_vector(tuple(codes(data, number))) for number in (parent, child))
    assert [cells] == [[name, str(before[name]), str(after[name])] for name in after if before[name] != after[name]]
    link = "[...document.querySelectorAll('#detail .link')].find((link) => link.textContent === arguments[0])"
    browser.js(f"{link}.click()", f"trial {parent}")
    assert browser.js("nasReport.state.selected") == parent
    browser.js(f"{link}.click()", str(child))
    assert browser.js("nasReport.state.selected") == child


@pytest.mark.parametrize("name", spaces.names())
def test_the_page_writes_every_space_as_python_does(opened: Callable[[dict[str, Any]], Browser], name: str) -> None:
    made, space = page_data(name, 8, seed=1), spaces.load(name)
    browser = opened(made)
    digests = [decide(made, number, space).digest for number in range(8)]
    texts, plain = browser.js("[[0, 1, 2, 3, 4, 5, 6, 7].map(nasReport.yaml), [0, 1, 2, 3, 4, 5, 6, 7].map(nasReport.data)]")
    assert [Architecture.from_yaml(text).digest for text in texts] == digests
    assert [Architecture.from_dict(data).digest for data in plain] == digests
    browser.js("nasReport.select(0)")
    assert "cannot be shown" not in browser.js("document.getElementById('detail').textContent")
    architecture = decide(made, 0, space)
    cells = sum(len(node.edges) for cell in architecture.cells if cell.op.name == "cell" for node in cell.op.nodes)
    layers = sum(len(block.op.layers) for stage in architecture.stages for block in stage if block.op.name == "layers")
    assert browser.js("document.querySelectorAll('#detail .picture .op').length") == cells + layers
    assert browser.js("[...document.querySelectorAll('.picture text, .picture rect')].every((node) => Number.isFinite(node.getBBox().x))")
    quiet(browser)


# --- filter, table, keyboard ---


def test_the_filter_acts_on_all_charts_and_the_table(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    box = browser.driver.find_element(By.ID, "filter-text")
    box.send_keys("normal.nodes[0][0].op=sep_conv_5x5")
    browser.wait("new Promise((done) => setTimeout(done, 400))")
    draw(browser)
    index = next(i for i, decision in enumerate(data["space"]["decisions"]) if decision["name"] == "normal.nodes[0][0].op")
    code = data["space"]["decisions"][index]["options"].index("sep_conv_5x5") + 1
    kept = {number for number in range(60) if codes(data, number)[index] == code}
    assert 0 < len(kept) < 60
    assert set(browser.js("nasReport.shown().map((row) => row.number)")) == kept
    assert set(browser.js(SHOWN)) <= kept
    marks = "document.getElementById('chart-scatter').data.filter((trace) => trace.name !== 'winner')"
    assert set(browser.js(f"{marks}.flatMap((trace) => trace.customdata || [])")) == kept
    assert numbers(browser, "options") <= kept
    assert f"{len(kept)} of 60 trials" == browser.js("document.querySelector('.filter output').textContent")
    assert browser.js("document.querySelector('.chip').textContent") == f"Filter: {len(kept)} of 60"
    browser.js("[...document.querySelectorAll('.filter button')].find((button) => button.textContent === 'Clear filter').click()")
    assert len(browser.js("nasReport.shown()")) == 60
    assert browser.js("document.getElementById('filter-text').value") == ""


def test_ranges_of_value(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    least = browser.driver.find_element(By.CSS_SELECTOR, "[aria-label='accuracy, at least']")
    expected = {number for number in complete(data) if data["trials"]["values"][0][number] >= 0.9}
    for text in ("0.9", "90%", "90"):
        least.clear()
        least.send_keys(text)
        assert set(browser.js("nasReport.shown().map((row) => row.number)")) == expected, text


def test_ranges_of_cost_and_the_front(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    box = browser.driver.find_element(By.CSS_SELECTOR, "[aria-label='parameters, at most']")
    box.send_keys("2M")
    small = {number for number, params in enumerate(data["trials"]["params"]) if params <= 2e6}
    assert set(browser.js("nasReport.shown().map((row) => row.number)")) == small
    box.send_keys("oops")
    assert box.get_attribute("aria-invalid") == "true"
    browser.js("(nasReport.clearFilter(), document.querySelector('.filter [type=checkbox]').click())")
    assert browser.js("nasReport.shown().map((row) => row.number)") == browser.js("[...nasReport.onFront()].sort((a, b) => a - b)")


def test_the_table_sorts_and_turns_pages(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    values = data["trials"]["values"][0]
    assert browser.js(SHOWN) == sorted(complete(data), key=lambda number: (-values[number], number))[:25]
    header = "document.querySelector('#trial-table th [data-key=params]')"
    browser.js(f"{header}.click()")
    by_size = sorted(range(60), key=lambda number: (data["trials"]["params"][number], number))
    assert browser.js(SHOWN) == by_size[:25]
    assert browser.js(f"{header}.parentElement.getAttribute('aria-sort')") == "ascending"
    browser.js(f"{header}.click()")
    assert browser.js(f"{header}.parentElement.getAttribute('aria-sort')") == "descending"
    browser.js(f"({header}.click(), document.querySelector('[aria-label=\"Last page\"]').click())")
    assert browser.js(SHOWN) == by_size[50:]


def test_a_table_as_csv(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.js("(nasReport.save = (name, text) => { window.saved = [name, text]; }, nasReport.setFilter({state: 'F'}))")
    browser.js("[...document.querySelectorAll('.pager button')].find((button) => button.textContent === 'Save CSV').click()")
    name, text = browser.js("window.saved")
    assert name == "nasnet-cell-run-trials.csv"
    lines = text.splitlines()
    assert lines[0].startswith("trial,accuracy,MACs,parameters")
    assert len(lines) == 1 + data["trials"]["state"].count("F")


# The part of the page that has the focus, and whether one sees that.
WHERE = """(() => {
  const at = document.activeElement;
  const part = at.closest('main > section, nav') || at;
  const seen = at.matches(':focus-visible') && (getComputedStyle(at).outlineStyle !== 'none' || at.closest('.tree') !== null);
  return [part.id || part.tagName, seen];
})()"""


def test_everything_without_a_mouse(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    press(browser, Keys.TAB)
    assert browser.js(f"{FOCUS}.className") == "skip"
    assert browser.js(f"getComputedStyle({FOCUS}).outlineStyle") != "none"
    seen = set()
    for _ in range(150):
        press(browser, Keys.TAB)
        section, visible = browser.js(WHERE)
        if section == "BODY":
            break
        assert visible, section
        seen.add(section)
    assert seen >= {*SECTIONS, "nav"}
    browser.js("document.querySelector('#trial-table tr[tabindex=\"0\"]').focus()")
    order = browser.js(SHOWN)
    press(browser, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    assert browser.js(OPEN)
    assert browser.js("nasReport.state.selected") == order[1]
    assert browser.js(f"{FOCUS}.id") == "detail-title"
    press(browser, Keys.ESCAPE)
    assert not browser.js(OPEN)
    assert browser.js(f"Number({FOCUS}.dataset.number)") == order[1]
    press(browser, Keys.PAGE_DOWN)
    assert browser.js(f"Number({FOCUS}.dataset.number)") not in order
    assert browser.js(f"{FOCUS}.closest('#trial-table') !== null")


def test_the_lineage_by_arrow_keys(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    parents, line = data["trials"]["parent"], [data["best"]]
    while parents[line[0]] is not None:
        line.insert(0, parents[line[0]])
    assert len(line) > 1
    drawn = browser.js("[...document.querySelectorAll('#lineage .tree.line')].map((node) => Number(node.dataset.key))")
    assert drawn == line
    browser.js("document.querySelector('#lineage [tabindex=\"0\"]').focus()")
    press(browser, Keys.ARROW_LEFT)
    assert browser.js(f"Number({FOCUS}.dataset.key)") == line[-2]
    press(browser, Keys.ARROW_RIGHT, Keys.ENTER)
    assert browser.js(OPEN)
    press(browser, Keys.ESCAPE)
    assert browser.js(f"{FOCUS}.closest('#lineage, #trial-table') !== null")


def test_legends_hide_what_is_shown(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    draw(browser)
    browser.js("document.querySelector('#progress .key[data-name=resnet20]').focus()")
    press(browser, Keys.ENTER)
    hidden = "document.getElementById('chart-progress').data.find((trace) => trace.name === 'resnet20').visible"
    assert browser.js(hidden) is False
    assert browser.js(f"[{FOCUS}.dataset.name, {FOCUS}.getAttribute('aria-pressed')]") == ["resnet20", "false"]
    press(browser, Keys.ENTER)
    assert browser.js(hidden) is True


# --- looks ---


OVERFLOW = "[...document.querySelectorAll('html, main > section, header, nav, #detail')].map((part) => part.scrollWidth)"


@pytest.mark.parametrize("name", ["nasnet-cell", "nas-rnn"])
def test_nothing_is_wider_than_a_telephone(browser: Browser, tmp_path: Path, name: str) -> None:
    show(browser, page_data(name, 20), tmp_path, width=400)
    draw(browser)
    assert max(browser.js(OVERFLOW)) <= 400
    browser.js("nasReport.select(3)")
    assert max(browser.js(OVERFLOW)) <= 400
    quiet(browser)


# Texts whose contrast with what is behind them is below 4.5, the ratio of WCAG 2.2, 1.4.3 (AA).
CONTRAST = """(() => {
  const parse = (text) => {
    const found = (text.match(/[\\d.]+/g) || []).map(Number);
    return found.length === 3 ? [...found, 1] : found;
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((p, q) => p - q);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (node) => {
    if (!node) return [255, 255, 255, 1];
    const colour = parse(getComputedStyle(node).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(node.parentElement));
  };
  const skipped = new Set(['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION', 'TITLE', 'title', 'desc']);
  const bad = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    // The picture of the winner is ours from elsewhere: tests/test_draw.py holds it to the same.
    if (!text.data.trim() || skipped.has(node.tagName) || !node.checkVisibility() || node.closest('#winner .frame')) continue;
    const svg = node.closest('svg');
    const box = node.closest('g.op, g.state, g.tree')?.querySelector('rect');
    const back = box ? parse(getComputedStyle(box).fill) : behind(svg ? svg.parentElement : node);
    const style = getComputedStyle(node);
    const value = ratio(over(parse(svg ? style.fill : style.color), back), back);
    seen += 1;
    if (value < 4.5) bad.push(`${value.toFixed(2)} ${node.tagName} ${text.data.trim().slice(0, 40)}`);
  }
  return seen > 300 ? bad : [`only ${seen} texts were looked at`];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out(browser: Browser, data: dict[str, Any], tmp_path: Path, scheme: str) -> None:
    made = {**data, "verdict": "search less control: +0.56 points", "notes": ["a note"]}
    show(browser, made, tmp_path, scheme=scheme)
    assert browser.js("document.documentElement.dataset.theme") == scheme
    browser.js("nasReport.select(3)")
    draw(browser)
    assert browser.js(CONTRAST) == []


# The theme, and a colour each of page, chart, picture of the winner and picture of a trial.
LOOK = """[
  document.documentElement.dataset.theme,
  getComputedStyle(document.body).backgroundColor,
  document.getElementById('chart-progress')._fullLayout.font.color,
  document.querySelector('#winner .frame svg > rect').getAttribute('fill'),
  getComputedStyle(document.querySelector('#detail .op rect')).fill,
]"""


def test_the_theme_follows_the_system_until_told_otherwise(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.js("nasReport.select(3)")
    draw(browser)
    light = browser.js(LOOK)
    browser.scheme("dark")
    browser.wait("new Promise((done) => setTimeout(done, 50))")
    draw(browser)
    dark = browser.js(LOOK)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    browser.js("(document.getElementById('theme').click(), nasReport.drawAll())")
    assert browser.js(LOOK) == light
    assert browser.js("document.getElementById('theme').getAttribute('aria-label')") == "Theme: light"
    browser.driver.refresh()
    browser.wait("nasReport.ready")
    assert browser.js("document.documentElement.dataset.theme") == "light"
    browser.js("localStorage.clear()")


def test_motion_and_print(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    assert browser.js("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.js("['#nav', '.filter', '.tools'].map((part) => getComputedStyle(document.querySelector(part)).display)") == ["none"] * 3
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.scheme("dark")
    browser.wait("new Promise((done) => setTimeout(done, 100))")
    browser.js("dispatchEvent(new Event('beforeprint'))")
    assert browser.js("document.documentElement.dataset.theme") == "light"
    widths = "[...document.querySelectorAll('.js-plotly-plot')].map((plot) => plot._fullLayout.width)"
    assert browser.js(widths) == [680] * len(CHARTS)
    browser.js("dispatchEvent(new Event('afterprint'))")
    assert browser.js("document.documentElement.dataset.theme") == "dark"
    assert browser.js("document.getElementById('chart-progress')._fullLayout.width") > 1000
    browser.scheme("light")


# --- what others named ---


def test_hostile_names_are_only_texts(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    made = json.loads(json.dumps(data))
    trials = made["trials"]
    for name in ("name", "title", "why", "verdict", "proxy", "command", "run_yaml"):
        made[name] = HOSTILE
    for name in ("summary", "settings", "versions"):
        made[name] = [[HOSTILE, HOSTILE]]
    made["notes"] = [HOSTILE]
    made["space"].update(name=HOSTILE, about=HOSTILE)
    made["strings"] = [HOSTILE + text for text in made["strings"]]
    made["baselines"][0]["name"] = HOSTILE
    made["control"]["name"] = HOSTILE
    made["goals"] = [{**made["goals"][0], "label": HOSTILE}]
    made["hints"] = dict.fromkeys(made["hints"], HOSTILE)
    made["ledger"]["items"][0][0] = made["ledger"]["limits"][0][0] = made["ledger"]["devices"][0][0] = HOSTILE
    made["importance"]["method"] = made["importance"]["note"] = HOSTILE
    for decision in made["space"]["decisions"][:3]:
        decision["name"] = HOSTILE
    made["space"]["decisions"][1]["options"] = [f"{HOSTILE}{option}" for option in made["space"]["decisions"][1]["options"]]
    made["winner"].update(yaml=HOSTILE, command=HOSTILE)
    trials["notes"] = [[HOSTILE] for _ in trials["number"]]
    show(browser, made, tmp_path, width=400)
    draw(browser)
    browser.js("nasReport.select(2)")
    browser.js("nasReport.select(arguments[0])", trials["state"].index("F"))
    draw(browser)
    assert browser.js("window.hacked") is None
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert "<b>" in browser.js("document.querySelector('h1').textContent")
    assert browser.js("document.querySelectorAll('main b, header b').length") == 0
    assert max(browser.js(OVERFLOW)) <= 400
    quiet(browser)


# --- searches of every kind ---


def changed(change: str) -> dict[str, Any]:
    """Data of a search that something is peculiar about."""
    made = page_data("tiny", 1 if change == "one trial" else 0 if change == "empty" else 30, goals=2 if change == "two goals" else 1)
    trials = made["trials"]
    if change in ("empty", "running"):
        made.update(state="running", why="running")
    if change == "running":
        trials["state"][-2:] = "RR"
        for name in ("order", "clock", "ended", "seconds", "curve", "params", "macs"):
            trials[name][-2:] = [None, None]
        trials["values"][0][-2:] = [None, None]
    if change == "all failed":
        trials.update(state=["F"] * 30, values=[[None] * 30], curve=[None] * 30, reason=[0] * 30)
        made.update(best=None, winner=None, importance=None)
    if change == "phases":
        trials["phase"] = [int(number % 5 == 0) for number in range(30)]
    if change == "no curves":
        trials["curve"] = [None] * 30
    if change == "nothing beside":
        made.update(control=None, baselines=[], importance=None, confirmed=None)
    if change == "no costs":
        trials.update(params=[None] * 30, macs=[None] * 30)
    if change == "no form":
        made["space"]["form"] = None
        trials["yaml"] = ["name: whatever\n"] * 30
    if change == "confirmed":
        row = {"trial": made["best"], "value": 0.9, "mean": 0.91, "low": 0.9, "high": 0.92, "seeds": [0.9, 0.92], "test": 0.9}
        row["reference"] = False
        other = {**row, "trial": 1, "low": None, "high": None, "test": None}
        made["confirmed"] = {"rows": [row, other], "pending": 2, "control": [row]}
    if change == "measured latency":
        trials["latency"] = [1.5 + number / 10 for number in range(30)]
    return made


KINDS = (
    "empty", "one trial", "all failed", "running", "two goals", "phases", "no curves", "nothing beside", "no costs", "no form", "confirmed",
    "measured latency",
)  # fmt: skip


def looked_at(browser: Browser, made: dict[str, Any]) -> None:
    """Every section has something in it; a chart has data, or its place says why not and how to get it."""
    draw(browser)
    assert browser.js("[...document.querySelectorAll('main > section > .body')].every((body) => body.textContent.trim() !== '')")
    for chart in CHARTS:
        plot = f"document.getElementById('chart-{chart}')"
        if browser.js(f"{plot}.hidden"):
            assert browser.js(f"{plot}.parentElement.querySelector('.missing').textContent"), chart
        else:
            assert browser.js(f"{plot}.data.some((trace) => trace.x.length)"), chart
    if made["trials"]["number"]:
        browser.js("nasReport.select(0)")
        draw(browser)
        assert browser.js(OPEN)
    quiet(browser)


@pytest.mark.parametrize("kind", KINDS)
def test_searches_of_every_kind(opened: Callable[[dict[str, Any]], Browser], kind: str) -> None:
    made = changed(kind)
    looked_at(opened(made), made)


@pytest.mark.parametrize("kind", ["empty", "one trial", "all failed", "no form"])
def test_little_to_begin_with(browser: Browser, kind: str, tmp_path: Path) -> None:
    made = changed(kind)
    show(browser, made, tmp_path)
    looked_at(browser, made)


def test_phases_stand_in_no_chart(opened: Callable[[dict[str, Any]], Browser]) -> None:
    browser = opened(changed("phases"))
    draw(browser)
    for chart in ("scatter", "progress", "curves", "options"):
        assert not any(number % 5 == 0 and number != browser.js("nasReport.model.winner") for number in numbers(browser, chart)), chart


def test_goals_choose_their_axes(browser: Browser, tmp_path: Path) -> None:
    made = changed("two goals")
    show(browser, made, tmp_path)
    draw(browser)
    assert browser.js("[nasReport.state.x, nasReport.state.y]") == ["goal1", "goal0"]
    front = browser.js("document.getElementById('chart-scatter').data.find((trace) => trace.name === 'Pareto front').x")
    sizes = {made["trials"]["params"][number] for number in made["front"]}
    assert set(front) <= sizes
    assert len(front) >= 2


def test_what_is_missing_says_how_to_get_it(opened: Callable[[dict[str, Any]], Browser]) -> None:
    browser = opened(changed("nothing beside"))
    told = browser.js("[...document.querySelectorAll('.missing')].map((node) => node.textContent).join(' ')")
    for name, hint in page_data("tiny", 1)["hints"].items():
        assert hint in told or name == "latency", name


def test_confirmed_means_have_their_intervals(opened: Callable[[dict[str, Any]], Browser]) -> None:
    browser = opened(changed("confirmed"))
    draw(browser)
    trace = browser.js("document.getElementById('chart-progress').data.find((trace) => trace.name.startsWith('trained again'))")
    assert trace["y"] == [0.91, 0.91]
    assert trace["error_y"]["array"] == pytest.approx([0.01, 0])
    assert "90.00% to 92.00%" in browser.js("document.getElementById('progress').textContent")


# --- live ---


class Served(SimpleHTTPRequestHandler):
    """Files of a folder, without a word to the terminal."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address under which the folder of the test is served."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=str(tmp_path)))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_live_page_keeps_what_the_reader_chose(browser: Browser, server: str, tmp_path: Path) -> None:
    whole = page_data("tiny", 40)
    first = page_data("tiny", 30, live={"url": "data.json", "seconds": 0.1}, state="running")
    (tmp_path / "page.html").write_text(render(first), encoding="utf-8")
    (tmp_path / "data.json").write_text(json.dumps(first))
    browser.size(1280)
    browser.scheme("light")
    browser.open(f"{server}/page.html")
    draw(browser)
    browser.js("(nasReport.setFilter({how: 'mutation'}), nasReport.select(20), nasReport.drawAll())")
    browser.wait("Plotly.relayout(document.getElementById('chart-scatter'), {'yaxis.range': [0.5, 0.9]})")
    browser.js("document.querySelector('#progress .key').click()")
    browser.js("document.getElementById('detail').scrollTo(0, 150)")
    browser.js("(window.scrollTo({top: 700, behavior: 'instant'}), document.querySelector('#detail .close').focus())")
    place = browser.js("window.scrollY")
    (tmp_path / "data.json").write_text(json.dumps({**whole, "made": "2026-11-30T23:00:00+00:00", "live": first["live"]}))
    browser.wait("new Promise((done) => nasReport.on('data', done))")
    draw(browser)
    assert browser.js("nasReport.model.rows.length") == 40
    assert max(numbers(browser, "scatter")) > 29
    assert browser.js("document.getElementById('chart-scatter')._fullLayout.yaxis.range") == [0.5, 0.9]
    assert browser.js("document.getElementById('chart-progress').data[0].visible") is False
    assert browser.js("nasReport.shown().every((row) => row.how === 'mutation')")
    assert browser.js("nasReport.state.selected") == 20
    assert browser.js(OPEN)
    assert browser.js("document.getElementById('detail').scrollTop") == 150
    assert browser.js("window.scrollY") == place
    assert browser.js(f"{FOCUS}.className") == "close"
    assert browser.js("document.getElementById('live').textContent") in ("live", "search ended")
    quiet(browser)


# Resolves when the page says that the server is gone, or no longer says so.
LOST = """new Promise((done) => {
  const wish = arguments[0];
  const ask = () => (document.getElementById('live').classList.contains('lost') === wish ? done() : setTimeout(ask, 50));
  ask();
})"""


def test_a_live_page_outlives_its_server(browser: Browser, server: str, tmp_path: Path) -> None:
    made = page_data("tiny", 5, live={"url": "data.json", "seconds": 0.1}, state="running")
    (tmp_path / "page.html").write_text(render(made), encoding="utf-8")
    browser.open(f"{server}/page.html")
    browser.wait(LOST, True)
    assert browser.js("document.getElementById('live').textContent") == "search ended or server gone"
    (tmp_path / "data.json").write_text(json.dumps({**made, "made": "2026-11-30T23:00:00+00:00", "state": "ended"}))
    browser.wait(LOST, False)
    assert browser.js("document.getElementById('live').textContent") == "search ended"
    browser.logs()


# --- elsewhere ---


def test_charts_give_way_to_the_panel_on_a_wide_screen(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path, width=1800)
    draw(browser)
    wide = browser.js("document.getElementById('chart-progress')._fullLayout.width")
    browser.js("nasReport.select(5)")
    browser.wait("new Promise((done) => setTimeout(done, 300))")
    narrow = browser.js("document.getElementById('chart-progress')._fullLayout.width")
    assert narrow < wide
    left = browser.js("document.getElementById('detail').getBoundingClientRect().left")
    assert browser.js("document.getElementById('chart-progress').getBoundingClientRect().right") <= left


def test_in_the_frame_of_a_notebook(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    """Without storage and clipboard, which such a frame has no right to."""
    frame = Page(tmp_path / "report.html")
    (tmp_path / "report.html").write_text(render(data), encoding="utf-8")
    (tmp_path / "notebook.html").write_text(f"<!DOCTYPE html><title>notebook</title><body>{frame._repr_html_()}", encoding="utf-8")
    browser.size(1280)
    browser.logs()
    browser.driver.get((tmp_path / "notebook.html").as_uri())
    browser.driver.switch_to.frame(0)
    try:
        browser.wait("nasReport.ready")
        draw(browser)
        browser.js("nasReport.select(5)")
        assert browser.js("document.querySelectorAll('#detail .picture .op').length") > 0
        browser.js("nasReport.setTheme('dark')")
        assert browser.js("document.documentElement.dataset.theme") == "dark"
        assert len(numbers(browser, "scatter")) > 0
    finally:
        browser.driver.switch_to.default_content()
    quiet(browser)


def test_the_lineage_of_any_trial(browser: Browser, data: dict[str, Any], tmp_path: Path) -> None:
    show(browser, data, tmp_path, width=400)
    parents = data["trials"]["parent"]
    number = next(i for i, parent in enumerate(parents) if parent is not None and i != data["best"])
    browser.js("nasReport.select(arguments[0])", number)
    browser.js("[...document.querySelectorAll('#detail button')].find((button) => button.textContent === 'Show its lineage').click()")
    assert not browser.js(OPEN)
    assert browser.js(f"{FOCUS}.id") == "lineage-title"
    drawn = browser.js("[...document.querySelectorAll('#lineage .tree.line')].map((node) => Number(node.dataset.key))")
    assert drawn[-2:] == [parents[number], number]
    browser.js("[...document.querySelectorAll('#lineage button')].find((b) => b.textContent === 'Show the lineage of the winner').click()")
    assert browser.js("[...document.querySelectorAll('#lineage .tree.line')].map((node) => Number(node.dataset.key))")[-1] == data["best"]
