"""The page of a search: one HTML file that needs no network, or the same page live; see `docs/report.md`.

`data` turns a study into plain data, `render` puts it into the page beside its scripts. The page draws the charts, so that
filters, themes and live updates need no server.
"""
