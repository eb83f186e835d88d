"""What mkdocs fills in when it builds the site, so that the reference can't drift from the program.

A page says where by a comment, which a forge does not show: `<!-- nas VERB -->` becomes that verb's `--help`, `<!-- every verb -->`
that of all, one section each, and `<!-- ::: nas.search -->` the docstring and signature of that name. A link to a file of the
repository that is no page, which a forge follows, is left as its text.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from click.testing import CliRunner

from nas.cli.app import VERBS, app


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page with its comments replaced, and its links out of the pages; the home page in full width. Called by mkdocs."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation", "toc"]
    markdown = markdown.replace("<!-- every verb -->", "\n\n".join(f"## nas {verb}\n\n<!-- nas {verb} -->" for verb in VERBS))
    markdown = re.sub(r"<!-- nas( [a-z-]+)? -->", lambda found: help_of(*(found[1] or "").split()), markdown)
    markdown = re.sub(r"<!-- (::: [\w.]+) -->", r"\1", markdown)
    return re.sub(r"\[([^\]]+)\]\((\.\./[^)#]+)[^)]*\)", lambda link: _within(link, posixpath.dirname(page.file.src_uri)), markdown)


def _within(link: re.Match[str], folder: str) -> str:
    """The link as it is, or its text alone where it leads out of the pages."""
    target = posixpath.normpath(posixpath.join(folder, link[2]))
    return link[1] if target.startswith("..") else link[0]


def help_of(*verb: str) -> str:
    """`nas VERB --help` as a block of text, 95 columns wide. An unknown verb ends the build."""
    run = CliRunner().invoke(app, [*verb, "--help"], prog_name="nas", terminal_width=95, catch_exceptions=False)
    if run.exit_code:
        raise SystemExit(f"nas {' '.join(verb)} --help ended with status {run.exit_code}")
    return f"```text\n{run.output.rstrip()}\n```"
