"""Chunks and their triplets: what is read, how it is scaled, and what hostile files do."""

import gzip
import io
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from astropy.io import fits
from conftest import KINDS, ROOT, fits_bytes, gif, noise, tarball, triplets
from PIL import Image

import scaling
import stamps


def test_a_chunk_lists_its_triplets_in_the_order_of_the_archive(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "chunk--00001--first.tar.gz", triplets([9, 10, 2])))
    assert chunk.objids == ["9", "10", "2"]
    assert (chunk.name, chunk.metadata_stamp) == ("chunk--00001--first", "first")
    assert not chunk.incomplete and chunk.damage is None


def test_a_chunk_sorted_by_kind_is_complete_too(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", dict(sorted(triplets([1, 2]).items()))))
    assert chunk.objids == ["1", "2"] and chunk.metadata_stamp == "a"


def test_a_19_digit_id_stays_text(tmp_path):
    objid = "2381234567890123457"
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([objid])))
    assert chunk.objids == [objid]


def test_nothing_is_unpacked_to_disk(tmp_path):
    stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([1]))).encoded("1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_missing_third_stamp_is_told(tmp_path):
    members = triplets([1, 2])
    del members["batch/diff2.gif"]
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", members))
    assert chunk.objids == ["1"] and chunk.incomplete == {"2": "diff missing"}


@pytest.mark.parametrize(
    "spoil, damage",
    [
        (lambda data: data[: len(data) * 2 // 3], "it ends too early"),
        (lambda data: data[:-4], "it ends too early"),
        (lambda data: b"", "it is no tar.gz, or a damaged one"),
        (lambda data: b"<html>not found</html>", "it is no tar.gz, or a damaged one"),
        (lambda data: gzip.compress(b"no tar at all" * 100), "it is damaged"),
    ],
    ids=["truncated", "truncated-checksum", "empty", "html", "no-tar"],
)
def test_a_damaged_archive_gives_what_is_whole_and_says_so(tmp_path, spoil, damage):
    path = tarball(tmp_path / "a.tar.gz", triplets(range(1, 7)))
    path.write_bytes(spoil(path.read_bytes()))
    chunk = stamps.Chunk(path)
    assert chunk.damage == damage
    for objid in chunk.objids:
        assert len(chunk.encoded(objid)) == 3


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tarball(tmp_path / "a.tar.gz", triplets([1, 2, 3]))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    assert stamps.Chunk(path).damage


def test_an_archive_without_stamps_is_no_error(tmp_path):
    chunk = stamps.Chunk(tarball(tmp_path / "a.tar.gz", {"README": b"hello"}))
    assert chunk.objids == [] and chunk.damage is None


def test_what_is_no_regular_stamp_is_passed_over(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for kind, number in (("srch", tarfile.SYMTYPE), ("temp", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(f"{kind}1.gif")
            link.type, link.linkname = number, "/etc/passwd"
            archive.addfile(link)
        for name in ("diff1.gif", "../../srch2.gif", "srch٣.gif", "srch4.exe", "diff1.gif"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"data"))
    chunk = stamps.Chunk(path)
    assert chunk.objids == [] and set(chunk.incomplete) == {"1", "2"}


def test_a_bomb_is_stopped_before_it_takes_memory(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    entry = tarfile.TarInfo("srch1.gif")
    entry.size = 3 << 30
    with gzip.open(path, "wb", compresslevel=1) as archive:
        archive.write(entry.tobuf())
        for _ in range(300):
            archive.write(bytes(1 << 20))
    script = (
        "import resource, sys, stamps;"
        "chunk = stamps.Chunk(sys.argv[1]); print(chunk.damage);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    damage, megabytes = run.stdout.splitlines()
    assert damage == "it unpacks to more than it may"
    assert int(megabytes) < 400


# Reading a stamp


def test_a_gif_is_shown_as_it_is():
    pixels = np.asarray(Image.open(io.BytesIO(gif(1))).convert("L"))
    stamp = scaling.read(gif(1), ".gif", "srch")
    assert np.array_equal(stamp.gray, pixels) and not stamp.missing.any()


@pytest.mark.parametrize("data", [gif(1)[:900], gif(1)[:3], b"", b"GIF89a" + bytes(90)])
def test_a_gif_cut_in_half_is_an_error_of_that_stamp(data):
    with pytest.raises(stamps.StampError):
        scaling.read(data, ".gif", "srch")


def test_a_16_bit_picture_is_refused_rather_than_clipped():
    file = io.BytesIO()
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(file, "PNG")
    with pytest.raises(stamps.StampError, match="not of 8 bits"):
        scaling.read(file.getvalue(), ".png", "srch")


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


@pytest.mark.parametrize("shape", [(30, 30), (121, 121), (63, 42), (1, 1), (1, 9), (2, 2)])
def test_any_shape_is_kept(shape):
    for kind in KINDS:
        stamp = scaling.read(fits_bytes(noise(shape)), ".fits", kind)
        assert stamp.gray.shape == stamp.missing.shape == shape


@pytest.mark.parametrize(
    "data",
    [b"", b"SIMPLE", fits_bytes(noise())[:4000], fits_bytes(None), fits_bytes(np.zeros((3, 9, 9)))],
    ids=["empty", "word", "truncated", "no-image", "cube"],
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


def test_importing_stamps_needs_neither_numpy_nor_pillow():
    script = "import sys, stamps; print({'numpy', 'PIL', 'astropy', 'tkinter'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
