"""Search spaces: architectures with open choices, read from YAML."""

import nas.primitives  # noqa: F401 - registers the operations that a space names
from nas.spaces.choosers import Change, Chooser, Decisions, Once, Option, RandomChooser, Recorder, Replay
from nas.spaces.files import folder, load, names
from nas.spaces.space import Space

__all__ = ["Change", "Chooser", "Decisions", "Once", "Option", "RandomChooser", "Recorder", "Replay", "Space", "folder", "load", "names"]
