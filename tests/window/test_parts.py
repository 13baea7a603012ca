"""Each part of the window can be opened by itself."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT, wait_until

from window.__main__ import PARTS


@pytest.mark.parametrize("part", PARTS)
def test_a_part_opens_alone(screen, part):
    before = screen.grab().tobytes()
    program = subprocess.Popen(
        [sys.executable, "-m", "window", part],
        cwd=ROOT,
        env={**os.environ, "DISPLAY": screen.name},
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: screen.window(f"ArtifactSpy: {part}"), what=part)
        wait_until(lambda: len(set(screen.grab().tobytes())) > 20, what="something to be seen")
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()
    wait_until(lambda: screen.grab().tobytes() == before, what="an empty screen")
