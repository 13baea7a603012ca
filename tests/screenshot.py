"""Makes the README's pictures anew: the real window on practice stamps, Help, and blinking.

tests/.venv/bin/python tests/screenshot.py
"""

import csv
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest
from onscreen import ask_for_comment, practise
from PIL import Image

import labels
import stamps
from window import colours
from window.layout import fit

DATA = conftest.ROOT / "data"
SIZE = 1280, 780  # in which the strip has room


def main():
    """Label as the stamps were made until a clear Good one has passed, and look back at it."""
    with (DATA / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    screen = conftest.Screen(1600, 1000)
    with tempfile.TemporaryDirectory() as home:
        program = conftest.Program(screen, home, "--practice").open_window("ArtifactSpy: practice")
        program.width, program.height = SIZE
        screen.resize(program.window, *SIZE)
        screen.point(program.width // 2, program.height - 3)
        (path,) = program.session_folder.glob("chunks/*.tar.gz")
        for count, objid in enumerate(stamps.Chunk(path).objids):  # as it comes if none is missed
            seen, label = truth[objid], labels.BY_NAME[truth[objid]["LABEL"]]
            if label.commented:
                ask_for_comment(program)
                program.page_turns(lambda: program.terminal.sendline("a ring, or a trail"))
            else:
                practise(program, label.key)
            if label.name == "Good" and float(seen["SNR"]) > 20 and count > 6:
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
    place = fit(program.width, program.height)
    right = place.stamp(1).x + place.side + place.left
    box = (0, place.top - 2 * place.unit, right, place.top + place.side + place.unit // 3)
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
