"""Make detections whose label is known: DECam-like triplets to practise on, pictures for the guide.

    python3 data/simulate.py practice FOLDER    srchID.gif tempID.gif diffID.gif …, truth.csv
    python3 data/simulate.py guide FOLDER       NAME.png, one per label: the three side by side
    python3 data/simulate.py icon FOLDER        icon.png, the window's

truth.csv (RFC 4180, LF, UTF-8) has the header OBJID,LABEL,HINT,STAMP,X,Y,SNR: HINT says what gives
this detection away, STAMP (srch, temp, diff) and the pixel X, Y (from the left and the top, from 0)
where to look, SNR is that of the trigger in Difference.

A draw is physics: galaxies with Sersic profiles, Moffat point spread functions (PSF), photon and
read noise, and a Difference made by matching the PSFs. Then the guide's questions are put to the
pixels, in the guide's order (`verdict`), and a draw that any other label would fit is thrown back.
"""

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import disk  # noqa: E402
import scaling
import stamps  # noqa: E402

SIDE = 51  # pixels, as DES cuts them
CENTRE = SIDE // 2
PIXEL = 0.263  # arcsec, DECam
PAD = 15  # pixels around the stamp, so that what the Fourier transform wraps stays outside
WIDE = SIDE + 2 * PAD
FINE = 3  # sub-pixels per pixel; a PSF of 0.9 arcsec is then 10 of them wide
READ_NOISE = 7.0  # electrons, DECam
TICK = 10  # length of a corner tick in pixels, as on DES stamps
GAP, GAP_GREY = 3, 48  # between the stamps of a guide picture
SEED = 20261122  # makes the shipped sets
TRUTH_HEADER = ["OBJID", "LABEL", "HINT", "STAMP", "X", "Y", "SNR"]
PICTURES_ONLY = ("Unsure", "Other")  # labels without a truth

WAVES = np.fft.fftfreq(WIDE * FINE, 1 / FINE)  # cycles per pixel
SUB = (np.arange(WIDE * FINE) - WIDE * FINE // 2) / FINE  # pixels from the middle
Y_AXIS, X_AXIS = np.mgrid[:SIDE, :SIDE] - CENTRE
RADIUS = np.hypot(X_AXIS, Y_AXIS)


class Source(NamedTuple):
    """A Sersic galaxy, or with radius 0 a star.

    `x`, `y` (right, down from the stamp's centre) and `radius`, which holds half of the light, in
    pixels, `flux` in electrons, `ratio` of the axes, `angle` of the long one in radians.
    """

    x: float
    y: float
    flux: float
    radius: float = 0.0
    index: float = 1.0
    ratio: float = 1.0
    angle: float = 0.0


class Sky(NamedTuple):
    """Conditions of the two exposures."""

    seeing: tuple  # FWHM in Search and Template, pixels
    beta: float  # of the Moffat PSFs
    level: float  # of Search's sky, electrons per pixel
    depth: float  # Template's exposure time over Search's
    smear: float  # sigma of what resampling did to Template's noise, pixels


class Detection(NamedTuple):
    """A triplet with its truth."""

    search: np.ndarray  # float32 (51, 51), electrons above the sky, row 0 at the top
    template: np.ndarray
    difference: np.ndarray
    label: str
    hint: str
    telling: str  # the stamp (srch, temp, diff) and its pixel that give the label away
    x: int
    y: int
    snr: float  # of the trigger
    seeing: tuple  # FWHM in Search and Template, pixels
    maps: tuple  # the stamps filtered with their PSF, in sigma of the sky noise they were given
    sigma: float  # Template's sky noise per pixel
    host: tuple  # x, y of the host's core from the centre, or None


def sersic(galaxy):
    """Return a galaxy's light before any seeing: electrons per sub-pixel, (243, 243).

    I(r) ~ exp(-b_n (r / R_e)^(1/n)), b_n from Ciotti and Bertin 1999 (A&A 352, 447), eq. 18, good
    to 1e-6 for n > 0.5. The core is a cusp for n > 1: its 5 x 5 sub-pixels are averages over 9 x 9
    points each, or the look of a small galaxy would hang on where in a pixel its core falls.
    """
    n = galaxy.index
    b_n = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    cosine, sine = np.cos(galaxy.angle), np.sin(galaxy.angle)

    def light(x, y):
        x, y = x[None, :] - galaxy.x, y[:, None] - galaxy.y
        along, across = x * cosine + y * sine, y * cosine - x * sine
        r = np.sqrt(along**2 * galaxy.ratio + across**2 / galaxy.ratio) / galaxy.radius
        return np.exp(-b_n * r ** (1 / n))

    image = light(SUB, SUB)
    column, row = (int(np.clip(np.abs(SUB - c).argmin(), 2, SUB.size - 3)) for c in galaxy[:2])
    points = (np.arange(45) - 22) / (9 * FINE)
    core = light(SUB[column] + points, SUB[row] + points).reshape(5, 9, 5, 9).mean((1, 3))
    image[row - 2 : row + 3, column - 2 : column + 3] = core
    return image * (galaxy.flux / image.sum())


def moffat(fwhm, beta):
    """Return a Moffat PSF (Moffat 1969, A&A 3, 455) of unit flux on sub-pixels, (243, 243).

    `fwhm` in pixels; the smaller `beta`, the stronger the wings.
    """
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    profile = (1 + (SUB**2 + SUB[:, None] ** 2) / alpha**2) ** -beta
    return profile / profile.sum()


def transform(sources):
    """Return the Fourier transform of sources before any seeing, on sub-pixels, (243, 243)."""
    total = np.zeros((WIDE * FINE, WIDE * FINE), complex)
    for source in sources:
        if source.radius == 0:
            total += source.flux * displacement(source.x, source.y)
        else:
            total += np.fft.fft2(np.fft.ifftshift(sersic(source)))
    return total


def displacement(x, y):
    """Return the Fourier phase that moves an image by x, y pixels (right, down)."""
    return np.exp(-2j * np.pi * (WAVES * x + WAVES[:, None] * y))


def collected(fine):
    """Return what the pixels (81, 81) collect of an image on sub-pixels."""
    return fine.reshape(WIDE, FINE, WIDE, FINE).sum((1, 3))


def seen(sources, psf, shift):
    """Return the electrons (81, 81) of sources through a PSF, moved by (right, down) pixels."""
    if not sources:
        return np.zeros((WIDE, WIDE))
    light = transform(sources) * displacement(*shift) * np.fft.fft2(np.fft.ifftshift(psf))
    return collected(np.fft.fftshift(np.fft.ifft2(light).real))


def matching_kernels(search_psf, template_psf):
    """Return the Fourier transforms of the kernels that bring two images to the same PSF.

    The sharper image is blurred to the other's PSF, as Alard and Lupton 1998 (ApJ 503, 325) advise,
    because sharpening amplifies noise. The PSFs are known, so the kernel is their ratio in Fourier
    space (Phillips and Davis 1995, ASP Conf. 77, 297) and needs no fit; where the sharper PSF lets
    nothing through, the ratio is damped as in a Wiener filter.

    Parameters
    ----------
    search_psf, template_psf : ndarray, complex, (81, 81)
        Fourier transforms of the PSFs.

    Returns
    -------
    search_kernel, template_kernel, common_psf : ndarray, complex, (81, 81)
    """

    def ratio(broad, sharp):
        return broad * sharp.conj() / (np.abs(sharp) ** 2 + 1e-5)

    same = np.ones_like(search_psf)
    if np.sum(np.abs(search_psf) ** 2) > np.sum(np.abs(template_psf) ** 2):
        return ratio(template_psf, search_psf), same, template_psf
    return same, ratio(search_psf, template_psf), search_psf


def expose(rng, before, after, sky, spot=None, fluctuation=None, shift=(0.0, 0.0)):
    """Take Search and Template of a piece of sky, and subtract.

    Parameters
    ----------
    rng : numpy.random.Generator
    before, after : list of Source
        What Template saw; what Search saw.
    sky : Sky
    spot : list of (row, column, depth), optional
        Template pixels from the centre set to -depth, in units of Template's noise.
    fluctuation : float, optional
        S/N of the noise at Difference's centre. Such a place is one in millions, but a survey looks
        at more: the highest of the field is moved to the centre, and what it lacks is added to the
        noise of both images in the most likely way, that of a Gaussian field under this condition.
    shift : (float, float), optional
        By how many pixels Search is off (right, down).

    Returns
    -------
    images : three ndarray, float32, (51, 51)
    maps : three ndarray, float, (51, 51)
        The images filtered with their PSF, in units of the sky noise of the result.
    sigma : float
        Template's sky noise per pixel.
    """
    profiles = [moffat(fwhm, sky.beta) for fwhm in sky.seeing]
    search_psf, template_psf = (np.fft.fft2(np.fft.ifftshift(collected(p))) for p in profiles)
    search, template = seen(after, profiles[0], shift), seen(before, profiles[1], (0, 0))

    # A resampled coadd has correlated noise; its pixels keep the noise that its depth gives them.
    wave = np.fft.fftfreq(WIDE)
    blur = np.exp(-2 * (np.pi * sky.smear) ** 2 * (wave[:, None] ** 2 + wave**2))
    blur /= np.sqrt(np.mean(blur**2))
    noises = []
    for image, depth in ((search, 1.0), (template, sky.depth)):
        photons = rng.poisson(np.clip(image + sky.level, 0, None) * depth) / depth
        electronics = rng.normal(0, READ_NOISE / np.sqrt(depth), image.shape)
        noises.append(photons - sky.level - image + electronics)
    noises[1] = np.fft.ifft2(np.fft.fft2(noises[1]) * blur).real
    variance = sky.level + READ_NOISE**2
    power = variance, variance / sky.depth * blur**2  # of the noise, per frequency
    sigma = np.sqrt(variance / sky.depth)

    kernels = matching_kernels(search_psf, template_psf)
    filters = kernels[0] * kernels[2], -kernels[1] * kernels[2]
    loud = np.sqrt(sum(np.mean(p * np.abs(f) ** 2) for p, f in zip(power, filters)))
    if fluctuation is not None:
        answer = sum(np.fft.ifft2(np.fft.fft2(n) * f).real for n, f in zip(noises, filters))
        highest = np.unravel_index(answer.argmax(), answer.shape)
        noises = [np.roll(n, [WIDE // 2 - at for at in highest], (0, 1)) for n in noises]
        lacking = fluctuation - answer.max() / loud
        for noise, p, f in zip(noises, power, filters):
            noise += lacking / loud * np.fft.fftshift(np.fft.ifft2(p * f.conj()).real)
    search, template = search + noises[0], template + noises[1]
    for row, column, depth in spot or ():
        template[WIDE // 2 + row, WIDE // 2 + column] = -depth * sigma
    matched = np.fft.fft2(search) * kernels[0] - np.fft.fft2(template) * kernels[1]
    difference = np.fft.ifft2(matched).real

    inner = slice(PAD, PAD + SIDE)
    images = tuple(i[inner, inner].astype(np.float32) for i in (search, template, difference))
    psfs = search_psf, template_psf, kernels[2]
    scatter = [np.sqrt(np.mean(p * np.abs(f) ** 2)) for p, f in zip(power, psfs)] + [loud]
    maps = []
    for image, psf, noise in zip(images, psfs, scatter):
        filtered = np.fft.ifft2(np.fft.fft2(np.pad(image, PAD)) * psf).real
        maps.append(filtered[inner, inner] / noise)
    return images, tuple(maps), sigma


# The guide's questions, put to the pixels: each answers True, False, or None if it is arguable.
# Thresholds in sigma of a stamp filtered with its PSF, which is what a detection's S/N is.


def beside(detection, limit=2.0):
    """Return which pixels are within so many FWHM of the trigger, bool (51, 51)."""
    return np.less_equal(RADIUS, limit * max(detection.seeing))


def dipole(detection):
    """Tell whether a bright lobe is beside a dark one at Difference's centre."""
    near = detection.maps[2][beside(detection)]
    if near.min() > -3.7:
        return False
    return True if near.max() >= 5 and near.min() <= min(-6, -0.4 * near.max()) else None


def star_in_template(detection):
    """Tell whether a peak in Template's very centre is round and no wider than the PSF."""
    near = detection.maps[1] * (RADIUS <= 3)
    row, column = np.unravel_index(near.argmax(), near.shape)
    if near.max() < 5 or RADIUS[row, column] > 1.5:
        return False
    # Moments under a Gaussian of the PSF's own width, which halves the variance of a Gaussian.
    width = detection.seeing[1] / 2.355
    light = detection.template * np.exp(-(RADIUS**2) / (2 * width**2))
    xx, yy, xy = ((light * a).sum() for a in (X_AXIS**2, Y_AXIS**2, X_AXIS * Y_AXIS))
    size = (xx + yy) / light.sum() / width**2
    stretch = np.hypot(xx - yy, 2 * xy) / (xx + yy)
    if near.max() > 12 and size < 1.2 and stretch < 0.15:
        return True
    return None if size < 1.4 and stretch < 0.35 else False


def dark_spot(detection):
    """Tell whether 4 to 12 adjacent pixels in Template's very centre are at -4 sigma or lower."""
    dark = detection.template <= -4 * detection.sigma
    if not dark[RADIUS <= 3].any():
        return False
    reached, todo = set(), [(CENTRE, CENTRE)]
    while todo:
        row, column = todo.pop()
        if (row, column) not in reached and dark[row, column]:
            reached.add((row, column))
            todo += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return True if 4 <= len(reached) <= 12 else None


def only_noise(detection):
    """Tell whether no patch as large as the PSF is beyond 3 sigma in any stamp, but the trigger."""
    trigger = beside(detection, 1.5)
    highest = max(np.abs(significance[~trigger]).max() for significance in detection.maps)
    # The two images share the trigger: in each it is too weak to look like a source or a hole.
    shares = [np.abs(significance[trigger]).max() for significance in detection.maps[:2]]
    if highest < 3 and max(shares) < 4:
        return True
    if detection.host is None:
        return None
    column, row = (int(np.rint(at)) + CENTRE for at in detection.host)
    return False if detection.maps[1][row, column] > 12 else None


def apart(detection):
    """Return how far the host's core is from the trigger, in units of the broader PSF's FWHM."""
    return np.hypot(*detection.host) / max(detection.seeing)


def new_beside_host(detection):
    """Tell whether a transient that cannot be missed is at least one FWHM from a host's core.

    It must not drown in the host's light: at the centre, Search shows at least half as much again
    as Template does.
    """
    middle = RADIUS <= 1.5
    contrast = detection.difference[middle].sum() / max(detection.template[middle].sum(), 1e-9)
    if apart(detection) >= 1 and detection.snr >= 12:
        return True if contrast >= 0.5 else None
    return False


def almost_good(detection):
    """Tell whether it is a transient with a host, but faint or too near the core to be sure."""
    return 5 <= detection.snr <= 8 or (apart(detection) <= 0.5 and detection.snr > 8)


QUESTIONS = {
    "BadSubtraction": dipole,
    "PsfInTemplate": star_in_template,
    "DarkSpotInTemplateCenter": dark_spot,
    "NoisyTemplate": only_noise,
    "Good": new_beside_host,
    "Marginal": almost_good,
}  # in the guide's order
CLASSES = tuple(QUESTIONS)


def verdict(detection):
    """Return the label of the first of the guide's questions that the pixels answer with yes.

    None where a question is arguable before that, nothing fits, or where the trigger is below
    5 sigma or not the highest point around Difference's central pixel.
    """
    around = np.where(RADIUS <= 4, detection.maps[2], -np.inf)
    if detection.snr < 5 or around.argmax() != CENTRE * SIDE + CENTRE:
        return None
    for label, question in QUESTIONS.items():
        answer = question(detection)
        if answer or answer is None:
            return label if answer else None
    return None


# Drawing the six classes


def log_uniform(rng, low, high):
    """Draw a number whose logarithm is uniformly distributed."""
    return low * (high / low) ** rng.random()


def draw_sky(rng, noisy=False):
    """Draw the conditions: Template is a coadd of up to ten exposures, or (noisy) a poor one."""
    seeing = rng.uniform(0.9, 1.3, 2) / PIXEL
    while abs(seeing[0] - seeing[1]) * PIXEL < 0.05:
        seeing = rng.uniform(0.9, 1.3, 2) / PIXEL
    depth = rng.uniform(0.75, 1.0) if noisy else rng.choice([1, 1, 2, 3, 4, 6, 8, 10])
    smear = rng.choice([0.0, 0.3] if noisy else [0.0, 0.4, 0.5])
    return Sky(tuple(seeing), rng.uniform(2.8, 4.5), rng.uniform(600, 4000), depth, smear)


def draw_galaxy(rng, sky, x, y, height, radius=None):
    """Draw a galaxy; `height`: roughly its peak in Search in units of the sky noise."""
    radius = radius or log_uniform(rng, 1.8, 6)
    index = rng.choice([1.0, 1.0, 1.5, 2.5, 4.0])
    ratio = rng.uniform(0.35, 0.95)
    area = 1.1 * max(sky.seeing) ** 2 + 3 * ratio * radius**2
    flux = height * np.sqrt(sky.level) * area
    return Source(x, y, flux, radius, index, ratio, rng.uniform(0, np.pi))


def draw_field(rng, sky):
    """Draw up to three neighbours that are far enough from the centre not to matter."""
    field = []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        x, y = rng.uniform(-30, 30, 2)
        if np.hypot(x, y) > 14:
            height = log_uniform(rng, 2, 30)
            if rng.random() < 0.25:
                field.append(Source(x, y, height * np.sqrt(sky.level) * 1.1 * sky.seeing[0] ** 2))
            else:
                field.append(draw_galaxy(rng, sky, x, y, height / 2))
    return field


def around(rng, distance):
    """Return x, y at this distance from the centre, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return distance * np.cos(angle), distance * np.sin(angle)


def point_flux(sky, snr):
    """Return the flux that a point source needs for this S/N in Difference.

    The noise-equivalent area of a Moffat PSF is about 2.5 FWHM^2 (King 1983, PASP 95, 163, gives
    2.27 for a Gaussian of the same width, 4 pi sigma^2); `verdict` takes what comes out of it.
    """
    return snr * np.sqrt(sky.level * (1 + 1 / sky.depth) * 2.5) * max(sky.seeing)


def finish(label, exposure, sky, host, hint, telling, x=CENTRE, y=CENTRE):
    """Put an exposure and its truth together; the hint may name the S/N as {snr}."""
    images, maps, sigma = exposure
    snr = float(maps[2][CENTRE, CENTRE])
    hint = hint.format(snr=f"{snr:.0f}")
    return Detection(*images, label, hint, telling, x, y, snr, sky.seeing, maps, sigma, host)


def draw_bad_subtraction(rng):
    """Search is 0.3 to 0.8 pixel off: what is steep leaves a bright lobe and a dark one."""
    sky = draw_sky(rng)
    shift = rng.uniform(0.3, 0.8)
    offset = around(rng, shift)
    galaxy = draw_galaxy(rng, sky, 0, 0, log_uniform(rng, 25, 150))
    sources = [galaxy, *draw_field(rng, sky)]
    # The trigger is the bright lobe, and where that is depends on the galaxy's shape: look first.
    lobes = expose(rng, sources, sources, sky, shift=offset)[1][2] * (RADIUS < 9)
    y, x = (CENTRE - at for at in np.unravel_index(lobes.argmax(), lobes.shape))
    sources = [one._replace(x=one.x + x, y=one.y + y) for one in sources]
    exposure = expose(rng, sources, sources, sky, shift=offset)
    hint = f"Difference: bright beside dark, the images were shifted by {shift:.1f} pixel"
    return finish("BadSubtraction", exposure, sky, (x, y), hint, "diff", CENTRE + x, CENTRE + y)


def draw_psf_in_template(rng):
    """A star in Template's very centre is 10 % or more brighter in Search."""
    sky = draw_sky(rng)
    x, y = rng.uniform(-0.3, 0.3, 2)
    rise = log_uniform(rng, 0.1, 1.2)
    snr = max(log_uniform(rng, 7, 40), 14 * rise)
    star = Source(x, y, point_flux(sky, snr) / rise)
    field, where = draw_field(rng, sky), ";"
    if rng.random() < 0.35:
        at = around(rng, max(sky.seeing) * rng.uniform(2, 3.2))
        field.append(draw_galaxy(rng, sky, *at, rng.uniform(4, 15)))
        where = ", beside a galaxy;"
    risen = star._replace(flux=star.flux * (1 + rise))
    exposure = expose(rng, [star, *field], [risen, *field], sky)
    hint = f"Template: a star exactly in the centre{where} it is {rise:.0%} brighter in Search"
    return finish("PsfInTemplate", exposure, sky, None, hint.replace("%", " %"), "temp")


def draw_dark_spot(rng):
    """Adjacent pixels in Template's centre are far too low: Difference shows them as bright."""
    sky = draw_sky(rng)
    sky = sky._replace(smear=min(sky.smear, 0.3))  # or noise looks like small spots, too
    spot = [(0, 0)]
    for _ in range(rng.integers(4, 12)):
        rim = {(r + v, c + h) for r, c in spot for v, h in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        # Compact, as defects are: of the rim, one of the pixels nearest to the middle comes next.
        rim = sorted(rim - set(spot), key=lambda at: np.hypot(*at) + rng.uniform(0, 0.5))
        spot.append(rim[0])
    depth = rng.uniform(4.5, 9) * max(1, np.sqrt(sky.depth) / 1.5)
    deep = [(row, column, depth * rng.uniform(1, 1.5)) for row, column in spot]
    field = draw_field(rng, sky)
    if rng.random() < 0.6:
        at = around(rng, rng.uniform(8, 16))
        field.append(draw_galaxy(rng, sky, *at, rng.uniform(3, 12)))
    exposure = expose(rng, field, field, sky, spot=deep)
    hint = f"Template: {len(spot)} dark pixels exactly in the centre fake a source in Difference"
    return finish("DarkSpotInTemplateCenter", exposure, sky, None, hint, "temp")


def draw_noisy_template(rng):
    """Nothing is there: the noise of a poor Template, with Search's, went over the threshold."""
    sky = draw_sky(rng, noisy=True)
    exposure = expose(rng, [], [], sky, fluctuation=rng.uniform(5.02, 5.2))
    noise = np.sqrt(sky.level / sky.depth)
    hint = f"Template: nothing but noise, {noise:.0f} electrons; none of the three shows an object"
    return finish("NoisyTemplate", exposure, sky, None, hint, "temp")


def draw_transient(rng, label, sky, distance, snr, height, hint, telling):
    """Draw a transient at the centre and its host, `distance` FWHM away; the rest of the field."""
    x, y = around(rng, distance * max(sky.seeing))
    radius = None if distance > 1 else rng.uniform(3.5, 7)
    host = draw_galaxy(rng, sky, x, y, height, radius)
    if distance > 1:
        # Transients follow the light, so a far one has a larger host, seen along its long axis.
        radius = np.clip(np.hypot(x, y) / rng.uniform(0.9, 2.0), 2.0, 8.0)
        angle = np.arctan2(y, x) + rng.normal(0, 0.5)
        host = host._replace(radius=radius, angle=angle)
    transient = Source(*rng.uniform(-0.3, 0.3, 2), point_flux(sky, snr))
    field = [host, *draw_field(rng, sky)]
    exposure = expose(rng, field, [*field, transient], sky)
    at = [int(np.rint(CENTRE + a)) for a in (x, y)] if telling == "temp" else ()
    hint = hint.replace("{away}", f"{np.hypot(x, y):.1f}")
    return finish(label, exposure, sky, (x, y), hint, telling, *at)


def draw_good(rng):
    """A transient that cannot be missed, at least one FWHM from its host's core."""
    sky = draw_sky(rng)
    hint = "Search: a new point {away} pixels from the host's core, alone in Difference, S/N {snr}"
    distance, snr = rng.uniform(1.05, 2.6), log_uniform(rng, 14, 45)
    height = log_uniform(rng, 4, 40)
    return draw_transient(rng, "Good", sky, distance, snr, height, hint, "srch")


def draw_marginal(rng):
    """A transient that is too faint, or too near its host's core, to be sure of."""
    sky = draw_sky(rng)
    height = log_uniform(rng, 5, 25)
    if rng.random() < 0.5:
        hint = "Difference: a point, but at S/N {snr} hardly above the noise"
        distance, snr = rng.uniform(0.8, 2.4), rng.uniform(5, 8)
        return draw_transient(rng, "Marginal", sky, distance, snr, height, hint, "diff")
    hint = "Template: the host's core is {away} pixels from the new point, too near to be sure"
    distance, snr = rng.uniform(0.15, 0.48), rng.uniform(8.5, 18)
    return draw_transient(rng, "Marginal", sky, distance, snr, height, hint, "temp")


def draw_unsure(rng):
    """A faint trigger on a faint source, with a dark patch beside it: it could be several."""
    sky = draw_sky(rng)
    smudge = draw_galaxy(rng, sky, *around(rng, 1.5), rng.uniform(0.8, 1.3), rng.uniform(1, 2))
    transient = Source(0.0, 0.0, point_flux(sky, 5.5))
    exposure = expose(rng, [smudge], [smudge, transient], sky)
    hint = "Difference: a trace of a point beside a trace of dark, on something faint"
    return finish("Unsure", exposure, sky, (smudge.x, smudge.y), hint, "diff")


def draw_other(rng):
    """A clean point source, and nothing where a host would be."""
    sky = draw_sky(rng)
    star = Source(*rng.uniform(-0.2, 0.2, 2), point_flux(sky, rng.uniform(20, 40)))
    hint = "Search: a point source of S/N {snr}, and no host in Template"
    return finish("Other", expose(rng, [], [star], sky), sky, None, hint, "srch")


DRAWS = {
    "BadSubtraction": draw_bad_subtraction,
    "PsfInTemplate": draw_psf_in_template,
    "NoisyTemplate": draw_noisy_template,
    "DarkSpotInTemplateCenter": draw_dark_spot,
    "Marginal": draw_marginal,
    "Good": draw_good,
    "Unsure": draw_unsure,
    "Other": draw_other,
}


def simulate(label, rng):
    """Draw with a numpy Generator until a Detection fits its label, of `CLASSES`, and no other."""
    for _ in range(5000):  # NoisyTemplate, the rarest, takes 50 on average
        detection = DRAWS[label](rng)
        if verdict(detection) == label:
            return detection
    raise RuntimeError(f"no draw of {label} is one: the rules and the draws contradict each other")


def clarity(detection):
    """Return how well a detection would do as its label's picture in the guide."""
    lobe = -detection.maps[2][beside(detection)].min()
    if detection.label == "Unsure":
        return -abs(detection.snr - 5.5) - abs(lobe - 3.7)
    if detection.label == "NoisyTemplate":
        return -max(np.abs(significance).max() for significance in detection.maps[:2])
    if detection.label == "Marginal":
        return -abs(detection.snr - 7.5)
    return min(detection.snr, lobe) if detection.label == "BadSubtraction" else detection.snr


# Writing the files


def practice_set(count, seed):
    """Draw detections of the six classes, equally many of each (or one more), in random order.

    Returns
    -------
    list of (str, Detection)
        With their Object IDs: nine digits that say nothing about the class.
    """
    rng = np.random.default_rng(seed)
    labels = np.resize(rng.permutation(CLASSES), count)
    objids = rng.choice(200_000_000, count, replace=False) + 200_000_000
    # Each detection has a generator of its own: no draw depends on how often others were refused.
    return [
        (str(objid), simulate(str(label), np.random.default_rng([seed, number])))
        for number, (objid, label) in enumerate(zip(objids, rng.permutation(labels)))
    ]


def with_ticks(gray):
    """Return a copy of an 8-bit stamp with white ticks along the diagonals, as DES draws them."""
    ticked = gray.copy()
    steps = np.arange(TICK)
    for rows in (steps, -1 - steps):
        for columns in (steps, -1 - steps):
            ticked[rows, columns] = 255
    return ticked


def gif(pixels, kind):
    """Return a stamp as the bytes of a GIF: 8-bit greyscale, identity palette, corner ticks."""
    gray = with_ticks(scaling.scale(pixels, kind)[0])
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "GIF", optimize=False, interlace=False)
    return file.getvalue()


def fits(pixels, kind):
    """Return a stamp as the bytes of a FITS file: float32, row 1 at the bottom."""
    from astropy.io import fits as astropy_fits  # takes 0.35 s, and who makes GIFs needs none

    file = io.BytesIO()
    image = astropy_fits.PrimaryHDU(pixels[::-1])
    image.header["BUNIT"] = "electron"
    image.header["OBJECT"] = ("simulated", "by ArtifactSpy, data/simulate.py")
    image.writeto(file)
    return file.getvalue()


FORMATS = {"gif": gif, "fits": fits}


def truth_table(detections):
    """Return the content of truth.csv for pairs of Object ID and Detection."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(TRUTH_HEADER)
    for objid, d in detections:
        table.writerow([objid, d.label, d.hint, d.telling, d.x, d.y, f"{d.snr:.1f}"])
    return text.getvalue().encode()


def write_practice(folder, count=60, seed=SEED, suffix="gif"):
    """Write a practice set as GIF or FITS (`suffix`); one seed is one set, whatever the format.

    Raises FileExistsError if there is anything in the folder: two sets in one would be none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; nothing was changed. Name another folder")
    detections = practice_set(count, seed)
    disk.write_whole(folder / "truth.csv", truth_table(detections))
    for objid, detection in detections:
        for kind, pixels in zip(stamps.KINDS, detection):
            data = FORMATS[suffix](pixels, kind)
            disk.write_whole(folder / f"{kind}{objid}.{suffix}", data)


def write_guide(folder, seed=SEED):
    """Write one PNG per label, 159 x 51: Search | Template | Difference of its clearest example."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (label, draw) in enumerate(DRAWS.items()):
        rng = np.random.default_rng([seed, 1000, number])
        make = draw if label in PICTURES_ONLY else lambda rng, label=label: simulate(label, rng)
        best = max((make(rng) for _ in range(12)), key=clarity)
        picture = np.full((SIDE, 3 * SIDE + 2 * GAP), GAP_GREY, np.uint8)
        for place, (kind, pixels) in enumerate(zip(stamps.KINDS, best)):
            left = place * (SIDE + GAP)
            picture[:, left : left + SIDE] = with_ticks(scaling.scale(pixels, kind)[0])
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        disk.write_whole(folder / f"{label}.png", file.getvalue())


def icon(side=128):
    """Draw the window's icon: a dipole beside a point source that four ticks point at.

    Returns
    -------
    ndarray of uint8, shape (side, side, 4)
        RGBA; outside of the rounded square it is transparent.
    """
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5

    def spot(across, down, width):
        return np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * width**2))

    light = 0.3 + 1.1 * spot(0.0, 0.0, 0.075)
    light += 0.35 * spot(-0.3, 0.27, 0.06) - 0.35 * spot(-0.21, 0.34, 0.06)
    picture = np.empty((side, side, 4))
    picture[..., :3] = 255 * np.clip(light, 0, 1)[..., None]
    along, beside = np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
    picture[(beside < 0.022) & (along > 0.19) & (along < 0.4)] = (255, 216, 102, 0)
    corner = np.hypot(np.maximum(abs(x) - 0.36, 0), np.maximum(abs(y) - 0.36, 0))
    picture[..., 3] = 255 * np.clip((0.14 - corner) * side, 0, 1)
    return np.rint(picture).astype(np.uint8)


def write_icon(folder, seed=None):
    """Write the icon, ``icon.png``; nothing in it is random."""
    folder.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.fromarray(icon()).save(file, "PNG")
    disk.write_whole(folder / "icon.png", file.getvalue())


def main(arguments=None):
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Make detections whose label is known.",
        epilog="example: python3 data/simulate.py practice /tmp/mine --count 100 --seed 7",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what, example in (
        ("practice", "make stamps to practise on, and truth.csv", "/tmp/mine --format fits"),
        ("guide", "make the guide's pictures, replacing those of the same names", "/tmp/pictures"),
        ("icon", "make the window's icon", "/tmp/pictures"),
    ):
        example = f"example: python3 data/simulate.py {verb} {example}"
        one = verbs.add_parser(verb, help=what, description=what, epilog=example)
        one.add_argument("folder", type=Path, help="where to put them; made if need be")
        one.add_argument("--seed", type=int, default=SEED, help=f"of the random draws ({SEED})")
    one = verbs.choices["practice"]
    one.add_argument("--count", type=int, default=60, help="how many detections (60)")
    one.add_argument("--format", choices=FORMATS, default="gif", help="of the stamps (gif)")
    options = parser.parse_args(arguments)
    if options.seed < 0 or getattr(options, "count", 1) < 1:
        parser.error("--seed counts from 0, --count from 1")
    try:
        if options.verb != "practice":
            {"guide": write_guide, "icon": write_icon}[options.verb](options.folder, options.seed)
        else:
            write_practice(options.folder, options.count, options.seed, options.format)
    except OSError as error:
        print(f"simulate: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
