"""Chunks and their triplets: what is read, how it is scaled, and what hostile files do."""

import gzip
import io
import subprocess
import sys
import tarfile
import warnings

import numpy as np
import pytest
from astropy.io import fits
from conftest import KINDS, ROOT, gif, tarball, triplets
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import stamps


def fits_bytes(pixels, **header):
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(header)
    file = io.BytesIO()
    hdu.writeto(file)
    return file.getvalue()


def noise(shape=(51, 51), sky=100.0, sigma=5.0, seed=1):
    return np.random.default_rng(seed).normal(sky, sigma, shape)


# Reading a chunk


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
    stamps.Chunk(tarball(tmp_path / "a.tar.gz", triplets([1]))).triplet("1")
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
        assert len(chunk.triplet(objid)) == 3


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
    stamp = stamps.read(gif(1), ".gif", "srch")
    assert np.array_equal(stamp.gray, pixels) and not stamp.missing.any()


@pytest.mark.parametrize("data", [gif(1)[:900], gif(1)[:3], b"", b"GIF89a" + bytes(90)])
def test_a_gif_cut_in_half_is_an_error_of_that_stamp(data):
    with pytest.raises(stamps.StampError):
        stamps.read(data, ".gif", "srch")


def test_a_16_bit_picture_is_refused_rather_than_clipped():
    file = io.BytesIO()
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(file, "PNG")
    with pytest.raises(stamps.StampError, match="not of 8 bits"):
        stamps.read(file.getvalue(), ".png", "srch")


def test_a_huge_picture_is_refused_before_it_is_decoded():
    file = io.BytesIO()
    Image.new("L", (4000, 4000)).save(file, "GIF")
    with pytest.raises(stamps.StampError, match="4000 x 4000 pixels"):
        stamps.read(file.getvalue(), ".gif", "srch")


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<i8", "<f4", ">f8"])
def test_every_bitpix_and_byte_order_is_read(dtype):
    pixels = np.arange(30 * 40).reshape(30, 40).astype(dtype)
    stamp = stamps.read(fits_bytes(pixels), ".fits", "srch")
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
    stamp = stamps.read(data, ".fits", "srch")
    assert stamp.pixels[9, 1] == 102.0


def test_fits_row_1_is_at_the_bottom():
    pixels = noise()
    pixels[0, :] = 1e4
    assert (stamps.read(fits_bytes(pixels), ".fits", "srch").gray[-1] == 255).all()


def test_the_first_hdu_with_an_image_counts():
    pixels = noise().astype("f4")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    file = io.BytesIO()
    fits.HDUList(
        [fits.PrimaryHDU(), table, fits.ImageHDU(pixels), fits.ImageHDU(pixels * 0)]
    ).writeto(file)
    assert np.array_equal(stamps.read(file.getvalue(), ".fits", "srch").pixels, pixels[::-1])


@pytest.mark.parametrize("shape", [(30, 30), (121, 121), (63, 42), (1, 1), (1, 9), (2, 2)])
def test_any_shape_is_kept(shape):
    for kind in KINDS:
        stamp = stamps.read(fits_bytes(noise(shape)), ".fits", kind)
        assert stamp.gray.shape == stamp.missing.shape == shape


@pytest.mark.parametrize(
    "data",
    [b"", b"SIMPLE", fits_bytes(noise())[:4000], fits_bytes(None), fits_bytes(np.zeros((3, 9, 9)))],
    ids=["empty", "word", "truncated", "no-image", "cube"],
)
def test_fits_that_is_no_image_is_an_error_of_that_stamp(data):
    with pytest.raises(stamps.StampError):
        stamps.read(data, ".fits", "srch")


def test_a_fits_header_that_lies_about_its_size_takes_no_memory():
    data = fits_bytes(noise()).replace(
        b"NAXIS1  =                   51", b"NAXIS1  =            999999999"
    )
    with pytest.raises(stamps.StampError, match="999999999 x 51"):
        stamps.read(data, ".fits", "srch")


# Scaling


def test_search_is_asinh_from_the_sky_to_the_central_peak():
    pixels = noise(sky=1000.0, sigma=10.0)
    pixels[25, 25] = 1000.0 + 50 * 10.0
    level, sigma, _ = stamps.sky(pixels)
    gray, _ = stamps.scale(pixels, "srch")
    assert abs(level - 1000) < 1 and abs(sigma - 10) < 1
    assert gray[25, 25] == 255
    assert gray[pixels < level - 2 * sigma].max() == 0
    # asinh(x / 3) of the sky and of 10 sigma between -2 sigma and the peak, worked out by hand
    peak = (pixels[25, 25] - level) / sigma
    black, white = np.arcsinh(-2 / 3), np.arcsinh(peak / 3)
    at = np.abs(pixels - level).argmin()
    assert abs(gray.flat[at] - 255 * (0 - black) / (white - black)) < 1.5


def test_a_bright_core_is_not_burnt_out():
    y, x = np.mgrid[-25:26, -25:26]
    pixels = noise() + 4000 * np.exp(-(x**2 + y**2) / 18)
    gray, _ = stamps.scale(pixels, "temp")
    assert (gray == 255).sum() <= 2


def test_difference_is_symmetric_and_limited_to_4_to_10_sigma():
    for peak, limit in ((2, 4), (7, 7), (100, 10)):
        pixels = noise(sky=0.0, sigma=1.0) * 0.3
        pixels[25, 25] = 0
        level, sigma, _ = stamps.sky(pixels)
        pixels[25, 25] = level + peak * sigma
        pixels[3, 3], pixels[3, 4] = level + limit * sigma / 2, level - limit * sigma / 2
        level, sigma, _ = stamps.sky(pixels)
        gray, _ = stamps.scale(pixels, "diff")
        assert abs(int(gray[3, 3]) - 191) <= 4 and abs(int(gray[3, 4]) - 64) <= 4


def test_nan_infinities_and_sentinels_are_missing_and_move_nothing():
    clean = noise()
    spoilt = clean.copy()
    holes = np.zeros(clean.shape, bool)
    holes[:7] = True
    spoilt[:3], spoilt[3:5], spoilt[5], spoilt[6] = np.nan, -3.4028235e38, np.inf, 1e30
    gray, missing = stamps.scale(spoilt.astype("f4"), "temp")
    assert np.array_equal(missing, holes)
    assert np.array_equal(gray[7:], stamps.scale(clean[7:].astype("f4"), "temp")[0]) or (
        np.abs(gray[7:].astype(int) - stamps.scale(clean[7:].astype("f4"), "temp")[0]).mean() < 3
    )


def test_strips_and_blocks_of_exact_zeros_are_missing_single_zeros_are_not():
    pixels = noise()
    pixels[:, 0] = 0
    pixels[40:45, 30:39] = 0
    pixels[20, 20] = 0
    _, missing = stamps.scale(pixels, "diff")
    assert missing[:, 0].all() and missing[40:45, 30:39].all()
    assert missing.sum() == 51 + 45


def test_a_constant_stamp_is_grey_and_an_all_missing_one_is_missing():
    gray, missing = stamps.scale(np.full((9, 9), 7.0), "srch")
    assert (gray == 128).all() and not missing.any()
    _, missing = stamps.scale(np.full((9, 9), np.nan), "diff")
    assert missing.all()


@settings(max_examples=60, deadline=None)
@given(
    pixels=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
        elements=st.floats(width=32),
    ),
    kind=st.sampled_from(KINDS),
)
def test_whatever_the_pixels_scaling_gives_8_bits_and_no_warning(pixels, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gray, missing = stamps.scale(pixels, kind)
    assert gray.dtype == np.uint8 and gray.shape == missing.shape == pixels.shape
    assert missing[~np.isfinite(pixels)].all()


# Looks


LOOKS = st.builds(
    stamps.Look,
    st.sampled_from([*stamps.SCALINGS]),
    st.booleans(),
    st.floats(-0.5, 1.5),
    st.floats(0.2, 20),
)
SIDES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)
# what files hold for "no value", and what is next to the ends of floating point
EDGES = [np.nan, np.inf, -np.inf, -3.4028235e38, 1e30, 9.9e29, -9.9e29, 1e-45, 0.0, 7.0]


@settings(max_examples=150, deadline=None)
@given(
    pixels=hnp.arrays(np.uint8, SIDES)
    | hnp.arrays(np.float32, SIDES, elements=st.sampled_from(EDGES) | st.floats(width=32))
    | hnp.arrays(np.float64, SIDES, elements=st.sampled_from(EDGES) | st.floats()),
    kind=st.sampled_from(KINDS),
    look=LOOKS,
)
def test_whatever_the_pixels_every_look_gives_8_bits_and_no_warning(pixels, kind, look):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if pixels.dtype == np.uint8:
            stamp = stamps.Stamp(pixels, pixels, np.zeros(pixels.shape, bool), kind)
        else:
            stamp = stamps.Stamp(pixels, *stamps.scale(pixels, kind), kind)
        before = stamp.gray.copy()
        gray = stamps.shade(stamp, look)
    assert gray.dtype == np.uint8 and gray.shape == pixels.shape
    assert np.array_equal(stamp.gray, before)


@pytest.mark.parametrize("name", [*stamps.SCALINGS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sentinel_of_double_precision_gives_no_warning(name, kind):
    """Divided by what the sky scatters, the lowest double overflowed."""
    pixels = noise(sky=0.0, sigma=1e-3)
    pixels[3:6] = np.finfo("f8").min
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stamp = stamps.read(fits_bytes(pixels), ".fits", kind)
        gray = stamps.shade(stamp, stamps.Look(name, contrast=2.0))
    assert stamp.missing.sum() == 3 * 51 and len(set(gray[~stamp.missing])) > 50


def test_the_first_look_is_how_a_stamp_was_read_and_inverting_it_twice_too():
    for kind in KINDS:
        stamp = stamps.read(fits_bytes(noise()), ".fits", kind)
        assert np.array_equal(stamps.shade(stamp, stamps.Look()), stamp.gray)
        inverted = stamps.shade(stamp, stamps.Look(inverted=True)).astype(int)
        assert np.abs(inverted + stamp.gray - 255).max() <= 1  # each is rounded
    picture = stamps.read(gif(1), ".gif", "srch")
    assert np.array_equal(stamps.shade(picture, stamps.Look(inverted=True)), 255 - picture.gray)


def test_bias_and_contrast_work_on_the_values_and_not_on_8_bits():
    pixels = noise()
    pixels[3, 3:6], pixels[9, 3:6] = 400, 700  # both white, being rarer than the 99.5th percentile
    stamp = stamps.read(fits_bytes(pixels), ".fits", "srch")
    low, high = (47, 4), (41, 4)  # rows are counted from the top
    assert stamp.gray[low] == stamp.gray[high] == 255
    gray = stamps.shade(stamp, stamps.Look(bias=1.2, contrast=0.5))
    assert gray[low] < gray[high] < 255
    # and with contrast the faint is told apart more finely than 8 bits of the whole range do
    hard = stamps.shade(stamp, stamps.Look(bias=0.3, contrast=10.0))
    sky = stamp.gray == np.median(stamp.gray)
    assert len(set(hard[sky])) > 5


def test_bias_is_middle_grey_and_contrast_the_slope():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    stamp = stamps.Stamp(ramp, ramp, ramp < 0)
    gray = stamps.shade(stamp, stamps.Look(bias=0.25, contrast=2.0)).astype(int)
    assert np.abs(gray - np.clip(2 * (ramp.astype(int) - 63.75) + 127.5, 0, 255)).max() <= 0.5


def test_zscale_and_lowest_to_highest_are_linear_between_their_limits():
    from astropy.visualization import ZScaleInterval

    pixels = noise() + np.linspace(0, 50, 51)
    pixels[0, 0] = np.nan
    stamp = stamps.read(fits_bytes(pixels), ".fits", "srch")
    there = stamp.pixels[~stamp.missing]
    for name, (low, high) in (
        ("minmax", (there.min(), there.max())),
        ("zscale", ZScaleInterval().get_limits(there)),
    ):
        gray = stamps.shade(stamp, stamps.Look(name))[~stamp.missing]
        wanted = 255 * np.clip((there - low) / (high - low), 0, 1)
        assert np.abs(gray - wanted).max() <= 0.5001
    minmax = stamps.shade(stamp, stamps.Look("minmax"))[~stamp.missing]
    assert minmax.min() == 0 and minmax.max() == 255


def test_the_harder_asinh_lifts_what_is_faint_and_keeps_difference_around_grey():
    pixels = noise(sigma=1.0)
    pixels[20:30, 20:30] += 4
    pixels[25, 25] += 500
    stamp = stamps.read(fits_bytes(pixels), ".fits", "srch")
    block = np.s_[22:24, 22:24]
    usual, faint = (stamps.shade(stamp, stamps.Look(name))[block] for name in ("asinh", "faint"))
    assert faint.mean() > usual.mean() + 20
    difference = stamps.read(fits_bytes(pixels), ".fits", "diff")
    gray = stamps.shade(difference, stamps.Look("faint"))
    assert abs(np.median(gray) - 127.5) < 6
    assert gray[25, 25] == 255 > gray[22:24, 22:24].max() > gray[22:24, 22:24].min() > 128


# Drawing


def test_a_picture_is_drawn_by_nearest_neighbour_with_missing_pixels_in_colour():
    gray = np.array([[0, 100], [200, 255]], np.uint8)
    missing = np.array([[False, False], [True, False]])
    picture = Image.open(io.BytesIO(stamps.picture(stamps.Stamp(gray, gray, missing), 10)))
    assert picture.size == (10, 10)
    assert picture.getpixel((4, 4)) == (0, 0, 0) and picture.getpixel((5, 4)) == (100, 100, 100)
    red, green, blue = picture.getpixel((0, 9))
    assert (red, green, blue) == stamps.MISSING_COLOUR and not red == green == blue


def test_a_picture_keeps_the_shape_of_its_stamp():
    gray = np.zeros((20, 40), np.uint8)
    picture = Image.open(io.BytesIO(stamps.picture(stamps.Stamp(gray, gray, gray > 0), 100)))
    assert picture.size == (100, 50)


@pytest.mark.parametrize("look", [stamps.Look(name, True, 0.2, 3.0) for name in stamps.SCALINGS])
def test_missing_pixels_keep_their_colour_in_every_look(look):
    pixels = noise()
    pixels[10:20, 30:40] = np.nan
    stamp = stamps.read(fits_bytes(pixels), ".fits", "temp")
    picture = np.asarray(Image.open(io.BytesIO(stamps.picture(stamp, 51, look))))
    violet = (picture == stamps.MISSING_COLOUR).all(axis=2)
    assert np.array_equal(violet, stamp.missing) and violet.sum() == 100


def test_stamps_of_different_shapes_share_one_zoom():
    shapes = (60, 40), (30, 30), (1, 1)
    arrays = [np.full(shape, 90, np.uint8) for shape in shapes]
    triplet = [stamps.Stamp(array, array, array > 99) for array in arrays]
    sizes = [
        Image.open(io.BytesIO(ppm)).size for ppm in stamps.pictures(triplet, 300, stamps.Look())
    ]
    assert sizes == [(200, 300), (150, 150), (5, 5)]
    array = np.full((1024, 3), 90, np.uint8)
    triplet[0] = stamps.Stamp(array, array, array > 99)
    sizes = [
        Image.open(io.BytesIO(ppm)).size for ppm in stamps.pictures(triplet, 300, stamps.Look())
    ]
    assert sizes == [(1, 300), (9, 9), (1, 1)]  # never less than a pixel


# Real stamps


@pytest.mark.parametrize(
    "name, count",
    [
        ("des-public-01", 18),
        ("decam-public-01", 39),
        ("decam-public-02", 20),
        ("ztf-public-01", 100),
        ("ztf-public-02", 100),
        ("mixed-public-01", 34),
    ],
)
def test_every_real_triplet_can_be_shown(real, name, count):
    chunk = stamps.Chunk(real / f"{name}.tar.gz")
    assert len(chunk.objids) == count and not chunk.incomplete and chunk.damage is None
    for objid in chunk.objids:
        for stamp in chunk.triplet(objid):
            shown = stamp.gray[~stamp.missing]
            assert shown.size == 0 or shown.min() < shown.max()
            if stamp.pixels.dtype != np.uint8:
                assert stamp.missing[~np.isfinite(stamp.pixels)].all()


def test_importing_stamps_needs_neither_numpy_nor_pillow():
    script = "import sys, stamps; print({'numpy', 'PIL', 'astropy', 'tkinter'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
