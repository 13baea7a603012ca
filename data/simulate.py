"""Make detections whose label is known: DES-like triplets to practise on, pictures for the guide.

    python3 data/simulate.py practice FOLDER    srchID.gif tempID.gif diffID.gif …, truth.csv
    python3 data/simulate.py guide FOLDER       NAME.png, NAME-2.png …, places.csv
    python3 data/simulate.py icon FOLDER        icon.png, the window's

truth.csv (RFC 4180, LF, UTF-8) has the header OBJID,LABEL,ALSO,LEVEL,HINT,STAMP,X,Y,SNR: ALSO is a
second label that is right as well, or empty, LEVEL one of clear and real, HINT says what gives this
detection away, STAMP (srch, temp, diff) and the pixel X, Y (from the left and the top, from 0)
where to look, SNR is that of the trigger in Difference. A picture of the guide holds the three side
by side; places.csv, FILE,STAMP,COLUMN,ROW, says where in it to look.

What is on the sky, and what the camera and the subtraction make of it, is sky.py; what is drawn for
each label draw.py; and what is visible in the end, which decides, visible.py.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from draw import DRAWS, LEVELS, simulate  # noqa: E402
from sky import SIDE  # noqa: E402
from visible import apart, dark_pixels, stands_out, stretched  # noqa: E402

import disk  # noqa: E402
import stamps  # noqa: E402

TICK = 10  # length of a corner tick in pixels, as on DES stamps
GAP, GAP_GREY = 3, 48  # between the stamps of a guide picture
SEED = 20261122  # makes the shipped sets
TRUTH_HEADER = ["OBJID", "LABEL", "ALSO", "LEVEL", "HINT", "STAMP", "X", "Y", "SNR"]
PLACES_HEADER = ["FILE", "STAMP", "COLUMN", "ROW"]
# Of fifteen detections; sixty are eight of each, and four of Unsure
DECK = [label for label in DRAWS for _ in range(1 if label == "Unsure" else 2)]


def practice_set(count, seed, level):
    """Draw detections of all labels, in sensible shares and random order.

    Yields
    ------
    objid : str
        Nine digits that say nothing about the label.
    detection : visible.Detection
    answer : visible.Answer
    """
    number = LEVELS.index(level)
    rng = np.random.default_rng([seed, number])
    decks = [rng.permutation(DECK) for _ in range(-(-count // len(DECK)))]
    names = np.concatenate(decks)[:count]
    objids = rng.choice(100_000_000, count, replace=False) + 100_000_000 * (2 + number)
    # Each detection has a generator of its own: no draw depends on how often others were refused.
    for place, (objid, label) in enumerate(zip(objids, names)):
        own = np.random.default_rng([seed, number, place])
        yield (str(objid), *simulate(str(label), own, level))


def with_ticks(gray):
    """Return a copy of an 8-bit stamp with white ticks along the diagonals, as DES draws them."""
    ticked = gray.copy()
    steps = np.arange(TICK)
    for rows in (steps, -1 - steps):
        for columns in (steps, -1 - steps):
            ticked[rows, columns] = 255
    return ticked


def grays(detection):
    """Return the 8 bits of a detection's three stamps, with ticks."""
    return [with_ticks(stretched(pixels, detection.bright)) for pixels in detection[:3]]


def gif(gray):
    """Return a stamp's 8 bits as a GIF: greyscale, identity palette."""
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "GIF", optimize=False, interlace=False)
    return file.getvalue()


def fits(pixels):
    """Return a stamp as the bytes of a FITS file: float32, row 1 at the bottom."""
    from astropy.io import fits as astropy_fits  # takes 0.35 s, and who makes GIFs needs none

    file = io.BytesIO()
    image = astropy_fits.PrimaryHDU(pixels[::-1])
    image.header["BUNIT"] = "electron"
    image.header["OBJECT"] = ("simulated", "by ArtifactSpy, data/simulate.py")
    image.writeto(file)
    return file.getvalue()


FORMATS = {
    "gif": lambda detection: map(gif, grays(detection)),
    "fits": lambda detection: map(fits, detection[:3]),
}


def table(header, rows):
    """Return the bytes of a CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def write_practice(folder, count=60, seed=SEED, suffix="gif", levels=LEVELS, tell=None):
    """Write a practice set as GIF or FITS (`suffix`); one seed is one set, whatever the format.

    Parameters
    ----------
    folder : Path
    count : int
        How many of each level.
    seed : int
    suffix : str
        One of `FORMATS`.
    levels : sequence of str
        Of `LEVELS`.
    tell : callable, optional
        Called with each number of detections that are made.

    Raises
    ------
    FileExistsError
        There is something in the folder: two sets in one would be none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; nothing was changed. Name another folder")
    rows = []
    for level in levels:
        for objid, detection, found in practice_set(count, seed, level):
            for kind, data in zip(stamps.KINDS, FORMATS[suffix](detection)):
                disk.write_whole(folder / f"{kind}{objid}.{suffix}", data)
            label, also, *where = found
            rows.append([objid, label, also, level, *where, f"{detection.snr:.1f}"])
            if tell:
                tell(len(rows))
    disk.write_whole(folder / "truth.csv", table(TRUTH_HEADER, rows))


def clarity(detection):
    """Return how well a detection would do as its label's picture in the guide."""
    if detection.drawn in ("Unsure", "NoisyTemplate"):
        return -max(np.abs(significance).max() for significance in detection.maps[:2])
    if detection.drawn == "Good":
        # Bright in Difference, apart in Search, and with a host that Template shows
        host = stands_out(detection, 1, *detection.host)
        return min(detection.snr / 10, apart(detection), host / 100)
    if detection.drawn == "Marginal":
        return -abs(detection.snr - 7)
    if detection.drawn == "DarkSpotInTemplateCenter":
        return np.sum(dark_pixels(detection, 4)) * -stands_out(detection, 1)
    lobe = -detection.maps[2].min()
    return min(detection.snr, lobe) if detection.drawn == "BadSubtraction" else detection.snr


def write_guide(folder, seed=SEED):
    """Write the guide's pictures, 159 x 51: Search | Template | Difference of clear examples.

    And places.csv, which says where in them to look.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = []
    for number, (label, draws) in enumerate(DRAWS.items()):
        for turn, draw in enumerate(draws, 1):
            rng = np.random.default_rng([seed, 1000, number, turn])
            some = (simulate(label, rng, "clear", draw) for _ in range(12))
            best, found = max(some, key=lambda one: clarity(one[0]))
            picture = np.full((SIDE, 3 * SIDE + 2 * GAP), GAP_GREY, np.uint8)
            for place, gray in enumerate(grays(best)):
                left = place * (SIDE + GAP)
                picture[:, left : left + SIDE] = gray
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            name = f"{label}.png" if turn == 1 else f"{label}-{turn}.png"
            disk.write_whole(folder / name, file.getvalue())
            places.append([name, found.stamp, found.x, found.y])
    disk.write_whole(folder / "places.csv", table(PLACES_HEADER, places))


def icon(side=128):
    """Draw the window's icon: a dipole beside a point source that four ticks point at.

    Returns
    -------
    ndarray of uint8, shape (side, side, 4)
        RGBA; outside of the rounded square it is transparent.
    """
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5

    def spot(across, down, width):
        return np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * width**2))

    light = 0.3 + 1.1 * spot(0.0, 0.0, 0.075)
    light += 0.35 * spot(-0.3, 0.27, 0.06) - 0.35 * spot(-0.21, 0.34, 0.06)
    picture = np.empty((side, side, 4))
    picture[..., :3] = 255 * np.clip(light, 0, 1)[..., None]
    along, beside = np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
    picture[(beside < 0.022) & (along > 0.19) & (along < 0.4)] = (255, 216, 102, 0)
    corner = np.hypot(np.maximum(abs(x) - 0.36, 0), np.maximum(abs(y) - 0.36, 0))
    picture[..., 3] = 255 * np.clip((0.14 - corner) * side, 0, 1)
    return np.rint(picture).astype(np.uint8)


def write_icon(folder, seed=None):
    """Write the icon, ``icon.png``; nothing in it is random."""
    folder.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.fromarray(icon()).save(file, "PNG")
    disk.write_whole(folder / "icon.png", file.getvalue())


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Make detections whose label is known.",
        epilog="example: python3 data/simulate.py practice /tmp/mine --count 100 --seed 7",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what, example in (
        ("practice", "make stamps to practise on, and truth.csv", "/tmp/mine --format fits"),
        ("guide", "make the guide's pictures, replacing those of the same names", "/tmp/pictures"),
        ("icon", "make the window's icon", "/tmp/pictures"),
    ):
        example = f"example: python3 data/simulate.py {verb} {example}"
        one = verbs.add_parser(verb, help=what, description=what, epilog=example)
        one.add_argument("folder", type=Path, help="where to put them; made if need be")
        one.add_argument("--seed", type=int, default=SEED, help=f"of the random draws ({SEED})")
    one = verbs.choices["practice"]
    one.add_argument("--count", type=int, default=60, help="how many detections of a level (60)")
    one.add_argument("--level", choices=LEVELS, help="this one alone (both)")
    one.add_argument("--format", choices=FORMATS, default="gif", help="of the stamps (gif)")
    one.add_argument("--tell", action="store_true", help="print a line for each that is made")
    options = parser.parse_args(arguments)
    if options.seed < 0 or getattr(options, "count", 1) < 1:
        parser.error("--seed counts from 0, --count from 1")
    try:
        if options.verb != "practice":
            {"guide": write_guide, "icon": write_icon}[options.verb](options.folder, options.seed)
        else:
            levels = [options.level] if options.level else LEVELS
            tell = (lambda made: print(made, flush=True)) if options.tell else None
            write_practice(
                options.folder, options.count, options.seed, options.format, levels, tell
            )
    except OSError as error:
        print(f"simulate: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
