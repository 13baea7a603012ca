"""A picture card of one detection, made for posting where people talk about such things.

Its three stamps as they were looked at, Object ID, label and comment, where it is from and whom to
ask, as one PNG in ``pictures/`` of the data folder. Pillow is imported with the first card.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import disk
import labelfile
import labels
import stamps
from look import Look
from session.settings import Settings

if TYPE_CHECKING:
    from scaling import Stamp

SIDE = 360  # pixels of a stamp's square
GAP = 24
TEXT, LARGE = 18, 30  # pixels
GROUND, INK, DIM = "#1d1f23", "#ececea", "#a4a9b1"


def save(
    chosen: Settings,
    objid: str,
    chunk: str,
    triplet: Sequence[Stamp],
    look: Look,
    answer: labelfile.Row | None,
) -> str:
    """Write a card of a detection, under a name of its own; return where, as a sentence."""
    when = datetime.now(timezone.utc)
    folder = chosen.home / "pictures"
    time = f"{when:%Y-%m-%d_%H-%M-%S}-{when.microsecond // 1000:03d}"
    path = folder / f"{objid}--{time}.png"
    about = f"{chunk}, {chosen.user}, {when:%Y-%m-%d %H:%M:%S} UTC"
    if chosen.practice:
        about = f"Simulated, for practice. {about}"
    if chosen.contact:
        about += f". Contact: {chosen.contact}"
    said = labels.title(answer.action) if answer else "not labelled yet"
    comment = answer.comment if answer else ""
    try:
        disk.make_private(folder)
        disk.write_whole(path, draw(triplet, look, objid, said, comment, about), 0o600)
    except OSError as error:
        return f"No picture: {folder} says {error.strerror!r}."
    return f"Picture: {path}"


def draw(
    triplet: Sequence[Stamp], look: Look, objid: str, said: str, comment: str, about: str
) -> bytes:
    """Draw a card.

    Parameters
    ----------
    triplet : sequence of three scaling.Stamp
    look : Look
    objid : str
    said : str
        What it was labelled.
    comment : str
        May be empty.
    about : str
        The line at the foot.

    Returns
    -------
    bytes
        A PNG.
    """
    from PIL import Image, ImageDraw

    import scaling

    width = 3 * SIDE + 4 * GAP
    lines = _wrap(f"{said}: {comment}" if comment else said, width - 2 * GAP)
    foot = _wrap(about, width - 2 * GAP)
    top = 3 * GAP + LARGE + TEXT
    height = top + SIDE + GAP + (len(lines) + len(foot)) * int(1.5 * TEXT) + GAP
    picture = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(picture)
    pen.text((GAP, GAP), f"Object ID {objid}", INK, _font(LARGE))
    for i, ppm in enumerate(scaling.pictures(triplet, SIDE, look)):
        left = GAP + i * (SIDE + GAP)
        pen.text((left, top - 1.6 * TEXT), stamps.TITLES[i], DIM, _font(TEXT))
        with Image.open(io.BytesIO(ppm)) as stamp:
            inside = (SIDE - stamp.width) // 2, (SIDE - stamp.height) // 2
            picture.paste(stamp, (left + inside[0], top + inside[1]))
    y = top + SIDE + GAP
    for text, colour in [*((line, INK) for line in lines), *((line, DIM) for line in foot)]:
        pen.text((GAP, y), text, colour, _font(TEXT))
        y += int(1.5 * TEXT)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _wrap(text: str, width: float) -> list[str]:
    """Part a text into lines that are no wider than so many pixels."""
    font, lines = _font(TEXT), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:  # which may be wider than a line by itself
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _font(size: int) -> Any:
    """Return a font that knows more than ASCII, where one is to be had."""
    from PIL import ImageFont

    for name in ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1 has one size only
        return ImageFont.load_default()
