"""FITS images in compressed tiles, read in a process of their own, which may die of them.

astropy decodes tiles in C, where bytes that somebody made up overflow, abort and take gigabytes.
So that is done by a helper: run as a program, this file reads images from its standard input until
that ends, each in a fork of its own with limits on memory and time. It tells pixels, not objects,
and is believed no more than the stamp is. It begins with an image of its own, so that what fails
later is the stamp's fault.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import warnings
from typing import IO, TYPE_CHECKING, NoReturn

from archive import StampError

if TYPE_CHECKING:
    import numpy as np

_MEMORY = 128 << 20  # bytes that one image may take; 1024 x 1024 pixels take some 50 MB
_SECONDS = 0.5  # of the processor for one image
_PATIENCE = 20  # seconds until a helper that says nothing is ended, its start included
_REFUSED = "refused"
_TYPES = {"u1", "i2", "i4", "i8", "f4", "f8"}
_CARDS = "SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0", "EXTEND  = T", "END"
_PRIMARY = "".join(card.ljust(80) for card in _CARDS).ljust(2880).encode()

_lock = threading.Lock()
_helper: _Helper | None = None


class _Helper:
    """The other process; ImportError if it cannot read even an image of its own."""

    def __init__(self) -> None:
        self.parent = os.getpid()
        # by itself, so that no Ctrl+C and no closed terminal reach it; it ends with our end of it
        try:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise ImportError(f"no process can be started: {error.strerror}") from error
        answer = self._talk()[0]
        if answer != "ready":
            self.end()
            raise ImportError(answer or "the process that reads compressed tiles ends at once")

    def _talk(self, data: bytes = b"", height: int = 0, width: int = 0) -> tuple[str, bytes]:
        """Send an image, if there is one; return a line, and the pixels that it announces."""
        assert self._process.stdin and self._process.stdout
        patience = threading.Timer(_PATIENCE, self._kill)
        patience.start()
        try:
            if data:
                self._process.stdin.write(b"%d %d %d\n" % (len(data), height, width) + data)
                self._process.stdin.flush()
            line = self._line()
            match = re.fullmatch(r"pixels [a-z]([0-9])", line)
            if not match:
                return line, b""
            pixels = self._process.stdout.read(height * width * int(match[1]))
            return (line, pixels) if self._line() == "whole" else ("", b"")
        except OSError:
            return "", b""
        finally:
            patience.cancel()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline(1000).decode("utf-8", "replace").rstrip("\n")

    def read(self, data: bytes, height: int, width: int) -> np.ndarray | None:
        """Return the pixels of an image; None if it cannot be read, and OSError if nothing can."""
        import numpy as np

        line, pixels = self._talk(data, height, width)
        if line == _REFUSED:
            return None
        kind = line.partition(" ")[2]
        if kind not in _TYPES or len(pixels) != height * width * int(kind[1]):
            raise OSError(f"its answer is {line!r}")
        return np.frombuffer(pixels, kind).reshape(height, width)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it; what it was doing is given up."""
        if self.parent == os.getpid():
            self._kill()
            self._process.communicate()


def read(data: bytes, height: int, width: int) -> np.ndarray:
    """Read an image in compressed tiles.

    Parameters
    ----------
    data : bytes
        Its header and data unit; see `decoding`, which has looked at its header.
    height, width : int
        What its header says of its last two axes.

    Returns
    -------
    ndarray, shape (H, W)
        The pixels of its first plane as they stand there, row 0 at the bottom.

    Raises
    ------
    StampError
        It is damaged, or takes more than a stamp may.
    ImportError
        No such image can be read on this machine.
    """
    global _helper
    for _ in range(2):  # whoever ended the helper itself, no stamp did
        with _lock:
            if _helper is None or _helper.parent != os.getpid():  # a fork has one of its own
                _helper = _Helper()
            try:
                pixels = _helper.read(data, height, width)
            except OSError as error:
                failure = error
                _helper.end()
                _helper = None
                continue
        if pixels is None:
            raise StampError("its compressed tiles cannot be decoded")
        return pixels
    raise ImportError(f"the process that reads compressed tiles broke twice: {failure}")


def end() -> None:
    """End the other process; the next image begins one."""
    global _helper
    with _lock:
        if _helper is not None:
            _helper.end()
        _helper = None


# In the other process


def _pixels(data: bytes) -> np.ndarray:
    import numpy as np
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(io.BytesIO(_PRIMARY + data), memmap=False) as hdus:
        warnings.simplefilter("ignore")
        values = np.asarray(hdus[1].data)
    values = values.reshape(-1, *values.shape[-2:])[0]
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("=")))


def _one_of_its_own() -> bytes:
    import numpy as np
    from astropy.io import fits

    file = io.BytesIO()
    image = fits.CompImageHDU(np.arange(64, dtype="i2").reshape(8, 8), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)
    return file.getvalue()[2880:]


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, taken + _MEMORY))


def _serve(source: IO[bytes], sink: IO[bytes]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        if _pixels(_one_of_its_own())[7, 7] != 63:
            raise ImportError("astropy reads other pixels than it wrote")
    except Exception as error:
        said = " ".join(str(error).split())
        sink.write(f"{type(error).__name__}: {said[:300]}\n".encode())
        return
    _limit_memory()
    sink.write(b"ready\n")
    sink.flush()
    while line := source.readline(99):
        length, height, width = map(int, line.split())
        data = source.read(length)
        fork = os.fork()
        if not fork:
            _answer(data, (height, width), sink)
        _, status = os.waitpid(fork, 0)
        sink.write(b"whole\n" if status == 0 else f"{_REFUSED}\n".encode())
        sink.flush()


def _answer(data: bytes, shape: tuple[int, int], sink: IO[bytes]) -> NoReturn:
    try:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)  # its signal ends us
        values = _pixels(data)
        assert values.shape == shape  # else somebody waits for more
        answer = f"pixels {values.dtype.kind}{values.dtype.itemsize}\n".encode() + values.tobytes()
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(answer)
        sink.flush()
    except BaseException:
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what a library prints
        _serve(sys.stdin.buffer, answers)
