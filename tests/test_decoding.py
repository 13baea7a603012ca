"""How bytes become pixels, and what hostile ones cost."""

import gzip
import io
import logging
import random
import resource
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from astropy.io import fits
from conftest import KINDS, ROOT, fits_bytes, gif, noise
from PIL import Image

import decoding
import scaling
import stamps
import tiles
from look import Look


def picture(values, form, **options):
    file = io.BytesIO()
    Image.fromarray(values).save(file, form, **options)
    return file.getvalue()


def test_a_gif_is_shown_as_it_is():
    pixels = np.asarray(Image.open(io.BytesIO(gif(1))).convert("L"))
    stamp = scaling.read(gif(1), ".gif", "srch")
    assert np.array_equal(stamp.gray, pixels) and not stamp.missing.any()


@pytest.mark.parametrize("data", [gif(1)[:900], gif(1)[:3], b"", b"GIF89a" + bytes(90)])
def test_a_gif_cut_in_half_is_an_error_of_that_stamp(data):
    with pytest.raises(stamps.StampError):
        scaling.read(data, ".gif", "srch")


def test_a_16_bit_picture_has_its_own_values_and_is_scaled_like_fits():
    values = np.rint(noise(sky=30_000, sigma=500)).astype(np.uint16)
    values[20:24, 20:24] = 0
    stamp = scaling.read(picture(values, "PNG"), ".png", "srch")
    assert np.array_equal(stamp.pixels, values) and stamp.pixels.dtype == np.float32
    assert np.array_equal(stamp.gray, scaling.scale(values.astype(float), "srch")[0])
    assert not stamp.missing.any()


def test_a_huge_picture_is_refused_before_it_is_decoded():
    file = io.BytesIO()
    Image.new("L", (4000, 4000)).save(file, "GIF")
    with pytest.raises(stamps.StampError, match="4000 x 4000 pixels"):
        scaling.read(file.getvalue(), ".gif", "srch")


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<i8", "<f4", ">f8"])
def test_every_bitpix_and_byte_order_is_read(dtype):
    pixels = np.arange(30 * 40).reshape(30, 40).astype(dtype)
    stamp = scaling.read(fits_bytes(pixels), ".fits", "srch")
    assert np.array_equal(stamp.pixels[::-1], pixels)


def test_bscale_and_bzero_are_applied():
    data = fits_bytes(np.arange(100, dtype="i2").reshape(10, 10))
    data = (
        data.replace(
            b"END".ljust(80),
            b"BSCALE  =                  2.0".ljust(80)
            + b"BZERO   =                100.0".ljust(80)
            + b"END".ljust(80),
            1,
        )[:2880]
        + data[2880:]
    )
    stamp = scaling.read(data, ".fits", "srch")
    assert stamp.pixels[9, 1] == 102.0


def test_fits_row_1_is_at_the_bottom():
    pixels = noise()
    pixels[0, :] = 1e4
    assert (scaling.read(fits_bytes(pixels), ".fits", "srch").gray[-1] == 255).all()


def test_the_first_hdu_with_an_image_counts():
    pixels = noise().astype("f4")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    file = io.BytesIO()
    fits.HDUList(
        [fits.PrimaryHDU(), table, fits.ImageHDU(pixels), fits.ImageHDU(pixels * 0)]
    ).writeto(file)
    assert np.array_equal(scaling.read(file.getvalue(), ".fits", "srch").pixels, pixels[::-1])


def test_an_image_is_looked_for_within_bounds():
    for empty, cards, why in ((40, 0, "no image in it"), (0, 4000, "a header without an end")):
        first = fits.PrimaryHDU()
        for number in range(cards):
            first.header.add_comment(f"{number}")
        file = io.BytesIO()
        fits.HDUList([first, *[fits.ImageHDU()] * empty, fits.ImageHDU(noise())]).writeto(file)
        with pytest.raises(stamps.StampError, match=why):
            decoding.decode(file.getvalue(), ".fits")


def test_axes_of_one_make_no_cube_that_is_told_of(caplog):
    pixels = noise().astype("f4")
    decoding._told.clear()
    stamp = scaling.read(fits_bytes(pixels[None, None]), ".fits", "srch")
    assert np.array_equal(stamp.pixels, pixels[::-1]) and not caplog.records


@pytest.mark.parametrize("shape", [(30, 30), (121, 121), (63, 42), (1, 1), (1, 9), (2, 2)])
def test_any_shape_is_kept(shape):
    for kind in KINDS:
        stamp = scaling.read(fits_bytes(noise(shape)), ".fits", kind)
        assert stamp.gray.shape == stamp.missing.shape == shape


@pytest.mark.parametrize(
    "data",
    [b"", b"SIMPLE", fits_bytes(noise())[:4000], fits_bytes(None), fits_bytes(np.zeros(9))],
    ids=["empty", "word", "truncated", "no-image", "a-row"],
)
def test_fits_that_is_no_image_is_an_error_of_that_stamp(data):
    with pytest.raises(stamps.StampError):
        scaling.read(data, ".fits", "srch")


def test_a_fits_header_that_lies_about_its_size_takes_no_memory():
    data = fits_bytes(noise()).replace(
        b"NAXIS1  =                   51", b"NAXIS1  =            999999999"
    )
    with pytest.raises(stamps.StampError, match="999999999 x 51"):
        scaling.read(data, ".fits", "srch")


def test_a_cube_shows_its_first_plane_and_is_told_of_once(caplog, monkeypatch):
    monkeypatch.setattr(decoding, "_told", set())
    planes = np.stack([noise(seed=seed) for seed in range(3)]).astype("f4")
    with caplog.at_level(logging.WARNING, "artifactspy"):
        for data in (fits_bytes(planes), fits_bytes(planes[None]), fits_bytes(planes)):
            assert np.array_equal(stamps.decode(data, ".fits"), planes[0, ::-1])
        assert np.array_equal(stamps.decode(fits_bytes(planes[:1]), ".fits"), planes[0, ::-1])
    (record,) = caplog.records
    assert "its first plane is shown" in record.getMessage()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fit"])
def test_gzip_is_known_by_its_content(suffix):
    pixels = noise().astype("f4")
    packed = gzip.compress(fits_bytes(pixels))
    assert np.array_equal(stamps.decode(packed, suffix)[::-1], pixels)
    with pytest.raises(stamps.StampError, match="it ends too early"):
        stamps.decode(packed[:-9], suffix)
    bomb = gzip.compress(fits_bytes(pixels) + bytes(stamps.MEMBER_LIMIT))
    with pytest.raises(stamps.StampError, match="larger than"):
        stamps.decode(bomb, suffix)


def test_fits_does_not_wait_for_astropy_whose_import_takes_longer_than_a_start():
    script = (
        "import sys, scaling; scaling.read(sys.stdin.buffer.read(), '.fits', 'srch');"
        "print('astropy' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        input=fits_bytes(noise()),
        capture_output=True,
        check=True,
    )
    assert run.stdout.split() == [b"False"]


# Pixels that have no value


@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_zeros_of_data_that_count_photons_are_values(dtype):
    counts = np.random.default_rng(1).poisson(0.05, (51, 51)).astype(dtype)
    counts[:20] = 0
    counts[25, 25] = 7
    stamp = scaling.read(fits_bytes(counts), ".fits", "srch")
    assert not stamp.missing.any() and np.array_equal(stamp.pixels[::-1], counts)


def test_zeros_of_scaled_integers_are_values():
    data = fits_bytes(np.rint(noise(sky=0)).astype("i2") // 9, BSCALE=0.25)
    assert not scaling.read(data, ".fits", "srch").missing.any()


def test_a_blank_integer_has_no_value_and_a_zero_beside_it_has():
    counts = np.zeros((51, 51), "i2")
    counts[:7, :9] = -32768
    counts[25, 25] = 3
    stamp = scaling.read(fits_bytes(counts, BLANK=-32768), ".fits", "srch")
    assert np.array_equal(stamp.missing[::-1], counts == -32768)


def test_strips_and_blocks_of_exact_zeros_have_no_value_single_zeros_have():
    pixels = noise()
    pixels[:, 0] = 0
    pixels[40:45, 30:39] = 0
    pixels[20, 20] = 0
    missing = scaling.read(fits_bytes(pixels), ".fits", "diff").missing[::-1]
    assert missing[:, 0].all() and missing[40:45, 30:39].all()
    assert missing.sum() == 51 + 45


# A machine that cannot decode


def test_what_is_not_installed_is_no_fault_of_the_stamp(monkeypatch):
    data = gif(1)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(stamps.ToolError, match="cannot decode stamps .*PIL.*all labels are safe"):
        stamps.decode(data, ".gif")
    assert not issubclass(stamps.ToolError, stamps.StampError)


@pytest.mark.parametrize("form", ["GIF", "PNG", "JPEG"])
def test_a_decoder_that_fails_on_a_good_picture_too_is_to_blame(monkeypatch, form):
    values = np.zeros((9, 9), np.uint8)
    data, suffix = picture(values, form), f".{form.lower()}"
    assert stamps.decode(data, suffix).shape == (9, 9)
    with pytest.raises(stamps.StampError):
        stamps.decode(data[: len(data) // 2], suffix)

    def broken(*_, **__):
        raise AttributeError("module 'numpy' has no attribute 'product'")

    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(stamps.ToolError, match="AttributeError: module 'numpy'"):
        stamps.decode(data, suffix)


def test_too_little_memory_is_no_fault_of_the_stamp(monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "frombuffer", full)
    with pytest.raises(stamps.ToolError, match="MemoryError"):
        stamps.decode(fits_bytes(noise()), ".fits")


# Hostile bytes


def huge_frame():
    """Make a GIF whose first image is larger than its screen, and is to be wiped after it."""
    data = bytearray(picture(np.zeros((9, 9), np.uint8), "GIF"))
    at = data.index(b",", 13 + 3 * (2 << (data[10] & 7)))
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    return bytes(data[:at]) + b"!\xf9\4\x08\0\0\0\0" + bytes(data[at:])


def scans():
    gray = np.random.default_rng(1).integers(0, 255, (64, 64), "u1")
    data = picture(gray, "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    assert stamps.decode(data[:-2] + data[at:-2] + b"\xff\xd9", ".jpg").shape == (64, 64)
    return data[:-2] + data[at:-2] * 70 + b"\xff\xd9"


def chunks(kind, count):
    data = picture(np.zeros((9, 9), np.uint8), "PNG")
    chunk = struct.pack(">I", 0) + kind + struct.pack(">I", zlib.crc32(kind))
    return data[:33] + chunk * count + data[33:]


EMPTY = picture(np.zeros((9, 9), np.uint8), "GIF")
IMAGE = 13 + 3 * (2 << (EMPTY[10] & 7))  # where its blocks begin
HOSTILE = {
    "a frame beyond the screen": (".gif", huge_frame),
    "extensions": (".gif", lambda: EMPTY[:IMAGE] + b"!\xfe\1a\0" * 40_000 + EMPTY[IMAGE:]),
    "one long comment": (".gif", lambda: EMPTY[:IMAGE] + b"!\xfe" + b"\1a" * 99_999 + b"\0,"),
    "an application without a name": (".gif", lambda: EMPTY[:IMAGE] + b"!\xff\0" + b"\1a" * 9999),
    "bytes behind it": (".gif", lambda: EMPTY + bytes(8 << 20)),
    "chunks": (".png", lambda: chunks(b"abCd", 700_000)),
    "chunks within the size": (".png", lambda: chunks(b"abCd", 20_000)),
    "scans": (".jpg", scans),
    "markers": (".jpg", lambda: b"\xff\xd8" + b"\xff\xe9\0\2" * 60_000),
    "fill bytes": (".jpg", lambda: b"\xff\xd8" + b"\xff" * 9_000_000),
    "axes": (".fits", lambda: fits_bytes(noise()).replace(b"   2 / n", b"9999 / n", 1)),
    "negative axes": (".fits", lambda: fits_bytes(noise()).replace(b"  51", b" -51")),
    "a header of cards": (
        ".fits",
        lambda: b"SIMPLE  = T".ljust(80) + b"COMMENT ".ljust(80) * 99_999,
    ),
    "headers": (".fits", lambda: fits_bytes(None) * 3000),
    "a gzip bomb": (".fits", lambda: gzip.compress(bytes(300 << 20), 1)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_stamp_is_refused_before_it_costs_anything(kind, monkeypatch):
    suffix, make = HOSTILE[kind]
    data = make()
    before = time.process_time()
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder sees it"))
    with pytest.raises(stamps.StampError):
        stamps.decode(data, suffix)
    assert time.process_time() - before < 0.5


def seeds():
    """Make a good stamp of each format and of each way to compress tiles."""
    rng = np.random.default_rng(1)
    gray, real = rng.integers(0, 255, (31, 33), "u1"), rng.normal(100, 5, (31, 33)).astype("f4")
    whole = rng.normal(0, 500, (31, 33)).astype("i2")
    yield from ((f".{form.lower()}", picture(gray, form)) for form in ("GIF", "PNG", "JPEG"))
    yield ".jpg", picture(gray, "JPEG", progressive=True)
    yield ".png", picture(gray.astype("u2") * 200, "PNG")
    yield from ((".fits", fits_bytes(pixels)) for pixels in (real, whole, np.stack([real] * 3)))
    yield ".fits.gz", gzip.compress(fits_bytes(real))
    for kind in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"):
        for pixels in (np.abs(whole), real) if kind != "PLIO_1" else (np.abs(whole),):
            file = io.BytesIO()
            tiled = fits.CompImageHDU(pixels, compression_type=kind)
            fits.HDUList([fits.PrimaryHDU(), tiled]).writeto(file)
            yield ".fits.fz", file.getvalue()


def mutated(data, chance):
    """Return bytes that were changed, cut, repeated or put elsewhere, at a few places."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed = changed or bytearray(data)
        at = chance.randrange(len(changed))
        end = min(len(changed), at + chance.choice([1, 2, 4, 80, 300]))
        change = chance.randrange(7)
        if change == 0:
            changed[at] = chance.randrange(256)
        elif change == 1:
            changed[at:end] = chance.choice([b"\0", b"\xff", b"9"]) * (end - at)
        elif change == 2:
            del changed[at:end]
        elif change == 3:
            changed[at:at] = changed[at:end] * chance.choice([1, 2, 50])
        elif change == 4:
            del changed[max(1, at) :]
        elif change == 5:
            changed[at:end] = chance.randbytes(end - at)
        else:  # a number of a header
            at = changed.find(b"= ", at)
            if at > 0:
                number = chance.choice([0, -1, 1, 3, 255, 1024, 2**15, 2**31, 2**63, 10**17])
                changed[at + 2 : at + 30] = b"%28d" % number
    return bytes(changed)


def show_mutated(count):
    """Show stamps changed at random; return how many could be, and the MiB of a tile's process."""
    good = list(seeds())
    for suffix, data in good:
        assert stamps.decode(data, suffix).shape == (31, 33)
    shown = 0
    for seed in range(count):
        chance = random.Random(seed)
        # tiles cost a process each, so that a short loop has fewer of them
        suffix, data = good[seed % len(good)] if count > 9999 or seed % 8 == 0 else good[seed % 9]
        before = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                stamp = scaling.read(mutated(data, chance), suffix, chance.choice(KINDS))
                scaling.pictures([stamp], 300, Look("minmax", True))
            shown += 1
            assert stamp.gray.shape == stamp.missing.shape == stamp.pixels.shape
        except stamps.StampError as error:
            assert 0 < len(str(error)) < 100
        assert time.process_time() - before < 2
    tiles.end()
    return shown, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10


def test_a_mutated_stamp_is_shown_or_refused_with_a_word(tmp_path, monkeypatch, long):
    """No signal, no foreign exception, 2 s, 300 MiB, and nothing is written anywhere."""
    monkeypatch.chdir(tmp_path)
    count = 20_000 if long else 400
    # a process of its own: a fork of this one would be as large as all tests before made it
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        shown, most = pool.submit(show_mutated, count).result()
    assert 0 < shown < count and not list(tmp_path.iterdir())
    assert most < 300, "of a process that read tiles"


COST = """
import sys, time, scaling, stamps, tiles, resource
chunk, said = stamps.Chunk(sys.argv[1]), set()
for objid in chunk.objids:
    try:
        scaling.triplet(objid, chunk.encoded(objid))
    except stamps.StampError as error:
        said.add(str(error))
tiles.end()
children = resource.getrusage(resource.RUSAGE_CHILDREN)
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.process_time() + children.ru_utime + children.ru_stime)
print(max(int(line.split()[1]), children.ru_maxrss) / 1024)
"""


def test_every_hostile_chunk_that_was_found_is_shown_or_refused(real):
    for path in sorted(real.parent.glob("cases/hostile/*.tar.gz")):
        run = subprocess.run(
            [sys.executable, "-c", COST, path], cwd=ROOT, capture_output=True, text=True
        )
        assert run.returncode == 0, f"{path.name}: {run.stderr}"
        seconds, megabytes = map(float, run.stdout.split())
        print(f"{path.name}: {seconds:.2f} s, {megabytes:.0f} MiB")
        assert seconds < 2 and megabytes < 300, path.name
