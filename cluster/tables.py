"""The tables that come with a drop: any CSV with a column OBJID, or a folder of light curves.

Light curves are SNANA's: text files in which ``VARLIST:`` names the columns of the ``OBS:`` lines,
and ``SNID:`` the object. Of either the rows are read one by one. Standard library only.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

from cluster.hub import HubError, files_below

SCORE = "PHOTPROB"
_LINE_LIMIT = 1 << 16  # characters, in a light curve


class Table(NamedTuple):
    """A table being read: its columns, and its rows, each as long as `columns`."""

    columns: list[str]
    rows: Iterator[list[str]]


def unusable(path: str, reason: object) -> HubError:
    """Return the error that a table gives rise to."""
    return HubError(
        f"{path} cannot be used ({reason}): nothing was added. Mend it and run this again."
    )


def score(text: str) -> float | None:
    """Return a PHOTPROB, or None if the text is none; SNANA writes -9 and the like for that."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def read_csv(path: str) -> Table:
    """Read a CSV; HubError is raised, also while its rows are read, if it cannot be used."""
    lines = _csv_lines(path)
    return Table(next(lines), lines)


def _csv_lines(path: str) -> Iterator[list[str]]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front of OBJID
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [column.strip() for column in next(lines, ())]
            yield columns
            for line in filter(None, lines):
                if len(line) != len(columns):
                    raise ValueError(
                        f"line {lines.line_num} has {len(line)} fields, the header {len(columns)}"
                    )
                yield line
    except (OSError, ValueError, csv.Error) as error:  # ValueError: also what is no UTF-8
        reason = error.strerror if isinstance(error, OSError) else error
        raise unusable(path, reason) from error


def read_light_curves(folder: str) -> Table:
    """Read the light curves below a folder as if they were one CSV.

    The columns are those of all their VARLIST lines, and SNID where a VARLIST lacks it.
    """
    columns: dict[str, None] = {}
    for path in _files(folder):
        columns.update(dict.fromkeys(next(_light_curve(path, folder), ())))
    if not columns:
        raise unusable(folder, "there is no light curve in it, a text file with a VARLIST")
    return Table(list(columns), _observations(folder, list(columns)))


def _observations(folder: str, columns: list[str]) -> Iterator[list[str]]:
    place = {column: number for number, column in enumerate(columns)}
    for path in _files(folder):
        lines = _light_curve(path, folder)
        places = [place[column] for column in next(lines, ())]
        for line in lines:
            row = [""] * len(columns)
            for number, value in zip(places, line):
                row[number] = value
            yield row


def _files(folder: str) -> Iterator[str]:
    try:
        yield from files_below(folder)
    except OSError as error:
        raise unusable(folder, f"{error.filename} cannot be read ({error.strerror})") from error


def _light_curve(path: str, folder: str) -> Iterator[list[str]]:
    """Go through a light curve: its columns, then its rows; nothing if the file is none."""
    names: list[str] | None = None
    snid, last = "", []
    try:
        if not os.path.isfile(path):  # a pipe would keep us waiting
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LINE_LIMIT), ""), 1):
                if "\0" in line:
                    return
                key, *values = line.split() or ("",)
                if key == "SNID:":
                    snid = values[0] if values else ""
                elif key == "VARLIST:" and names is None:
                    names, last = values, [] if "SNID" in values else ["SNID"]
                    if "OBJID" not in names:
                        raise unusable(folder, f"the VARLIST of {path} has no OBJID")
                    yield [*names, *last]
                elif key == "OBS:" and names is not None:
                    if len(values) != len(names):
                        raise unusable(
                            folder,
                            f"line {number} of {path} has {len(values)} fields, its VARLIST "
                            f"{len(names)}",
                        )
                    yield [*values, *(snid for _ in last)]
    except OSError as error:
        raise unusable(folder, f"{path}: {error.strerror}") from error
