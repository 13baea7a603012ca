"""Makes the README's picture anew: the real window on practice stamps.

tests/.venv/bin/python tests/screenshot.py
"""

import csv
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest


def main():
    """Label rightly until a clear Good one has passed, and look back at it."""
    with (conftest.ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    screen = conftest.Screen(1600, 1000)
    with tempfile.TemporaryDirectory() as home:
        program = conftest.Program(screen, home).open_window("ArtifactSpy: practice")
        while True:
            seen = truth[program.label("6").objid]
            if seen["LABEL"] == "Good" and float(seen["SNR"]) > 20:
                break
        program.page_turns(lambda: screen.key("BackSpace"))
        screen.point(1200, 590)
        screen.grab((0, 0, program.width, program.height)).save(
            conftest.ROOT / "data" / "window.png", optimize=True
        )
        program.kill()
    screen.close()
    print(seen["OBJID"], seen["HINT"])


if __name__ == "__main__":
    main()
