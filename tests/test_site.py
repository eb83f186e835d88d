"""The documentation as a site: built as a person would build it, with every warning an error; links, navigation, and that it is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

import nas
from nas.cli.app import VERBS
from tests.pages import DOCS, PAGES, TOP, name


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `--strict` fails on a page that is not in the navigation, and on links and anchors that lead nowhere."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=TOP, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


class Links(HTMLParser):
    """What a page refers to, and the anchors that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        given = {key: value or "" for key, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "link", "iframe", "source") and (address := given.get("src") or given.get("href")):
            self.loaded.append(address)


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    text = re.sub(r"!!python\S+", "", (TOP / "mkdocs.yml").read_text())
    in_navigation = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text)["nav"])))
    assert in_navigation == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    for page in in_navigation:
        assert (site / page).with_suffix(".html").is_file()


def test_links_lead_somewhere_from_disk(site: Path) -> None:
    """Every link of every page, opened from disk: to a file that is there, and an anchor that is in it."""
    pages = {path: Links(path) for path in site.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":  # it is served, at any address
            continue
        for link in (*page.links, *page.loaded):
            where = urlsplit(link)
            if where.scheme or link.startswith("data:"):
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if where.fragment and target in pages:
                assert unquote(where.fragment) in pages[target].anchors, f"{path.relative_to(site)}: {link}"


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No font, script, picture or counter of another site; what pages merely link to is for people."""
    for path in site.rglob("*.html"):
        assert [address for address in Links(path).loaded if urlsplit(address).scheme in ("http", "https")] == [], path.name
    for path in (*site.rglob("*.css"), DOCS / "assets/iframe-worker.js"):
        assert "url(http" not in path.read_text()
        assert "@import" not in path.read_text()


def test_search_works_from_disk(site: Path) -> None:
    """The index is a script, and a script stands in for workers, before the theme's own."""
    assert (site / "search/search_index.js").stat().st_size > 100_000
    loaded = [Path(address).name for address in Links(site / "index.html").loaded]
    (theme,) = [address for address in loaded if address.startswith("bundle")]
    assert loaded.index("iframe-worker.js") < loaded.index(theme)


def test_reference_is_whole(site: Path) -> None:
    """Every verb with its help, every name that `import nas` gives, the contract kit."""
    page = (site / "reference/cli.html").read_text()
    for verb in VERBS:
        assert f'id="nas-{verb}"' in page
        assert f"Usage: nas {verb} " in page
    anchors = Links(site / "reference/api.html").anchors
    for each in set(nas.__all__) - {"__version__"}:
        assert any(anchor == f"nas.{each}" or anchor.startswith(f"nas.{each}.") for anchor in anchors), each
    for kit in ("architectures", "spaces", "strategies", "primitives", "ops", "bank", "exports"):
        assert f"nas.testing.{kit}.check" in anchors
    text = (DOCS / "reference/api.md").read_text()
    assert {found for row in re.findall(r"^\| (`nas.*?) \|", text, re.MULTILINE) for found in re.findall(r"`nas\.(\w+)`", row)} == {
        each for each in nas.__all__ if each != "__version__"
    }


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere_on_a_forge(page: Path) -> None:
    """Links of README.md and docs/ as a forge reads them: relative to the file, to files of the repository and headings in them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        where = urlsplit(link)
        if where.scheme:
            continue
        target = (page.parent / where.path).resolve() if where.path else page
        assert target.exists(), f"{name(page)}: {link}"
        if where.fragment:
            assert where.fragment in headings(target), f"{name(page)}: {link}"


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\([^)]*\)", "", each)).strip().lower().replace(" ", "-") for each in found}
