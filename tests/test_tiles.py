"""FITS images in compressed tiles: read by a process that may die of them."""

import contextlib
import gzip
import io
import os
import resource
import signal
import subprocess
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from astropy.io import fits
from conftest import ROOT, noise, wait_until

import decoding
import stamps
import tiles

KINDS = ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"]


@pytest.fixture(autouse=True)
def _ended():
    yield
    tiles.end()


def tiled(pixels, kind="RICE_1", cards=(), **options):
    """Make a file of an image in tiles, with cards that astropy itself would not write."""
    file = io.BytesIO()
    image = fits.CompImageHDU(pixels, compression_type=kind, **options)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)
    if not cards:
        return file.getvalue()
    again = io.BytesIO()
    with fits.open(io.BytesIO(file.getvalue()), disable_image_compression=True) as hdus:
        hdus[1].header.update(cards)
        hdus.writeto(again)
    return again.getvalue()


def helper():
    return tiles._helper._process.pid


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_read_however_they_are_compressed(kind):
    counts = np.abs(noise(sky=90)).astype("i2")
    assert np.array_equal(stamps.decode(tiled(counts, kind), ".fits.fz")[::-1], counts)
    if kind != "PLIO_1":
        real = noise().astype("f4")
        read = stamps.decode(tiled(real, kind), ".fits")[::-1]
        assert read.dtype == np.float32 and np.abs(read - real).max() < 1


@pytest.mark.parametrize("key", ["ZBLANK", "BLANK"])
def test_integers_of_tiles_are_scaled_and_their_blanks_have_no_value(key):
    """Versions 5.3 to 6.1.0 of astropy cannot read them by themselves."""
    counts = np.rint(noise(sky=0, sigma=500)).astype("i2")
    counts[:8, :8] = -32768
    data = tiled(counts, cards={key: -32768, "BSCALE": 0.1, "BZERO": 250.0})
    pixels = stamps.decode(data, ".fits")[::-1]
    assert np.isnan(pixels).sum() == 64 and np.isnan(pixels[:8, :8]).all()
    assert np.allclose(pixels[8:], 250 + 0.1 * counts[8:])


def test_unsigned_integers_and_the_first_plane_of_a_cube_are_read():
    counts = np.rint(noise(sky=40_000, sigma=500)).astype("u2")
    assert np.array_equal(stamps.decode(tiled(counts), ".fits")[::-1], counts)
    cube = np.stack([noise(seed=seed).astype("i2") for seed in range(3)])
    assert np.array_equal(stamps.decode(tiled(cube), ".fits")[::-1], cube[0])


def test_missing_pixels_of_quantized_tiles_are_missing():
    real = noise().astype("f4")
    real[5:9, 7:30] = np.nan
    read = stamps.decode(tiled(real), ".fits")[::-1]
    assert np.array_equal(np.isnan(read), np.isnan(real))


def test_one_process_reads_them_all_and_a_stamp_that_kills_costs_itself():
    data = tiled(noise().astype("i2"))
    whole = stamps.decode(data, ".fits")
    first = helper()
    for seed in range(40):
        chance = np.random.default_rng(seed)
        spoilt = np.frombuffer(tiled(noise().astype("i2"), "HCOMPRESS_1"), "u1").copy()
        spoilt[5800 + chance.integers(0, 2000, 40)] = chance.integers(0, 255, 40)
        with contextlib.suppress(stamps.StampError):
            stamps.decode(spoilt.tobytes(), ".fits")
    assert np.array_equal(stamps.decode(data, ".fits"), whole) and helper() == first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_whoever_ends_or_stops_the_process_no_stamp_is_blamed(monkeypatch, number):
    data = tiled(noise().astype("i2"))
    whole = stamps.decode(data, ".fits")
    first = helper()
    monkeypatch.setattr(tiles, "_PATIENCE", 5)
    os.kill(first, number)
    assert np.array_equal(stamps.decode(data, ".fits"), whole) and helper() != first


def bomb():
    """Make 1024 x 1024 pixels of one tile, of which gzip makes 4 GiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = gzip.compress(b"")[:10] + zeros * 64
    table = tiled(np.zeros((1024, 1024), "i2"), "GZIP_1", tile_shape=(1024, 1024))
    with fits.open(io.BytesIO(table), disable_image_compression=True) as hdus:
        header = hdus[1].header.copy()
    header["PCOUNT"] = len(data)
    row = np.array([len(data), 0], ">i4").tobytes()
    assert header["NAXIS1"] == len(row) and header["NAXIS2"] == 1
    return tiles._PRIMARY + header.tostring().encode() + row + data


def decode_bomb():
    """Try to decode one, and return how many MiB that took."""
    with pytest.raises(stamps.StampError, match="compressed tiles cannot be decoded"):
        stamps.decode(bomb(), ".fits")
    tiles.end()  # of processes that were waited for is known what they took, and of theirs
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10


def test_a_tile_that_unpacks_to_gigabytes_is_stopped():
    # in a process of its own: a fork of this one would be as large as all tests before made it
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(decode_bomb).result() < 300


def test_the_process_ends_with_the_program_and_no_ctrl_c_reaches_it():
    script = (
        "import os, signal, sys, tiles, stamps; stamps.decode(sys.stdin.buffer.read(), '.fits');"
        "pid = tiles._helper._process.pid; print(pid, os.getsid(pid) != os.getsid(0), flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        input=tiled(noise().astype("i2")),
        capture_output=True,
        check=False,
    )
    pid, apart = run.stdout.split()
    assert run.returncode == -signal.SIGKILL and apart == b"True"

    def gone():
        try:
            with open(f"/proc/{int(pid)}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_until(gone, what="its end")


def test_a_fork_has_a_process_of_its_own():
    data = tiled(noise().astype("i2"))
    whole = stamps.decode(data, ".fits")
    before = helper()
    child = os.fork()
    if not child:
        same = np.array_equal(stamps.decode(data, ".fits"), whole) and helper() != before
        tiles.end()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(stamps.decode(data, ".fits"), whole) and helper() == before


@pytest.mark.parametrize(
    "astropy, said",
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of"),
        ("import numpy; numpy.gone", "AttributeError: .*gone"),
        ("import os; os._exit(3)", "ends at once"),
    ],
)
def test_an_astropy_that_does_not_work_here_is_no_fault_of_the_stamp(
    tmp_path, monkeypatch, astropy, said
):
    (tmp_path / "astropy").mkdir()
    (tmp_path / "astropy" / "__init__.py").write_text(astropy)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(decoding.ToolError, match=said):
        stamps.decode(tiled(noise().astype("i2")), ".fits")
    monkeypatch.delenv("PYTHONPATH")
    assert stamps.decode(tiled(noise().astype("i2")), ".fits").shape == (51, 51)
