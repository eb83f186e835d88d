"""Text: how wide it is at most, and what of a user's text can stand in a picture."""

from __future__ import annotations

import unicodedata

# Height of a line to the size of its font.
LINE_HEIGHT = 1.25
ELLIPSIS = "…"
# Advance in units of the font size, rounded up from DejaVu Sans Bold, the widest of the fonts that a reader is likely to
# have for sans-serif; Helvetica and Arial are about a fifth narrower.
_GROUPS = (
    (0.39, " ijlIJ'.,|/\\:·"),
    (0.53, "frt-;()[]!"),
    (0.58, '_`"*'),
    (0.88, "ABCDEFGHKLNOPQRSTUVXYZ&"),
    (0.94, "#<>=+~^×"),
    (1.12, "mwMW%@—…"),
)
_ADVANCE = {character: advance for advance, group in _GROUPS for character in group}
_ORDINARY = 0.73
# DejaVu Sans is narrower than its bold by this at least, under the rounding above.
_REGULAR = 0.9
# Beyond ASCII no bound is safe, so the renderer is told the width (`textLength`) and this is what it is given.
_FOREIGN = 1.2
KNOWN = frozenset(_ADVANCE) | {chr(code) for code in range(32, 127)}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Pixels that a text of known characters takes at most in any common sans-serif font."""
    ems = sum(_ADVANCE.get(c, _ORDINARY if c in KNOWN else _FOREIGN) for c in text)
    return size * ems * (1.0 if bold else _REGULAR)


def clean(text: str) -> str:
    """A user's text in one line, without characters that XML forbids, that are invisible or that turn its direction."""
    plain = " ".join(text.split())
    return "".join(c for c in plain if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp"))


def fitted(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it is wider than `room` pixels."""
    text = clean(text)
    # Sums of the same widths in another order differ in the last digits.
    if text_width(text, size, bold) <= room + 1e-6:
        return text
    left = room - text_width(ELLIPSIS, size, bold)
    end = 0
    for character in text:
        left -= text_width(character, size, bold)
        if left < 0:
            break
        end += 1
    return text[:end].rstrip() + ELLIPSIS
