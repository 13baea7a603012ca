"""Makes the README's pictures anew: the real window on practice stamps, Help, and blinking.

tests/.venv/bin/python tests/screenshot.py
"""

import csv
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest
from onscreen import practise
from PIL import Image

from window import colours

DATA = conftest.ROOT / "data"


def main():
    """Label as the stamps were made until a clear Good one has passed, and look back at it."""
    with (DATA / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    screen = conftest.Screen(1600, 1000)
    with tempfile.TemporaryDirectory() as home:
        program = conftest.Program(screen, home, "--practice").open_window("ArtifactSpy: practice")
        while True:
            seen = truth[practise(program, "6").objid]
            if seen["LABEL"] == "Good" and float(seen["SNR"]) > 20:
                break
        program.page_turns(lambda: screen.key("BackSpace"))
        whole = (0, 0, program.width, program.height)
        lit = bytes.fromhex(colours.BUTTONS["real"].pressed[1:])
        conftest.wait_until(lambda: lit * 9 not in screen.grab(whole).tobytes(), what="its button")
        screen.grab(whole).save(DATA / "window.png", optimize=True)
        take_blink(screen, program)
        take_help(screen, program)
        program.kill()
    screen.close()
    print(seen["OBJID"], seen["HINT"])


def take_blink(screen, program):
    """Write both states of Search and Template as one moving picture."""
    box = (0, 36, program.width * 0.56, 410)
    frames = [screen.grab(box)]
    screen.key("b", up=False)
    conftest.wait_until(lambda: screen.grab(box).tobytes() != frames[0].tobytes(), what="Template")
    frames.append(screen.grab(box))
    screen.key("b", down=False)
    first, second = (frame.quantize(128, Image.Quantize.MAXCOVERAGE) for frame in frames)
    first.save(DATA / "blink.gif", save_all=True, append_images=[second], duration=400, loop=0)


def take_help(screen, program):
    """Write what Help shows first."""
    screen.key("question")
    window = conftest.wait_until(lambda: screen.window("ArtifactSpy: help"), what="Help")
    place = window.get_geometry()
    box = (place.x, place.y, place.x + place.width, place.y + place.height)
    # the scrollbar and the pictures come last
    conftest.wait_until(lambda: len(set(screen.grab(box).tobytes())) > 100, what="its pictures")
    screen.grab(box).save(DATA / "help.png", optimize=True)


if __name__ == "__main__":
    main()
