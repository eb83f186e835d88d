"""Pictures of any architecture, as SVG, PNG, PDF and for Graphviz. Importing this imports neither torch nor matplotlib.

    import nas
    network = nas.load("nasnet_a_cifar")
    nas.draw.save(network, "cells.pdf", part="cells")
"""

from nas.draw.canvas import pdf, png
from nas.draw.files import FORMATS, save
from nas.draw.geometry import Box, Drawing, Line, Rect, Text
from nas.draw.graphviz import dot
from nas.draw.page import PARTS, picture
from nas.draw.render import svg

__all__ = ["FORMATS", "PARTS", "Box", "Drawing", "Line", "Rect", "Text", "dot", "pdf", "picture", "png", "save", "svg"]
