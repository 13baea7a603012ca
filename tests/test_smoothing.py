"""Smoothing: a Gaussian that knows missing pixels, and what is drawn between pixels."""

import warnings

import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, convolve
from conftest import noise

import smoothing

NONE = np.zeros((51, 51), bool)
HOLES = NONE.copy()
HOLES[:9], HOLES[20:24, 30:34], HOLES[40, 7] = True, True, True


@pytest.mark.parametrize("missing", [NONE, HOLES])
def test_it_is_the_convolution_with_a_gaussian_that_astropy_makes(missing):
    values = noise(sky=0.0)
    kernel = Gaussian2DKernel(smoothing.SIGMA, x_size=9, y_size=9)
    with warnings.catch_warnings():  # there is nothing to interpolate from far within a hole
        warnings.simplefilter("ignore")
        wanted = convolve(np.where(missing, np.nan, values), kernel, "fill", np.nan)
    found = smoothing.smoothed(values, missing)
    if not missing.any():  # older astropy has none at the edge then
        found, wanted, missing = (each[4:-4, 4:-4] for each in (found, wanted, missing))
    assert np.abs(found - wanted)[~missing].max() < 0.01 * found.std()


def test_noise_falls_as_that_of_a_gaussian_and_a_sum_stays():
    values = noise((200, 200), sky=0.0, sigma=1.0)
    found = smoothing.smoothed(values, values > 99)
    assert found.std() == pytest.approx(1 / (2 * np.sqrt(np.pi) * smoothing.SIGMA), rel=0.05)
    point = np.zeros((31, 31))
    point[15, 15] = 7
    found = smoothing.smoothed(point, point < 0)
    assert found.sum() == pytest.approx(7) and found.argmax() == point.argmax()
    assert found[15, 15] == pytest.approx(7 / (2 * np.pi * smoothing.SIGMA**2), rel=0.01)


@pytest.mark.parametrize("filling", [np.nan, np.inf, -3.4028235e38, np.finfo("f8").max, 0.0])
def test_missing_pixels_leak_nothing(filling):
    values = np.full((51, 51), 7.25)
    values[HOLES] = filling
    assert (smoothing.smoothed(values, HOLES) == 7.25).all()
    values = noise()
    spoilt = np.where(HOLES, filling, values)
    assert np.array_equal(smoothing.smoothed(spoilt, HOLES), smoothing.smoothed(values, HOLES))


def test_what_is_all_missing_or_a_single_pixel_has_an_answer():
    assert (smoothing.smoothed(np.full((9, 7), np.nan), np.ones((9, 7), bool)) == 0).all()
    assert smoothing.smoothed(np.full((1, 1), 3.0), np.zeros((1, 1), bool)) == 3


def test_far_from_a_star_a_sky_without_noise_stays_as_it_is():
    """Or half of a noiseless stamp would differ by next to nothing, which was taken for noise."""
    values = np.zeros((51, 51))
    values[25, 25] = 1000
    assert np.count_nonzero(smoothing.smoothed(values, NONE)) < 0.05 * values.size


def test_pixels_keep_their_value_and_between_them_it_is_smooth():
    values = noise((21, 31), sky=0.5, sigma=0.1)
    large = smoothing.interpolated(values, 21 * 9, 31 * 9).astype(int)
    assert large.shape == (189, 279)
    assert np.array_equal(large[4::9, 4::9], np.rint(255 * values))  # in the middle of each
    steps = np.abs(np.diff(large, axis=0)).max() / np.abs(np.diff(values, axis=0)).max() / 255
    assert steps < 2 / 9
    ramp = np.add.outer(np.linspace(0, 1, 21), np.zeros(31))
    large = smoothing.interpolated(ramp, 210, 31)[:, 0].astype(int)
    straight = (np.arange(210) + 0.5) / 10 - 0.5
    assert np.abs(large - 255 * straight / 20)[15:-15].max() < 0.51  # not at the edge
    assert (np.diff(large) >= 0).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (51, 51), (20, 10)])
def test_it_can_be_drawn_at_any_size_and_from_any_values(size):
    for values in (np.full((51, 51), 0.6), np.full((1, 1), 0.6)):
        assert np.array_equal(smoothing.interpolated(values, *size), np.full(size, 153))
    wild = noise(sky=0.0, sigma=1e300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        large = smoothing.interpolated(wild, *size)
    assert large.shape == size and large.dtype == np.uint8
