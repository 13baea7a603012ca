"""How a person wants to see the stamps: what can be asked for, and kept for the next time.

What it does to pixels is in scaling.py. Standard library only, so that the window need not wait
for numpy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple

BIAS, CONTRAST = (-0.5, 1.5), (0.2, 20.0)  # how far one can drag
SCALINGS = {  # what each is called; what it does is in `scaling.SCALINGS`
    "asinh": "asinh (8-bit stamps as they are)",
    "matched": "asinh, Search and Template on one scale",
    "zscale": "zscale (linear)",
    "minmax": "lowest to highest pixel (linear)",
    "faint": "a harder asinh, for what is faint",
}


class Look(NamedTuple):
    """How the stamps look; without arguments as the program chooses.

    Attributes
    ----------
    scaling : str
        A key of `SCALINGS`; what is none stands for the first of them.
    inverted : bool
        The bright ones dark, as on a photographic plate.
    bias : float
        Which share of the range, from 0 to 1, becomes middle grey.
    contrast : float
        The slope there: 1 shows the whole range, more is harder.
    smooth : bool
        Convolved with a Gaussian, and drawn without steps from pixel to pixel.
    """

    scaling: str = "asinh"
    inverted: bool = False
    bias: float = 0.5
    contrast: float = 1.0
    smooth: bool = False

    def stretched(self, bias: float, contrast: float) -> Look:
        """Return it with another bias and contrast, as far as these may go."""
        bias = min(max(bias, BIAS[0]), BIAS[1])
        contrast = min(max(contrast, CONTRAST[0]), CONTRAST[1])
        return self._replace(bias=bias, contrast=contrast)

    def as_settings(self) -> dict[str, str]:
        """Return it as texts, by the names of its attributes."""
        return {name: str(value) for name, value in self._asdict().items()}

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Look:
        """Read what `as_settings` wrote; what makes no sense is as the program chooses."""
        look = cls()
        with contextlib.suppress(KeyError):
            look = look._replace(scaling=settings["scaling"])
            look = look._replace(inverted=settings["inverted"] == "True")
        look = look._replace(smooth=settings.get("smooth") == "True")
        with contextlib.suppress(KeyError, ValueError):
            bias, contrast = float(settings["bias"]), float(settings["contrast"])
            if BIAS[0] <= bias <= BIAS[1] and CONTRAST[0] <= contrast <= CONTRAST[1]:
                look = look._replace(bias=bias, contrast=contrast)
        return look
