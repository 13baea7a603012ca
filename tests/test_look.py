"""How a person wants to see stamps: bounded, and kept as texts."""

import pytest

from look import BIAS, CONTRAST, Look


def test_a_look_comes_back_from_the_settings_as_it_was():
    for look in (Look(), Look("zscale", True, -0.25, 12.5), Look(smooth=True)):
        assert Look.from_settings(look.as_settings()) == look
        assert all(isinstance(text, str) for text in look.as_settings().values())


@pytest.mark.parametrize(
    "bias, contrast",
    [
        *((bias, "2.0") for bias in ("nan", "inf", "-9", "9", "", "a", "1e400")),
        *(("0.3", contrast) for contrast in ("nan", "inf", "0", "-1", "99", "")),
    ],
)
def test_a_stretch_that_cannot_be_is_the_usual_one(bias, contrast):
    settings = {"scaling": "faint", "inverted": "True", "bias": bias, "contrast": contrast}
    assert Look.from_settings(settings) == Look("faint", True)


def test_no_settings_are_the_usual_look():
    assert Look.from_settings({}) == Look()


def test_a_stretch_stops_at_its_bounds():
    assert Look().stretched(-9, 99)[2:4] == (BIAS[0], CONTRAST[1])
    assert Look("faint", True).stretched(9, 0) == Look("faint", True, BIAS[1], CONTRAST[0])
    assert Look().stretched(0.3, 2.0) == Look(bias=0.3, contrast=2.0)
