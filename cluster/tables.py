"""The tables that come with a drop: any CSV with a column OBJID, or a folder of light curves.

A CSV may be as spreadsheets and pandas leave it: ``;`` or tabs, UTF-16, a byte order mark, CRLF,
``.0`` behind whole numbers. Light curves are SNANA's: text files in which ``VARLIST:`` names the
columns of the ``OBS:`` lines, and ``SNID:`` the object. Of either the rows are read one by one.
Identifiers that lost digits, as a float of 19 digits does, are refused. Standard library only.
"""

from __future__ import annotations

import contextlib
import csv
import decimal
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cluster.hub import HubError, files_below

SCORE = "PHOTPROB"
_LINE_LIMIT = 1 << 16  # characters, in a light curve
_DELIMITERS = ",;\t"
_EXACT = 15  # digits of a number that spreadsheets and floats keep
_CHANCE = 4.0  # one in ten thousand: that good identifiers look rounded, as a power of ten
_WHOLE = re.compile(r"([0-9]+)\.0*")
_NUMBER = re.compile(r"[0-9]{1,32}(\.[0-9]{0,32})?([eE]\+[0-9]{1,2})?")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,]([0-9]*))?[eE]\+([0-9]{1,2})")
_PRECISE = decimal.Context(prec=200)


class Table(NamedTuple):
    """A table being read: its columns, and its rows, each as long as `columns`."""

    columns: list[str]
    rows: Iterator[list[str]]


def identifier(text: str) -> str:
    """Return an Object ID as its digits, without the ``.0`` of a table that took it for a float."""
    text = text.strip()
    match = _WHOLE.fullmatch(text)
    return match[1] if match else text


def group(text: str) -> str:
    """Return the name of a group: of a number its digits, however it is written.

    1246527, 1246527.0, 1.246527e+06 and 01246527 are one object, in tables of different nights.
    """
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return text
    return format(_PRECISE.create_decimal(text).normalize(_PRECISE), "f")


class Span(NamedTuple):
    """The whole numbers that an identifier may have been before it was rounded.

    `chance` is how improbable it is that a good one looks so, as a power of ten.
    """

    low: int
    high: int
    chance: float


def rounded(text: str) -> Span | None:
    """Return what an identifier may have been if it looks as if it had lost digits, or None.

    So does 7.39E+17, and a number of more than 15 digits that ends in zeros behind the 15th, or is
    just what a float can hold.
    """
    text = identifier(text)
    if match := _SCIENTIFIC.fullmatch(text):
        unit = 10 ** max(0, int(match[2]) - len(match[1] or ""))
        value = int(decimal.Decimal(text.replace(",", ".")))
        return Span(value - unit, value + unit, _CHANCE)
    if not text.isascii() or not text.isdigit() or not _EXACT < len(text) <= 32:
        return None
    value, unit = int(text), 10 ** (len(text) - _EXACT)
    if value % unit == 0:
        return Span(value - unit, value + unit, math.log10(unit))
    if int(float(value)) != value:
        return None
    unit = int(math.ulp(value))  # whole series of good ones may be so: names packed in bits
    return Span(value - unit, value + unit, 0.0)


class Column:
    """Whether the identifiers of a column look as if a spreadsheet or a float had rounded them.

    One that is written as 1.246527e+06 is enough; long ones must all look so, and be enough of
    them. `example` is one of them, or None.
    """

    def __init__(self) -> None:
        self._first: str | None = None
        self._chances: dict[str, float] | None = {}  # None: they are good

    def take(self, text: str) -> None:
        """Look at another field."""
        text = text.strip()
        if self._chances is None and "+" not in text:
            return
        span = rounded(text)
        if span is None:
            if len(text) > _EXACT:
                self._chances = None
            return
        if "+" in text:
            self._first, self._chances = self._first or text, {"": _CHANCE}
        elif self._chances is not None and len(self._chances) < _CHANCE:
            self._first = self._first or text
            self._chances[text] = span.chance

    @property
    def example(self) -> str | None:
        """One of them if they look so."""
        enough = self._chances is not None and sum(self._chances.values()) >= _CHANCE
        return self._first if enough else None


class Unusable(HubError):
    """A table cannot be used; `reason` is a phrase."""

    def __init__(self, path: str, reason: object):
        super().__init__(
            f"{path} cannot be used ({reason}): nothing was added. Mend it and run this again."
        )
        self.reason = str(reason)


def score(text: str) -> float | None:
    """Return a PHOTPROB, or None if the text is none; SNANA writes -9 and the like for that."""
    try:
        value = float(text.replace(",", "."))  # half of Europe's spreadsheets write 0,91
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def read_csv(path: str) -> Table:
    """Read a CSV; HubError is raised, also while its rows are read, if it cannot be used."""
    lines = _csv_lines(path)
    return Table(next(lines), lines)


def _csv_lines(path: str) -> Iterator[list[str]]:
    try:
        with open(path, "rb") as binary:
            encoding = encoding_of(binary.read(4))
        with open(path, newline="", encoding=encoding) as file:
            delimiter = delimiter_of(file.readline())
            file.seek(0)
            lines = csv.reader(file, delimiter=delimiter)
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
        raise Unusable(path, reason) from error


def delimiter_of(header: str) -> str:
    """Return what stands between the columns, of which one is OBJID."""
    for delimiter in _DELIMITERS:
        with contextlib.suppress(csv.Error):  # a NUL, which who reads on will meet again
            if "OBJID" in map(str.strip, next(csv.reader([header], delimiter=delimiter), ())):
                return delimiter
    return _DELIMITERS[0]


def encoding_of(begin: bytes) -> str:
    """Return how a text is encoded that begins with four bytes.

    Spreadsheets also save UTF-16, and put a mark in front.
    """
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if begin[1:4:2] == b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if begin[:4:2] == b"\0\0" else "utf-8-sig"


def read_several(paths: Sequence[str]) -> Table:
    """Read several CSVs as if they were one, with the columns of all."""
    columns: dict[str, None] = {}
    for path in paths:
        columns.update(dict.fromkeys(read_csv(path).columns))
    return Table(list(columns), _rows_of(paths, list(columns)))


def _rows_of(paths: Sequence[str], columns: list[str]) -> Iterator[list[str]]:
    for path in paths:
        table = read_csv(path)
        places = [columns.index(name) for name in table.columns]
        for line in table.rows:
            row = [""] * len(columns)
            for place, value in zip(places, line):
                row[place] = value
            yield row


class Examined(NamedTuple):
    """What a table has: its columns but for OBJID, and how many rows."""

    columns: list[str]
    total: int


def examined(path: str, group: str, open_table: Callable[[str], Table] = read_csv) -> Examined:
    """Go through a table once: before hours of copying it should be known whether it is of use.

    Names in the column `group` that have been rounded would put several objects into one group, or
    one into several.
    """
    table, total = open_table(path), 0
    columns = [*table.columns]
    if "OBJID" not in columns:
        found = ", ".join(columns)[:500] or "none"
        raise Unusable(path, f"it has no column OBJID; its columns are {found}")
    place, names = columns.index(group if group in columns else "OBJID"), Column()
    for row in table.rows:
        total += 1
        if group in columns:
            names.take(row[place])
    if names.example:
        raise Unusable(
            path,
            f"its {group} looks rounded, as a spreadsheet or a float does to long numbers: "
            f"{names.example}; save it as text",
        )
    columns.remove("OBJID")
    return Examined(columns, total)


def read_light_curves(folder: str) -> Table:
    """Read the light curves below a folder as if they were one CSV.

    The columns are those of all their VARLIST lines, and SNID where a VARLIST lacks it.
    """
    columns: dict[str, None] = {}
    for path in _files(folder):
        columns.update(dict.fromkeys(next(_light_curve(path, folder), ())))
    if not columns:
        raise Unusable(folder, "there is no light curve in it, a text file with a VARLIST")
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
        raise Unusable(folder, f"{error.filename} cannot be read ({error.strerror})") from error


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
                        raise Unusable(folder, f"the VARLIST of {path} has no OBJID")
                    yield [*names, *last]
                elif key == "OBS:" and names is not None:
                    if len(values) != len(names):
                        raise Unusable(
                            folder,
                            f"line {number} of {path} has {len(values)} fields, its VARLIST "
                            f"{len(names)}",
                        )
                    yield [*values, *(snid for _ in last)]
    except OSError as error:
        raise Unusable(folder, f"{path}: {error.strerror}") from error
