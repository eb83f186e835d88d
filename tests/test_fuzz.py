"""What is nearly right is read, or met by one line: every reader, some inputs. `scripts/fuzz` is the long form."""

from __future__ import annotations

import pytest

from tests.fuzzing import READERS, fuzz

INPUTS = 60


@pytest.mark.parametrize("name", sorted(READERS))
def test_an_input_that_is_nearly_right_is_read_or_met_by_one_line(name: str) -> None:
    fuzz(name, INPUTS, seed=7)
