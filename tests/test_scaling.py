"""How stamps look: sky, scalings, pictures."""

import io
import warnings

import numpy as np
import pytest
from conftest import KINDS, fits_bytes, gif, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import scaling
import stamps
from look import Look


def test_search_is_asinh_from_the_sky_to_the_central_peak():
    pixels = noise(sky=1000.0, sigma=10.0)
    pixels[25, 25] = 1000.0 + 50 * 10.0
    level, sigma, _ = scaling.sky(pixels)
    gray, _ = scaling.scale(pixels, "srch")
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
    gray, _ = scaling.scale(pixels, "temp")
    assert (gray == 255).sum() <= 2


def test_difference_is_symmetric_and_limited_to_4_to_10_sigma():
    for peak, limit in ((2, 4), (7, 7), (100, 10)):
        pixels = noise(sky=0.0, sigma=1.0) * 0.3
        pixels[25, 25] = 0
        level, sigma, _ = scaling.sky(pixels)
        pixels[25, 25] = level + peak * sigma
        pixels[3, 3], pixels[3, 4] = level + limit * sigma / 2, level - limit * sigma / 2
        level, sigma, _ = scaling.sky(pixels)
        gray, _ = scaling.scale(pixels, "diff")
        assert abs(int(gray[3, 3]) - 191) <= 4 and abs(int(gray[3, 4]) - 64) <= 4


def test_nan_infinities_and_sentinels_are_missing_and_move_nothing():
    clean = noise()
    spoilt = clean.copy()
    holes = np.zeros(clean.shape, bool)
    holes[:7] = True
    spoilt[:3], spoilt[3:5], spoilt[5], spoilt[6] = np.nan, -3.4028235e38, np.inf, 1e30
    gray, missing = scaling.scale(spoilt.astype("f4"), "temp")
    assert np.array_equal(missing, holes)
    assert np.array_equal(gray[7:], scaling.scale(clean[7:].astype("f4"), "temp")[0]) or (
        np.abs(gray[7:].astype(int) - scaling.scale(clean[7:].astype("f4"), "temp")[0]).mean() < 3
    )


def test_a_constant_stamp_is_grey_and_an_all_missing_one_is_missing():
    gray, missing = scaling.scale(np.full((9, 9), 7.0), "srch")
    assert (gray == 128).all() and not missing.any()
    _, missing = scaling.scale(np.full((9, 9), np.nan), "diff")
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
        gray, missing = scaling.scale(pixels, kind)
    assert gray.dtype == np.uint8 and gray.shape == missing.shape == pixels.shape
    assert missing[~np.isfinite(pixels)].all()


# Looks


LOOKS = st.builds(
    Look,
    st.sampled_from([*scaling.SCALINGS]),
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
    wanted=LOOKS,
)
def test_whatever_the_pixels_every_look_gives_8_bits_and_no_warning(pixels, kind, wanted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if pixels.dtype == np.uint8:
            stamp = scaling.Stamp(pixels, pixels, np.zeros(pixels.shape, bool), kind)
        else:
            stamp = scaling.Stamp(pixels, *scaling.scale(pixels, kind), kind)
        before = stamp.gray.copy()
        gray = scaling.shade(stamp, wanted)
    assert gray.dtype == np.uint8 and gray.shape == pixels.shape
    assert np.array_equal(stamp.gray, before)


@pytest.mark.parametrize("name", [*scaling.SCALINGS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sentinel_of_double_precision_gives_no_warning(name, kind):
    """Divided by what the sky scatters, the lowest double overflowed."""
    pixels = noise(sky=0.0, sigma=1e-3)
    pixels[3:6] = np.finfo("f8").min
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stamp = scaling.read(fits_bytes(pixels), ".fits", kind)
        gray = scaling.shade(stamp, Look(name, contrast=2.0))
    assert stamp.missing.sum() == 3 * 51 and len(set(gray[~stamp.missing])) > 50


def test_the_first_look_is_how_a_stamp_was_read_and_inverting_it_twice_too():
    for kind in KINDS:
        stamp = scaling.read(fits_bytes(noise()), ".fits", kind)
        assert np.array_equal(scaling.shade(stamp, Look()), stamp.gray)
        inverted = scaling.shade(stamp, Look(inverted=True)).astype(int)
        assert np.abs(inverted + stamp.gray - 255).max() <= 1  # each is rounded
    picture = scaling.read(gif(1), ".gif", "srch")
    assert np.array_equal(scaling.shade(picture, Look(inverted=True)), 255 - picture.gray)


def test_bias_and_contrast_work_on_the_values_and_not_on_8_bits():
    pixels = noise()
    pixels[3, 3:6], pixels[9, 3:6] = 400, 700  # both white, being rarer than the 99.5th percentile
    stamp = scaling.read(fits_bytes(pixels), ".fits", "srch")
    low, high = (47, 4), (41, 4)  # rows are counted from the top
    assert stamp.gray[low] == stamp.gray[high] == 255
    gray = scaling.shade(stamp, Look(bias=1.2, contrast=0.5))
    assert gray[low] < gray[high] < 255
    # and with contrast the faint is told apart more finely than 8 bits of the whole range do
    hard = scaling.shade(stamp, Look(bias=0.3, contrast=10.0))
    sky = stamp.gray == np.median(stamp.gray)
    assert len(set(hard[sky])) > 5


def test_a_scaling_that_is_gone_stands_for_the_first():
    """Settings may be those of a later version, or mistyped."""
    for stamp in (
        scaling.read(fits_bytes(noise()), ".fits", "srch"),
        scaling.read(gif(1), ".gif", "srch"),
    ):
        first = scaling.shade(stamp, Look("asinh", True))
        assert np.array_equal(scaling.shade(stamp, Look("none", True)), first)


def test_bias_is_middle_grey_and_contrast_the_slope():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    stamp = scaling.Stamp(ramp, ramp, ramp < 0)
    gray = scaling.shade(stamp, Look(bias=0.25, contrast=2.0)).astype(int)
    assert np.abs(gray - np.clip(2 * (ramp.astype(int) - 63.75) + 127.5, 0, 255)).max() <= 0.5


def test_zscale_and_lowest_to_highest_are_linear_between_their_limits():
    from astropy.visualization import ZScaleInterval

    pixels = noise() + np.linspace(0, 50, 51)
    pixels[0, 0] = np.nan
    stamp = scaling.read(fits_bytes(pixels), ".fits", "srch")
    there = stamp.pixels[~stamp.missing]
    for name, (low, high) in (
        ("minmax", (there.min(), there.max())),
        ("zscale", ZScaleInterval().get_limits(there)),
    ):
        gray = scaling.shade(stamp, Look(name))[~stamp.missing]
        wanted = 255 * np.clip((there - low) / (high - low), 0, 1)
        assert np.abs(gray - wanted).max() <= 0.5001
    minmax = scaling.shade(stamp, Look("minmax"))[~stamp.missing]
    assert minmax.min() == 0 and minmax.max() == 255


def test_the_harder_asinh_lifts_what_is_faint_and_keeps_difference_around_grey():
    pixels = noise(sigma=1.0)
    pixels[20:30, 20:30] += 4
    pixels[25, 25] += 500
    stamp = scaling.read(fits_bytes(pixels), ".fits", "srch")
    block = np.s_[22:24, 22:24]
    usual, faint = (scaling.shade(stamp, Look(name))[block] for name in ("asinh", "faint"))
    assert faint.mean() > usual.mean() + 20
    difference = scaling.read(fits_bytes(pixels), ".fits", "diff")
    gray = scaling.shade(difference, Look("faint"))
    assert abs(np.median(gray) - 127.5) < 6
    assert gray[25, 25] == 255 > gray[22:24, 22:24].max() > gray[22:24, 22:24].min() > 128


# Drawing


def test_a_picture_is_drawn_by_nearest_neighbour_with_missing_pixels_in_colour():
    gray = np.array([[0, 100], [200, 255]], np.uint8)
    missing = np.array([[False, False], [True, False]])
    picture = Image.open(io.BytesIO(scaling.picture(scaling.Stamp(gray, gray, missing), 10)))
    assert picture.size == (10, 10)
    assert picture.getpixel((4, 4)) == (0, 0, 0) and picture.getpixel((5, 4)) == (100, 100, 100)
    red, green, blue = picture.getpixel((0, 9))
    assert (red, green, blue) == scaling.MISSING_COLOUR and not red == green == blue


def test_a_picture_keeps_the_shape_of_its_stamp():
    gray = np.zeros((20, 40), np.uint8)
    picture = Image.open(io.BytesIO(scaling.picture(scaling.Stamp(gray, gray, gray > 0), 100)))
    assert picture.size == (100, 50)


@pytest.mark.parametrize("wanted", [Look(name, True, 0.2, 3.0) for name in scaling.SCALINGS])
def test_missing_pixels_keep_their_colour_in_every_look(wanted):
    pixels = noise()
    pixels[10:20, 30:40] = np.nan
    stamp = scaling.read(fits_bytes(pixels), ".fits", "temp")
    picture = np.asarray(Image.open(io.BytesIO(scaling.picture(stamp, 51, wanted))))
    violet = (picture == scaling.MISSING_COLOUR).all(axis=2)
    assert np.array_equal(violet, stamp.missing) and violet.sum() == 100


def test_stamps_of_different_shapes_share_one_zoom():
    shapes = (60, 40), (30, 30), (1, 1)
    arrays = [np.full(shape, 90, np.uint8) for shape in shapes]
    triplet = [scaling.Stamp(array, array, array > 99) for array in arrays]
    sizes = [Image.open(io.BytesIO(ppm)).size for ppm in scaling.pictures(triplet, 300, Look())]
    assert sizes == [(200, 300), (150, 150), (5, 5)]
    array = np.full((1024, 3), 90, np.uint8)
    triplet[0] = scaling.Stamp(array, array, array > 99)
    sizes = [Image.open(io.BytesIO(ppm)).size for ppm in scaling.pictures(triplet, 300, Look())]
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
        for stamp in scaling.triplet(objid, chunk.encoded(objid)):
            shown = stamp.gray[~stamp.missing]
            assert shown.size == 0 or shown.min() < shown.max()
            if stamp.pixels.dtype != np.uint8:
                assert stamp.missing[~np.isfinite(stamp.pixels)].all()


def test_ticks_are_found_by_the_pixels_whatever_the_format():
    stamp = noise((51, 51))
    assert not scaling.has_ticks(stamp)
    drawn, along = stamp.copy(), np.arange(10)
    for corner in (drawn, drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1]):
        corner[along, along] = drawn.max()
    assert scaling.has_ticks(drawn)
    assert scaling.read(fits_bytes(drawn), ".fits", "srch").ticked
    assert not scaling.read(fits_bytes(stamp), ".fits", "srch").ticked
    drawn[3, 3] = 0  # a line that is broken is no tick
    assert not scaling.has_ticks(drawn)
    for other in (np.zeros((51, 51)), np.full((51, 51), np.nan), np.zeros((1, 1)), stamp[:40]):
        assert not scaling.has_ticks(other)
    framed = stamp.copy()  # filled at the edge of a detector, all around
    framed[:9] = framed[-9:] = framed[:, :9] = framed[:, -9:] = 0
    assert not scaling.has_ticks(framed)


def test_of_real_stamps_those_of_des_have_ticks(real):
    for path in sorted(real.glob("*.tar.gz")):
        chunk = stamps.Chunk(path)
        for objid in chunk.objids[:12]:
            for stamp in scaling.triplet(objid, chunk.encoded(objid)):
                assert stamp.ticked == path.name.startswith("des"), (path, objid)
