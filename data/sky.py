"""What is on the sky and what a camera makes of it: sources, exposures, the subtraction, blemishes.

Galaxies with Sersic profiles, bent and knotty if need be, elliptical Moffat point spread functions
(PSF), photon and read noise, a Template whose noise is correlated because it was resampled, and a
Difference made by matching its PSF to Search's with a kernel that is not quite right, as that of
DES: that is where the worms in the noise and the residuals come from. Lengths are pixels, fluxes
electrons; x runs right and y down from the stamp's centre; in arrays row 0 is the top.
"""

from functools import lru_cache
from typing import NamedTuple, Optional

import numpy as np

SIDE = 51  # pixels, as DES cuts them
CENTRE = SIDE // 2
PIXEL = 0.263  # arcsec, DECam
PAD = 15  # pixels around the stamp, so that what the Fourier transform wraps stays outside
WIDE = SIDE + 2 * PAD
READ_NOISE = 7.0  # electrons, DECam

WAVES = np.fft.fftfreq(WIDE)[:, None]  # cycles per pixel, down; only half of those across
HALF_WAVES = np.fft.rfftfreq(WIDE)
GRID = np.arange(WIDE) - WIDE // 2
Y_AXIS, X_AXIS = np.mgrid[:SIDE, :SIDE] - CENTRE
RADIUS = np.hypot(X_AXIS, Y_AXIS)
INNER = slice(PAD, PAD + SIDE)


class Source(NamedTuple):
    """A Sersic galaxy, or with radius 0 a star.

    `radius` holds half of the light, `ratio` is that of the axes, `angle` the long one's in
    radians. `bend` and `lopsided`, each from -0.5 to 0.5, make it a banana and one end of it
    longer; `knots` are (along, across, share): where on the axes, in radii, how much more light is.
    """

    x: float
    y: float
    flux: float
    radius: float = 0.0
    index: float = 1.0
    ratio: float = 1.0
    angle: float = 0.0
    bend: float = 0.0
    lopsided: float = 0.0
    knots: tuple = ()


class Sky(NamedTuple):
    """Conditions of the two exposures."""

    seeing: tuple  # FWHM in Search and Template
    beta: float  # of the Moffat PSFs
    level: float  # of Search's sky, electrons per pixel
    depth: float  # Template's exposure time over Search's
    offset: tuple  # pixels, right and down: part of one, by which Template was resampled
    damping: float  # of the matching kernel: the smaller, the stronger the worms in the noise
    shapes: tuple = ((1.0, 0.0), (1.0, 0.0))  # the PSFs' ratio of axes, and the long one's angle
    drift: tuple = (0.0, 0.0)  # by how much Template is off; the kernel makes up for it
    slack: tuple = ()  # what the kernel gets wrong: (i, j, c), see `misfit`
    shared: float = 1.0  # of the variance that Template gives Difference: what Template shows


class Blemishes(NamedTuple):
    """What else there is in the images, each (81, 81) or None."""

    both: Optional[np.ndarray] = None  # electrons in Search and Template, which cancel out
    search: Optional[np.ndarray] = None  # electrons that Search alone has
    background: Optional[np.ndarray] = None  # electrons that Template alone has
    uneven: Optional[np.ndarray] = None  # Template's noise, over that in the centre
    template: Optional[np.ndarray] = None  # bool: dead pixels, at `deep` times the noise below sky
    deep: float = 0.0
    masked: Optional[np.ndarray] = None  # bool: where Difference has no value, and is 0


class Exposure(NamedTuple):
    """The images (51, 51) of a piece of sky, and what is known of their noise.

    `maps` are the images filtered with their PSF, in sigma of their sky's noise: the S/N of a
    point source at each pixel.
    """

    images: tuple
    maps: tuple
    sigma: tuple  # the sky noise per pixel of Search and Template


def galaxy_light(galaxy):
    """Return a galaxy's light before any seeing, electrons per pixel (81, 81).

    I(r) ~ exp(-b_n (r / R_e)^(1/n)), b_n from Ciotti and Bertin 1999 (A&A 352, 447), eq. 18, good
    to 1e-6 for n > 0.5. The core is a cusp for n > 1: its 7 x 7 pixels are averages over 9 x 9
    points each, or the look of a small galaxy would hang on where in a pixel its core falls.
    """
    n = galaxy.index
    b_n = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    cosine, sine = np.cos(galaxy.angle), np.sin(galaxy.angle)

    def light(x, y):
        x, y = x[None, :] - galaxy.x, y[:, None] - galaxy.y
        along = (x * cosine + y * sine) * np.sqrt(galaxy.ratio) / galaxy.radius
        across = (y * cosine - x * sine) / np.sqrt(galaxy.ratio) / galaxy.radius
        across = across + galaxy.bend * np.abs(along) ** 1.5
        r = np.hypot(along, across) - galaxy.lopsided * along
        return np.exp(-b_n * r ** (1 / n))

    image = light(GRID, GRID)
    column, row = (int(np.clip(np.rint(at), -37, 37)) for at in galaxy[:2])
    points = (np.arange(63) - 31) / 9
    core = light(column + points, row + points).reshape(7, 9, 7, 9).mean((1, 3))
    at = WIDE // 2
    image[at + row - 3 : at + row + 4, at + column - 3 : at + column + 4] = core
    image *= galaxy.flux / image.sum()
    for along, across, share in galaxy.knots:
        along, across = along * galaxy.radius, across * galaxy.radius * galaxy.ratio
        x = galaxy.x + along * cosine - across * sine
        y = galaxy.y + along * sine + across * cosine
        image += share * galaxy.flux / (2 * np.pi) * ring(x, y, 0, 2.355)
    return image


def moffat(fwhm, beta, ratio=1.0, angle=0.0):
    """Return a Moffat PSF (Moffat 1969, A&A 3, 455) of unit flux, (81, 81).

    The smaller `beta`, the stronger the wings. `fwhm` is the mean of the axes, `ratio` theirs, and
    `angle` the long one's.
    """
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    along = GRID * np.cos(angle) + GRID[:, None] * np.sin(angle)
    across = GRID[:, None] * np.cos(angle) - GRID * np.sin(angle)
    profile = (1 + (along**2 * ratio + across**2 / ratio) / alpha**2) ** -beta
    return profile / profile.sum()


def waves(image):
    """Return the Fourier transform (81, 41) of an image whose origin is its central pixel."""
    return np.fft.rfft2(np.fft.ifftshift(image))


def image_of(transform):
    """Return the image (81, 81) that has this Fourier transform; undoes `waves`."""
    return np.fft.fftshift(np.fft.irfft2(transform, (WIDE, WIDE)))


def displacement(x, y):
    """Return the Fourier phase that moves an image by x, y."""
    return np.exp(-2j * np.pi * (HALF_WAVES * x + WAVES * y))


@lru_cache(maxsize=16)
def _galaxy_waves(galaxy):
    """Return the transform of a galaxy's light, which Template and Search share."""
    return waves(galaxy_light(galaxy))


def seen(sources, psf, shift=(0.0, 0.0)):
    """Return the electrons (81, 81) of sources through a PSF (its transform), moved by a shift."""
    total = np.zeros(psf.shape, complex)
    for source in sources:
        if source.radius == 0:
            total += source.flux * displacement(source.x, source.y)
        else:
            total += _galaxy_waves(source)
    return image_of(total * psf * displacement(*shift))


def matching_kernel(search_psf, template_psf, damping):
    """Return the transform of the kernel that gives Template the PSF of Search.

    The PSFs are known, so it is their ratio in Fourier space (Phillips and Davis 1995, ASP Conf.
    77, 297) and needs no fit; where Template's PSF lets nothing through, the ratio is damped as in
    a Wiener filter. Where Search is the sharper one it sharpens, and the noise gets worms.
    """
    return search_psf * template_psf.conj() / (np.abs(template_psf) ** 2 + damping)


def misfit(slack):
    """Return the transform of what a fitted kernel gets wrong; its sum is 0.

    Each (i, j, c) is a Gaussian of one pixel, differentiated i times to the right and j downwards:
    the first derivatives leave part of a shift, the second of a width, the others are ragged.
    """
    right, down = 2j * np.pi * HALF_WAVES, 2j * np.pi * WAVES
    envelope = np.exp(-2 * np.pi**2 * (WAVES**2 + HALF_WAVES**2))
    return envelope * sum((c * right**i * down**j for i, j, c in slack), 0 * right)


def resampling(offset):
    """Return the transform of what resampling by part of a pixel does to an image.

    Lanczos interpolation over six pixels, as SWarp has it (Bertin 2002, ASP Conf. 281, 228); the
    shift itself is undone.
    """
    total = 1
    for part, frequencies in zip(offset, (HALF_WAVES, WAVES)):
        steps = np.arange(-2, 4) - part
        weights = np.sinc(steps) * np.sinc(steps / 3)
        phases = np.exp(-2j * np.pi * frequencies[..., None] * steps)
        total = total * (phases @ (weights / weights.sum()))
    return total


def expose(rng, before, after, sky, shift=(0.0, 0.0), fluctuation=None, blemishes=None):
    """Take Search and Template of a piece of sky, and subtract.

    Parameters
    ----------
    rng : numpy.random.Generator
    before, after : list of Source
        What Template saw; what Search saw.
    sky : Sky
    shift : (float, float), optional
        By how many pixels Search is off (right, down).
    fluctuation : float, optional
        S/N of the noise at Difference's centre. Such a place is one in millions, but a survey looks
        at more: the highest of the field is moved to the centre, and what it lacks is added to the
        noise of both images in the most likely way, that of a Gaussian field under this condition.
    blemishes : Blemishes, optional

    Returns
    -------
    Exposure
    """
    blemishes = blemishes or Blemishes()
    search_psf, template_psf = (
        waves(moffat(fwhm, sky.beta, *shape)) for fwhm, shape in zip(sky.seeing, sky.shapes)
    )
    search, template = seen(after, search_psf, shift), seen(before, template_psf, sky.drift)
    if blemishes.search is not None:
        search = search + blemishes.search

    # A resampled coadd has correlated noise; its pixels keep the noise that its depth gives them.
    # For the subtraction it is resampled anew, so that Difference has some noise of its own.
    resampled = resampling(sky.offset)
    blur = np.abs(resampled) / np.sqrt(_mean_power(resampled))
    noises = []
    for image, depth in ((search, 1.0), (template, sky.depth), (template, sky.depth)):
        light = np.clip(image + sky.level, 0, None)
        noise = rng.standard_normal(image.shape) * np.sqrt((light + READ_NOISE**2) / depth)
        noises.append(np.fft.rfft2(noise))
    noises[1] *= blur
    noises[2] *= blur
    variance = sky.level + READ_NOISE**2
    correlated = variance / sky.depth * blur**2
    power = variance, correlated, correlated  # of the noise, per frequency
    sigma = np.sqrt(variance), np.sqrt(variance / sky.depth)

    kernel = matching_kernel(search_psf, template_psf * displacement(*sky.drift), sky.damping)
    kernel = kernel + misfit(sky.slack)
    shown, own = np.sqrt(sky.shared), np.sqrt(1 - sky.shared)
    filters = search_psf, -shown * kernel * search_psf, -own * kernel * search_psf
    loud = np.sqrt(sum(_mean_power(np.sqrt(p) * f) for p, f in zip(power, filters)))
    if fluctuation is not None:
        answer = np.fft.irfft2(sum(n * f for n, f in zip(noises, filters)), (WIDE, WIDE))
        highest = np.unravel_index(answer.argmax(), answer.shape)
        to_centre = displacement(*(WIDE // 2 - at for at in highest[::-1]))
        lacking = (fluctuation - answer.max() / loud) / loud * displacement(WIDE // 2, WIDE // 2)
        noises = [n * to_centre + lacking * p * f.conj() for n, p, f in zip(noises, power, filters)]
    noises = [np.fft.irfft2(noise, (WIDE, WIDE)) for noise in noises]
    uneven = 1.0 if blemishes.uneven is None else blemishes.uneven
    if blemishes.background is not None:
        template = template + blemishes.background
    if blemishes.template is not None:
        depths = blemishes.deep * sigma[1] * rng.uniform(1.1, 1.6, template.shape)
        hole = np.fft.rfft2(blemishes.template * (template + depths)) * resampled
        template = template - np.fft.irfft2(hole, (WIDE, WIDE))
    search = search + noises[0]
    subtracted = template + (shown * noises[1] + own * noises[2]) * uneven
    template = template + noises[1] * uneven
    difference = np.fft.irfft2(
        np.fft.rfft2(search) - np.fft.rfft2(subtracted) * kernel, (WIDE, WIDE)
    )
    if blemishes.both is not None:
        search, template = search + blemishes.both, template + blemishes.both
    if blemishes.masked is not None:
        difference[blemishes.masked] = 0

    images = tuple(i[INNER, INNER].astype(np.float32) for i in (search, template, difference))
    psfs = search_psf, template_psf, search_psf
    scatter = [np.sqrt(_mean_power(np.sqrt(p) * f)) for p, f in zip(power, psfs[:2])] + [loud]
    maps = []
    for image, psf, noise in zip(images, psfs, scatter):
        filtered = np.fft.irfft2(np.fft.rfft2(np.pad(image, PAD)) * psf, (WIDE, WIDE))
        maps.append(filtered[INNER, INNER] / noise)
    return Exposure(images, tuple(maps), sigma)


def _mean_power(half):
    """Return the mean of |f|^2 over all frequencies of a field given by half of them (81, 41)."""
    power = np.broadcast_to(np.abs(half) ** 2, (WIDE, WIDE // 2 + 1))
    return (2 * power.sum() - power[:, 0].sum()) / WIDE**2


# Blemishes


def line(angle, offset, width):
    """Return a straight trail (81, 81) of unit height, Gaussian across, past the centre."""
    across = GRID * np.sin(angle) - GRID[:, None] * np.cos(angle) - offset
    return np.exp(-(across**2) / (2 * (width / 2.355) ** 2))


def ring(x, y, radius, width):
    """Return a ring (81, 81) of unit height around x, y."""
    r = np.hypot(GRID - x, GRID[:, None] - y)
    return np.exp(-((r - radius) ** 2) / (2 * (width / 2.355) ** 2))


def disc(x, y, radius):
    """Return which pixels (81, 81) are within a radius of x, y."""
    return np.hypot(GRID - x, GRID[:, None] - y) < radius


def cut_off(rng, radius):
    """Return what is masked (81, 81) at a side: part of a disc; of a large one nearly a strip.

    Its rim is 8 to 22 pixels from the centre; a strip runs along the rows or the columns.
    """
    angle = rng.uniform(0, 2 * np.pi) if radius < 100 else rng.integers(4) * np.pi / 2
    away = radius + rng.uniform(8, 22)
    return disc(away * np.cos(angle), away * np.sin(angle), radius)


def step(rng, low, width):
    """Return a step (81, 81) from `low` to 1 / low along a random line, 1 in the centre."""
    angle = rng.uniform(0, 2 * np.pi)
    along = GRID * np.cos(angle) + GRID[:, None] * np.sin(angle)
    smooth = low ** np.tanh((along - rng.uniform(-15, 15)) / width)
    return smooth / smooth[WIDE // 2, WIDE // 2]


def ripple(rng, slope):
    """Return an uneven background (81, 81): a slope, and a wave longer than half a stamp."""
    angles, phase = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0, 2 * np.pi)
    ways = [GRID * np.cos(angle) + GRID[:, None] * np.sin(angle) for angle in angles]
    return slope * ways[0] / CENTRE + np.cos(ways[1] / rng.uniform(5, 12) + phase) / 2


def bleed(rng, x, y, length):
    """Return the unit trail (81, 81), a row or two, that a saturated star at x, y bleeds."""
    rows = np.clip(rng.uniform(0.8, 1.5) - np.abs(GRID[:, None] - y), 0, 1)
    ends = x - length * rng.uniform(0.3, 1), x + length * rng.uniform(0.3, 1)
    return rows * ((ends[0] < GRID) & (ends[1] > GRID))


def spot(rng, size, ragged):
    """Return a group (81, 81) of so many pixels that touch, one in the very centre.

    `ragged` is by how many pixels they may be farther from it than need be.
    """
    spots = [(0, 0)]
    while len(spots) < size:
        rim = {(r + v, c + h) for r, c in spots for v, h in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        # Of the rim, one of the pixels nearest to the middle comes next.
        rim = sorted(rim - set(spots))
        far = [np.hypot(*at) + rng.uniform(0, ragged) for at in rim]
        spots.append(rim[int(np.argmin(far))])
    found = np.zeros((WIDE, WIDE), bool)
    for row, column in spots:
        found[WIDE // 2 + row, WIDE // 2 + column] = True
    return found


def track(rng, length):
    """Return the track (81, 81) of a cosmic ray through the centre: of pixels' width, unit sum."""
    angle = rng.uniform(0, np.pi)
    image = np.zeros((WIDE, WIDE))
    for along in np.linspace(-length / 2, length / 2, 60):
        row, column = along * np.sin(angle), along * np.cos(angle)
        low, left = int(np.floor(row)), int(np.floor(column))
        down, right = row - low, column - left
        low, left = low + WIDE // 2, left + WIDE // 2
        image[low : low + 2, left : left + 2] += np.outer([1 - down, down], [1 - right, right])
    return image / image.sum()
