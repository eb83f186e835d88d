"""Pictures of any architecture, as SVG, without torch and numpy."""

from nas.draw.geometry import Box, Drawing, Line, Rect, Text
from nas.draw.page import picture
from nas.draw.render import svg

__all__ = ["Box", "Drawing", "Line", "Rect", "Text", "picture", "svg"]
