"""The page as one file: its template with styles, scripts, plotly's script and the data in it."""

from __future__ import annotations

import html as escape
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.report.page.data import page_data
from nas.writing import check_writable, write_whole

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from nas.study import Study

FILE = "report.html"
FRAME = 800  # pixels of height in a notebook
# Every script ends in this, so that none reaches into the next.
JOIN = "\n;\n"


def html(study: Study) -> str:
    """The page of a study as it is now."""
    return render(page_data(study))


class Page:
    """A page that was written to `path`. In a notebook it shows itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Page({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """The whole page in a frame of its own, whose scripts see nothing of the notebook."""
        text = escape.escape(self.path.read_text("utf-8"), quote=True)
        style = f"width:100%;height:{FRAME}px;border:0"
        return f'<iframe title="report" sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{text}"></iframe>'


def write(study: Study, path: Path | None = None) -> Page:
    """Write the page to `path` (default: `report.html` in the run's folder), whole or not at all. Raises `NasError`."""
    path = study.directory / FILE if path is None else path
    check_writable(path)
    write_whole(path, html(study).encode())
    return Page(path)


def render(data: dict[str, Any]) -> str:
    """The page that shows `data`."""
    assets = resources.files(__package__) / "assets"
    parts = {
        "<!--TITLE-->": escape.escape(data["title"]),
        "/*CSS*/": (assets / "page.css").read_text("utf-8"),
        "/*PLOTLY*/": _script(plotly()),
        "/*SCRIPTS*/": _script(JOIN.join([*_texts(assets / "vendor", ".js"), *_texts(assets / "js", ".js")])),
        "<!--DATA-->": to_json(data),
    }
    made = []
    rest = (assets / "page.html").read_text("utf-8")
    for place, text in sorted(parts.items(), key=lambda part: rest.index(part[0])):
        before, rest = rest.split(place, 1)  # what was filled in is never looked at again
        made += [before, text]
    return "".join([*made, rest])


def to_json(data: dict[str, Any]) -> str:
    """JSON that may stand in a script element: no text in it can end that."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def plotly() -> str:
    """The script that draws the charts, as the plotly package ships it."""
    from plotly.offline import get_plotlyjs

    made: str = get_plotlyjs()
    return made


def _script(text: str) -> str:
    """A script in whose texts no `</script` ends the element."""
    return text.replace("</script", "<\\/script")


def _texts(folder: Traversable, suffix: str) -> list[str]:
    files = sorted((item for item in folder.iterdir() if item.name.endswith(suffix)), key=lambda item: item.name)
    return [item.read_text("utf-8") for item in files]
