"""What is to be seen in a triplet: the guide's questions, put to the pixels.

The answer to a practice detection is what is visible, whatever it was drawn as. Each question
answers True, False, or None if it is arguable; thresholds are in sigma of a stamp filtered with its
PSF, which is the S/N of a point there, or of its pixels. What comes out is a label, and at the
border between two a second one that is right as well.
"""

from typing import NamedTuple, Optional

import numpy as np
from sky import CENTRE, RADIUS, SIDE, X_AXIS, Y_AXIS

import labels

DARKEST, BRIGHTEST = 0.5, 99.9  # percentiles that are black and white in DES stamps
TRIGGER = 4.0  # S/N in Difference below which nobody would have been shown it


class Detection(NamedTuple):
    """A triplet with all that is known of it; the three images come first."""

    search: np.ndarray  # float32 (51, 51), electrons above the sky, row 0 at the top
    template: np.ndarray
    difference: np.ndarray
    drawn: str  # the label that it was drawn as
    seeing: tuple  # FWHM in Search and Template, pixels
    maps: tuple  # see sky.Exposure
    sigma: tuple
    host: Optional[tuple] = None  # x, y of the galaxy's core from the centre
    odd: str = ""  # why it is Other, as a hint: what no question asks about
    odd_stamp: str = "srch"
    bright: Optional[np.ndarray] = (
        None  # bool (51, 51): what may be cut off for the sake of the rest
    )

    @property
    def snr(self):
        """The S/N of the trigger."""
        return float(self.maps[2][CENTRE, CENTRE])


class Answer(NamedTuple):
    """A label, another that is right as well or "", and what gives the detection away.

    `stamp` is one of srch, temp, diff; `x` and `y` its pixel, from the left and the top, from 0.
    """

    label: str
    also: str
    hint: str
    stamp: str
    x: int
    y: int


def stretched(pixels, bright=None):
    """Return a stamp's 8 bits as those of DES are: linear, a few pixels black, a few white.

    `bright` may say which pixels are cut off, for the sake of all that is fainter.
    """
    rest = pixels if bright is None or bright.mean() > 0.8 else pixels[~bright]
    low, high = np.percentile(pixels, DARKEST), np.percentile(rest, BRIGHTEST)
    if not high > low:
        return np.full(pixels.shape, 128, np.uint8)
    return np.rint(255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)


def stands_out(detection, kind, x=0, y=0):
    """Return by how many of 255 grey levels a place stands out of a stamp: 3 x 3 pixels' mean."""
    gray = stretched(detection[kind], detection.bright).astype(float)
    row, column = CENTRE + round(float(y)), CENTRE + round(float(x))
    return gray[row - 1 : row + 2, column - 1 : column + 2].mean() - np.median(gray)


def beside(detection, limit=1.6):
    """Return which pixels are within so many FWHM of the trigger, bool (51, 51)."""
    return np.less_equal(RADIUS, limit * max(detection.seeing))


def dipole(detection):
    """Is a bright lobe right beside a dark one at Difference's centre?"""
    near = detection.maps[2][beside(detection)]
    if near.min() > -3.6:
        return False
    return True if near.max() >= 4.5 and near.min() <= min(-4.7, -0.4 * near.max()) else None


def star_in_template(detection):
    """Is a peak in Template's very centre round and no wider than the PSF?"""
    near = detection.maps[1] * (RADIUS <= 3)
    row, column = np.unravel_index(near.argmax(), near.shape)
    if near.max() < 6 or RADIUS[row, column] > 1.5:
        return False
    # Moments under a Gaussian of the PSF's own width, which halves the variance of a Gaussian.
    width = detection.seeing[1] / 2.355
    light = detection.template * np.exp(-(RADIUS**2) / (2 * width**2))
    xx, yy, xy = ((light * a).sum() for a in (X_AXIS**2, Y_AXIS**2, X_AXIS * Y_AXIS))
    size = (xx + yy) / light.sum() / width**2
    stretch = np.hypot(xx - yy, 2 * xy) / (xx + yy)
    if near.max() > 15 and size < 1.2 and stretch < 0.15:
        return True
    return None if size < 1.35 and stretch < 0.3 else False


def dark_pixels(detection, sigmas):
    """Return which pixels (51, 51) at -`sigmas` or lower touch each other in Template's centre."""
    dark = detection.template <= -sigmas * detection.sigma[1]
    starts = np.argwhere(dark & (RADIUS < 2))
    reached, todo = np.zeros(dark.shape, bool), [tuple(start) for start in starts]
    while todo:
        row, column = todo.pop()
        if not reached[row, column] and dark[row, column] and RADIUS[row, column] < 8:
            reached[row, column] = True
            todo += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return reached


def dark_spot(detection):
    """Do several dark pixels touch exactly in Template's centre?"""
    darkest = np.median(stretched(detection.template, detection.bright))  # above black
    if darkest < 25:  # beside all that is bright, nobody sees a difference
        return False
    if darkest > 40 and np.sum(dark_pixels(detection, 3.5)) >= 4:
        return True
    fewer = ((3, 2), (2.2, 3), (1.8, 4))  # the darker they are, the fewer of them are seen
    return None if any(np.sum(dark_pixels(detection, dark)) >= n for dark, n in fewer) else False


def only_noise(detection):
    """Is there nothing in any stamp that one could call a star or a galaxy?"""
    trigger = beside(detection, 1.5)
    highest = max(np.abs(significance[~trigger]).max() for significance in detection.maps)
    # The two images share the trigger: in each it is too weak to look like a source or a hole.
    shares = max(np.abs(significance[trigger]).max() for significance in detection.maps[:2])
    if highest < 4.2 and shares < 4.5:
        return True
    return False if highest > 7 or shares > 6 else None


def host_seen(detection):
    """Does Template show a galaxy that the trigger could belong to?"""
    if detection.host is None:
        return False
    column, row = (int(np.rint(at)) + CENTRE for at in detection.host)
    strength = detection.maps[1][row, column]
    seen = stands_out(detection, 1, *detection.host)
    if strength > 8 and seen > 40:
        return True
    return None if strength > 5 and seen > 20 else False


def apart(detection):
    """Return how far the host's core is from the trigger, in units of the broader PSF's FWHM."""
    return np.hypot(*detection.host) / max(detection.seeing)


def dip(detection):
    """Return how far Search sinks between the trigger and the host's core, in sigma.

    Of Search's filtered image; 0 if the trigger is no peak of its own: nothing stands apart.
    """
    steps = np.linspace(0, 1, 20)
    columns, rows = (np.rint(CENTRE + at * steps).astype(int) for at in detection.host)
    light = detection.search.astype(float)
    # What the eye evens out: less than the PSF, which would join what is apart.
    light = sum(
        np.roll(light, (v, h), (0, 1)) * weight
        for v, h, weight in (
            (v, h, (2 - abs(v)) * (2 - abs(h)) / 16) for v in (-1, 0, 1) for h in (-1, 0, 1)
        )
    )
    noise = detection.sigma[0] * 0.375  # what is left of it
    own = light[CENTRE - 1 : CENTRE + 2, CENTRE - 1 : CENTRE + 2].max()
    return (own - light[rows, columns].min()) / noise


def new_beside_host(detection):
    """Does a point stand apart from its host in Search, which Template lacks?"""
    host = host_seen(detection)
    if host is False:
        return False
    own, middle = detection.maps[0][CENTRE, CENTRE], RADIUS <= 1.5
    separate = dip(detection)
    # It must not drown in its host's light: how much more Search has there than Template.
    more = detection.difference[middle].sum() / max(detection.template[middle].sum(), 1e-9)
    if (
        apart(detection) < 0.8
        or detection.snr < 6.5
        or min(separate / 1.5, own / 5, more / 0.2) < 1
    ):
        return False
    sure = apart(detection) >= 1 and detection.snr >= 7.5 and separate >= 2 and own >= 6
    return True if sure and host and more >= 0.5 and stands_out(detection, 0) > 45 else None


def almost_good(detection):
    """Could it be a transient with a host, but faint or too near the core to be sure?"""
    sure = detection.snr >= 5 and stands_out(detection, 2) > 60
    return host_seen(detection) if sure else host_seen(detection) and None


QUESTIONS = {
    "BadSubtraction": dipole,
    "PsfInTemplate": star_in_template,
    "DarkSpotInTemplateCenter": dark_spot,
    "NoisyTemplate": only_noise,
    "Good": new_beside_host,
    "Marginal": almost_good,
}  # in the guide's order
CLASSES = tuple(QUESTIONS)


def nothing(detection):
    """Tell whether nothing is to be seen in the centre of any stamp, though Template is good."""
    middle = RADIUS <= 4
    highest = max(np.abs(significance[middle]).max() for significance in detection.maps)
    return highest < 3.6 and detection.maps[1].max() > 15


def candidates(detection):
    """Return the labels that fit: those that are arguable, up to the first that is plain.

    An empty list also where the trigger is too faint, or is not the highest point in the centre.
    """
    around = np.where(RADIUS <= 4, detection.maps[2], -np.inf)
    row, column = np.unravel_index(around.argmax(), (SIDE, SIDE))
    if detection.snr < TRIGGER or RADIUS[row, column] > 1.5:
        return []
    found = []
    for label, question in QUESTIONS.items():
        if label == "Good" and detection.odd:
            return [*found, "Other"]
        fits = question(detection)
        if fits is not False:
            found.append(label)
        if fits:
            return found
    return [*found, "Other"] if not found and own_point(detection) else found


def own_point(detection):
    """Tell whether Search shows a clean point in the centre."""
    return detection.maps[0][CENTRE, CENTRE] >= 8


def answer(detection, level):
    """Decide from the pixels what a detection is.

    Parameters
    ----------
    detection : Detection
    level : str
        "clear": it is thrown back unless one label alone fits. "real": two may be right, and one
        that could be more than two things is Unsure.

    Returns
    -------
    Answer or None
        None where nothing fits, or too much does.
    """
    found = ["Unsure"] if nothing(detection) else candidates(detection)
    if level == "clear":
        return told(detection, found[0]) if len(found) == 1 and plain(detection, found[0]) else None
    if len(found) > 2:
        drawn = detection.drawn if detection.drawn in found else found[-1]
        return told(detection, "Unsure", drawn)
    if len(found) == 2:
        one, other = found if found[0] == detection.drawn else found[::-1]
        return told(detection, one, other)
    if not found:
        return None
    return told(detection, found[0], "" if plain(detection, found[0]) else "Unsure")


def plain(detection, label):
    """Tell whether the question of a single label is answered with a plain yes."""
    return label not in QUESTIONS or bool(QUESTIONS[label](detection))


# What gives it away, in plain words


def told(detection, label, also=""):
    """Return the `Answer` with what to look at, and where."""
    hint, stamp, x, y = HINTS[label](detection)
    if also:
        hint = f"{hint}; at the border, {labels.title(also)} is right as well"
    return Answer(label, also, hint, stamp, CENTRE + round(float(x)), CENTRE + round(float(y)))


def _tell_dipole(detection):
    near = np.where(beside(detection), detection.maps[2], np.inf)
    row, column = np.unravel_index(near.argmin(), near.shape)
    x, y = (column - CENTRE) / 2, (row - CENTRE) / 2
    return "Difference: bright right beside dark, the two images were not aligned", "diff", x, y


def _tell_star(detection):
    return "Template: a round point exactly in the centre, as sharp as a star", "temp", 0, 0


def _tell_dark_spot(detection):
    dark = dark_pixels(detection, 3)
    dark = dark if np.sum(dark) >= 2 else dark_pixels(detection, 1.8)
    count = np.sum(dark)
    return (
        f"Template: {count} dark pixels touch exactly in the centre, Difference shows them bright",
        "temp",
        X_AXIS[dark].mean(),
        Y_AXIS[dark].mean(),
    )


def _tell_noise(detection):
    return (
        "Template: noise alone, and no star or galaxy in Search or Difference either",
        "temp",
        0,
        0,
    )


def _tell_good(detection):
    away = np.hypot(*detection.host)
    return (
        f"Search: a point {away:.0f} pixels from the galaxy's core, where Template has none",
        "srch",
        0,
        0,
    )


def _tell_marginal(detection):
    if apart(detection) < 0.8:
        away = np.hypot(*detection.host)
        pixels = "a pixel" if away < 1.5 else f"{away:.0f} pixels"
        hint = f"Template: the galaxy's core is only {pixels} away, too near to be sure"
        return hint, "temp", *detection.host
    if detection.snr >= 8:
        return (
            "Search: no point stands apart from the galaxy, though Difference has one",
            "srch",
            0,
            0,
        )
    return "Difference: perhaps a point in the centre, but hardly above the noise", "diff", 0, 0


def _tell_other(detection):
    if detection.odd:
        return detection.odd, detection.odd_stamp, 0, 0
    return "Search: a clean point, and no galaxy in Template that it could belong to", "srch", 0, 0


def _tell_unsure(detection):
    if nothing(detection):
        return "Difference: nothing stands out in the centre, nor does it in Search", "diff", 0, 0
    return "Difference: too little to tell, several labels could be right", "diff", 0, 0


HINTS = {
    "BadSubtraction": _tell_dipole,
    "PsfInTemplate": _tell_star,
    "DarkSpotInTemplateCenter": _tell_dark_spot,
    "NoisyTemplate": _tell_noise,
    "Good": _tell_good,
    "Marginal": _tell_marginal,
    "Other": _tell_other,
    "Unsure": _tell_unsure,
}
