"""A tar.gz, read from its beginning to its end within bounds, and never unpacked to disk.

What is in it is taken for hostile: no more is unpacked than may be, no more is kept than the file
that is asked for, and what no archive of stamps needs (sparse files, names of many kilobytes) is
refused before it costs anything. Needs the standard library only.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

MEMBER_LIMIT = 9 << 20  # bytes of one file: 1024 x 1024 in double precision, with headers
CHUNK_LIMIT = 64 << 20  # bytes, packed and unpacked; 50 triplets of 121 x 121 floats take 9 MB
MEMBERS_LIMIT = 20_000  # of a chunk, whatever they are
_NAME_LIMIT = 8 << 10  # bytes of a header that holds a name too long for the usual one
_BLOCK = 512
_PORTION = 1 << 16

_DAMAGED, _SHORT = "it is damaged", "it ends too early"
_NO_ARCHIVE = "it is no tar.gz, or a damaged one"
_FILES, _FOLDER, _HARD, _SYMBOLIC, _SPARSE = (b"0", b"\0", b"7"), b"5", b"1", b"2", b"S"
_EMPTY = _HARD, _SYMBOLIC, b"3", b"4", _FOLDER, b"6"  # whatever size their headers say
_LONG_NAME, _LONG_TARGET, _EXTENDED = b"L", b"K", (b"x", b"g", b"X")


class StampError(Exception):
    """Something could not be read; the message is a phrase that says why."""


class _Unzipped(io.RawIOBase):
    """What a gzip file unpacks to, up to so many bytes; its checksums are compared."""

    def __init__(self, file: IO[bytes], limit: float, parts: float):
        self._file, self._left, self._parts = file, limit, parts
        self._packed = b""
        self._zipped = zlib.decompressobj(31)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            data = self._zipped.decompress(self._packed, len(buffer))
            # behind the end of a part it is unused_data that counts, and the tail may say the same
            self._packed = b"" if self._zipped.eof else self._zipped.unconsumed_tail
            if data:
                self._left -= len(data)
                if self._left < 0:
                    raise StampError("it unpacks to more than it may")
                buffer[: len(data)] = data
                return len(data)
            if not self._zipped.eof:
                self._packed = self._packed or self._file.read(_PORTION)
                if not self._packed:
                    raise StampError(_SHORT)
            elif not self._begin_next():
                return 0

    def _begin_next(self) -> bool:
        """Go on behind a part that is whole: with zeros that fill up, another part, or the end."""
        self._packed = self._zipped.unused_data.lstrip(b"\0")
        while not self._packed:
            data = self._file.read(_PORTION)
            if not data:
                return False
            self._packed = data.lstrip(b"\0")
        self._parts -= 1
        if self._parts <= 0:
            raise StampError("it has more parts than it may")
        self._zipped = zlib.decompressobj(31)
        return True


class Header(NamedTuple):
    """What stands before a file in an archive."""

    path: str
    kind: bytes
    size: int
    target: str

    def leads_to(self) -> str | None:
        """Return the path of what a link stands for; a symbolic one's begins at its folder."""
        folder = posixpath.dirname(self.path) if self.kind == _SYMBOLIC else ""
        is_link = self.kind in (_HARD, _SYMBOLIC)
        return posixpath.normpath(posixpath.join(folder, self.target)) if is_link else None


def files(
    path: str | Path,
    wanted: Callable[[str], bool],
    limit: float = CHUNK_LIMIT,
    other: Callable[[str, str | None], None] | None = None,
) -> Iterator[tuple[str, bytes | None]]:
    """Go through the regular files in a tar.gz in their order, with no more than one in memory.

    Parameters
    ----------
    path : Path
        The archive.
    wanted : callable
        ``wanted(path)`` tells whether a file of that path in the archive is to be read.
    limit : float
        How many bytes it may have, and may unpack to. If that is infinite, there may be any number
        of members, too.
    other : callable, optional
        ``other(path, target)`` is told of whatever else is in it but folders: of a link with the
        path in the archive that it leads to, of anything else with None.

    Yields
    ------
    path : str
        As it stands in the archive.
    data : bytes or None
        Its content; None if it is larger than `MEMBER_LIMIT`.

    Raises
    ------
    StampError
        The archive is no tar.gz, is damaged, ends too early or goes beyond a bound.
    """
    try:
        # a pipe of that name must not keep us waiting
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as packed:
            status = os.fstat(packed.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StampError("it is no file")
            if status.st_size > limit:
                raise StampError("it is larger than it may be")
            if packed.peek(2)[:2] != b"\x1f\x8b":
                raise StampError(_NO_ARCHIVE)
            most = MEMBERS_LIMIT if limit < float("inf") else limit
            source = io.BufferedReader(_Unzipped(packed, limit, most), _PORTION)
            for header in _headers(source, most):
                if header.kind not in _FILES or not wanted(header.path):
                    if other is not None and header.kind != _FOLDER:
                        other(header.path, header.leads_to())
                    _skip(source, 0 if header.kind in _EMPTY else header.size)
                elif header.size > MEMBER_LIMIT:
                    yield header.path, None
                    _skip(source, header.size)
                else:
                    yield header.path, _content(source, header.size)
            while source.read(_PORTION):  # only at its very end is the checksum compared
                pass
    except zlib.error as error:
        raise StampError(_DAMAGED) from error
    except OSError as error:
        raise StampError(f"it cannot be read ({error.strerror})") from error


def _headers(source: IO[bytes], most: float) -> Iterator[Header]:
    """Go through the members of a tar, whose content is to be read before the next is asked for."""
    count = 0
    name = target = size = None  # as a header of their own has them
    while True:
        block = source.read(_BLOCK)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            if block.strip(b"\0"):
                raise StampError(_SHORT)
            if not block and not count:
                raise StampError(_NO_ARCHIVE)
            return
        count += 1
        if count > most:
            raise StampError("it has more members than it may")
        header = _header(block)
        if header.kind == _SPARSE:
            raise StampError("there is a sparse file in it")
        if header.kind == _LONG_NAME:
            name = _text(_extra(source, header.size))
        elif header.kind == _LONG_TARGET:
            target = _text(_extra(source, header.size))
        elif header.kind in _EXTENDED:
            extra = _extra(source, header.size)
            if b"GNU.sparse" in extra:
                raise StampError("there is a sparse file in it")
            if header.kind != b"g":  # which is about all files, so that it has neither
                name = _text(_value(extra, b"path")) or name
                target = _text(_value(extra, b"linkpath")) or target
                size = _decimal(_value(extra, b"size"))
        else:
            yield Header(
                name or header.path,
                header.kind,
                header.size if size is None else size,
                target or header.target,
            )
            name = target = size = None


def _header(block: bytes) -> Header:
    if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _number(block[148:156]):
        raise StampError(_DAMAGED)
    path = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        path = f"{_text(block[345:500])}/{path}"
    return Header(path, block[156:157], _number(block[124:136]), _text(block[157:257]))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """Read a number: octal digits, or bytes where it is too large for them."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise StampError(_DAMAGED)
    return int(digits or b"0", 8)


def _value(extra: bytes, key: bytes) -> bytes:
    """Return what an extended header has of a key, or nothing."""
    return extra.partition(b" %b=" % key)[2].partition(b"\n")[0]


def _decimal(digits: bytes) -> int | None:
    if not digits:
        return None
    if not re.fullmatch(rb"[0-9]{1,19}", digits):
        raise StampError(_DAMAGED)
    return int(digits)


def _extra(source: IO[bytes], size: int) -> bytes:
    if size > _NAME_LIMIT:
        raise StampError("it has a header that is longer than it may be")
    return _content(source, size)


def _content(source: IO[bytes], size: int) -> bytes:
    """Read a member to the end of its last block."""
    data = source.read(size + -size % _BLOCK)
    if len(data) < size:
        raise StampError(_SHORT)
    return data[:size]


def _skip(source: IO[bytes], size: int) -> None:
    left = size + -size % _BLOCK
    while left > 0:
        data = source.read(min(left, _PORTION))
        if not data:
            raise StampError(_SHORT)
        left -= len(data)
