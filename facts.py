"""What is known of a detection beside its pixels, as one line: band, date, magnitude, seeing.

The hub's owner names columns of the drop's table in hub.ini; `add` puts them into the chunk as
``facts.csv``: OBJID and these columns, a row per detection. Never a score: it would lead the eye.
A chunk without such a table is a chunk as any other. What arrives in one is taken for hostile.
Standard library only.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

FILE = "facts.csv"
USUAL = "BAND, MJD, MAG, SEEING"
LIMIT = 256 << 10  # bytes of the table
MOST, LENGTH = 8, 24  # columns beside OBJID, and characters of a value
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,23}")
_SCORE = re.compile(r"(?i).*(prob|score|bogus|reliab|class|label).*|d?rb")
_MJD = datetime(1858, 11, 17)


def columns(listed: str) -> list[str]:
    """Return the columns that a line of hub.ini names, separated by commas.

    Raises
    ------
    ValueError
        They cannot be told to a labeler; the message is a phrase that says why.
    """
    names = [name.strip() for name in listed.split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name) or name == "OBJID":
            raise ValueError(f"facts: {name[:40]!r} is no column that can be told")
        if _SCORE.fullmatch(name):
            raise ValueError(f"facts: {name} must not be told, a score would lead the eye")
    if len(names) > MOST:
        raise ValueError(f"facts: at most {MOST} columns can be told")
    return names


def table(wanted: Sequence[str], has: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return ``facts.csv`` of a chunk, or nothing if its table has none of the wanted columns.

    Parameters
    ----------
    wanted : sequence of str
        See `columns`.
    has : sequence of str
        The columns of the table, without OBJID.
    rows : iterable of sequence of str
        Of the table, the Object ID before the others.
    """
    names = [name for name in wanted if name in has]
    if not names:
        return b""
    places = [0, *(1 + has.index(name) for name in names)]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("OBJID", *names))
    for row in rows:
        objid, *values = (row[place] for place in places)
        writer.writerow((objid, *map(_plain, values)))
    data = file.getvalue().encode()
    return data if len(data) <= LIMIT else b""  # tens of thousands of detections


def read(data: bytes) -> dict[str, str]:
    """Return by Object ID the line that tells of a detection; nothing of what is no such table."""
    if len(data) > LIMIT:
        return {}
    lines = csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    told = {}
    try:
        objid, *names = next(lines, [""])
        if objid == "OBJID":
            for objid, *values in filter(None, lines):
                parts = (
                    tell(name, value)
                    for name, value in zip(names[:MOST], values)
                    if _NAME.fullmatch(name) and not _SCORE.fullmatch(name)
                )
                told[objid] = " · ".join(filter(None, parts))
    except csv.Error:
        return {}
    return told


def tell(column: str, value: str) -> str:
    """Return how a value is told: ``2014-12-09`` of an MJD. Empty if there is no value."""
    value, number = _plain(value), math.nan
    try:
        number = float(value)
    except ValueError:
        if not value:
            return ""
    else:
        if not math.isfinite(number) or number <= -9:  # SNANA's way to say that there is none
            return ""
    if column == "BAND":
        return f"{value} band"
    if column == "MJD" and 0 <= number < 1e6:
        return (_MJD + timedelta(days=number)).strftime("%Y-%m-%d")
    short = value if math.isnan(number) else f"{number:.6g}"
    if column == "MAG" and not math.isnan(number):
        return f"{number:.2f} mag"
    if column == "SEEING_ARCSEC":
        return f"seeing {short}″"
    return f"{column.replace('_', ' ').lower()} {short}"


def _plain(value: str) -> str:
    """Return a value without what no line of text has, and no longer than it may be."""
    there = (
        each
        for each in value[: 4 * LENGTH]
        if each.isprintable() and not unicodedata.combining(each)
    )
    return " ".join("".join(there).split())[:LENGTH]
