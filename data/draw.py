"""How a detection of each label is drawn: at random, and thrown back until it is plain to see.

Two levels: `clear` ones cannot be mistaken, `real` ones are as hard as those of DES, with all that
stands around there and goes wrong: PSFs that are not round, images that are not quite aligned,
galaxies that are no textbook's, saturated stars, masked areas, steps in the background, noise that
changes across a stamp.
"""

import numpy as np
from sky import (
    CENTRE,
    GRID,
    INNER,
    PIXEL,
    RADIUS,
    WIDE,
    Blemishes,
    Sky,
    Source,
    bleed,
    cut_off,
    disc,
    expose,
    line,
    ring,
    ripple,
    spot,
    step,
    track,
)
from visible import Detection, answer

LEVELS = ("clear", "real")
TERMS = [(i, order - i) for order in range(1, 5) for i in range(order + 1)]  # of sky.misfit
SLACK = (0, 0.03, 0.06, 0.08, 0.06)  # how far those of an order are off


def log_uniform(rng, low, high):
    """Draw a number whose logarithm is uniformly distributed."""
    return low * (high / low) ** rng.random()


def around(rng, distance):
    """Return x, y at this distance from the centre, in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return distance * np.cos(angle), distance * np.sin(angle)


def draw_sky(rng, noisy=False, hard=False):
    """Draw the conditions: Template is a coadd of up to ten exposures, or (noisy) a poor one."""
    depths = [0.5, 0.8, 1, 1, 2, 4, 6, 9] if hard else [1, 1, 1, 1, 3, 4, 6, 8, 10]
    depth = rng.uniform(0.7, 1.0) if noisy else rng.choice(depths)
    seeing = rng.uniform(0.9, 1.3) / PIXEL
    # One single exposure may well be worse than Search; a coadd is made of good ones.
    if hard:
        other = seeing * (rng.uniform(0.75, 1.0) if depth > 1 else rng.uniform(0.87, 1.1))
    else:
        other = seeing * (rng.uniform(0.85, 1.1) if depth > 1 else rng.uniform(1.0, 1.35))
    sky = Sky(
        (seeing, other),
        rng.uniform(2.8, 4.5),
        rng.uniform(600, 4000),
        depth,
        tuple(rng.uniform(0.15, 0.45, 2)),
        log_uniform(rng, 3e-6, 5e-5),
    )
    if not hard:
        return sky
    slack = log_uniform(rng, 0.3, 1.5)  # a kernel fits better in one field than in another
    return sky._replace(
        shapes=tuple((1 - abs(rng.normal(0, 0.05)), rng.uniform(0, np.pi)) for _ in range(2)),
        drift=tuple(rng.normal(0, 0.16, 2)),
        slack=tuple((i, j, slack * rng.normal(0, SLACK[i + j])) for i, j in TERMS),
        shared=rng.uniform(0.25, 0.65),
    )


def draw_galaxy(rng, sky, x, y, height, radius=None):
    """Draw a smooth galaxy; `height`: roughly its peak in Search in units of the sky noise."""
    radius = radius or log_uniform(rng, 1.2, 4.5)
    index = rng.choice([1.0, 1.0, 1.5, 2.5, 4.0])
    ratio = rng.uniform(0.35, 0.95)
    area = 1.1 * max(sky.seeing) ** 2 + 3 * ratio * radius**2
    flux = height * np.sqrt(sky.level) * area
    return Source(x, y, flux, radius, index, ratio, rng.uniform(0, np.pi))


def roughened(rng, galaxy):
    """Return a galaxy as most are: lopsided, bent, knotty, with a companion; or edge-on."""
    if rng.random() < 0.15:
        galaxy = galaxy._replace(ratio=rng.uniform(0.12, 0.3), index=1.0)
    number = rng.choice([0, 1, 2, 3, 5])
    places = rng.normal(0, 1.1, (number, 2))
    knots = [(along, across, rng.uniform(0.02, 0.16)) for along, across in places]
    if rng.random() < 0.35:
        along, across = around(rng, rng.uniform(1.5, 4))
        knots.append((along, across, log_uniform(rng, 0.02, 0.3)))
    return galaxy._replace(
        bend=np.clip(rng.normal(0, 0.2), -0.5, 0.5),
        lopsided=np.clip(rng.normal(0, 0.18), -0.5, 0.5),
        knots=tuple(knots),
    )


def star(rng, sky, x, y, height):
    """Return a star of this peak in Search, in units of the sky noise."""
    return Source(x, y, height * np.sqrt(sky.level) * 1.3 * sky.seeing[0] ** 2)


def draw_field(rng, sky, hard=False):
    """Draw up to three neighbours that are far enough from the centre not to matter.

    Real ones are fewer, but there is much that is too faint to be seen on its own.
    """
    field = []
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2] if hard else [0, 0, 1, 1, 2, 3])):
        x, y = rng.uniform(-30, 30, 2)
        if np.hypot(x, y) > 14:
            height = log_uniform(rng, 3, 60)
            if rng.random() < 0.25:
                field.append(star(rng, sky, x, y, height))
            elif hard:
                field.append(roughened(rng, draw_galaxy(rng, sky, x, y, height / 3)))
            else:
                field.append(draw_galaxy(rng, sky, x, y, height / 2))
    return field + (draw_faint_ones(rng, sky, 1.2) if hard else [])


def draw_faint_ones(rng, sky, limit):
    """Draw unresolved sources, anywhere and hardly above the noise: peaks of `limit` and less."""
    places = rng.uniform(-32, 32, (rng.poisson(9), 2))
    return [star(rng, sky, *place, limit * rng.random() ** 3 + 0.1) for place in places]


def point_flux(sky, snr):
    """Return the flux that a point source needs for this S/N in Difference.

    The noise-equivalent area of a Moffat PSF is about 2.5 FWHM^2 (King 1983, PASP 95, 163, gives
    2.27 for a Gaussian of the same width, 4 pi sigma^2); what comes out of it is measured.
    """
    return snr * np.sqrt(sky.level * (1 + 1 / sky.depth) * 2.5) * sky.seeing[0]


class Scene:
    """What a draw puts together: sources, blemishes, and the exposure of them at the end."""

    def __init__(self, rng, label, level, noisy=False, crowded=True):
        self.rng, self.label, self.hard = rng, label, level == "real"
        self.sky = draw_sky(rng, noisy, self.hard)
        self.blemishes, self.bright = Blemishes(), None
        if crowded:
            self.field = draw_field(rng, self.sky, self.hard)
        else:
            self.field = draw_faint_ones(rng, self.sky, 1.0) if self.hard else []
        if self.hard:
            self._draw_surroundings(crowded)

    def _draw_surroundings(self, crowded):
        """Let go wrong what does in real stamps, about as often."""
        rng, noise = self.rng, np.sqrt(self.sky.level)
        if crowded and rng.random() < 0.09:
            self.add_bright_star(*around(rng, rng.uniform(20, 34)))
        if crowded and rng.random() < 0.05:
            self.add_large_galaxy(*around(rng, rng.uniform(22, 32)))
        if rng.random() < 0.09:
            self.mask(cut_off(rng, rng.choice([14, 25, 60, 2000])))
        if self.blemishes.uneven is None and rng.random() < 0.2:  # not as many exposures there
            self.add(uneven=step(rng, rng.uniform(0.62, 0.92), rng.uniform(1, 14)))
        if rng.random() < 0.15:
            self.add(background=0.5 * noise * ripple(rng, rng.normal(0, 0.5)))
        chance = rng.random()
        if chance < 0.08:
            self.add(search=0.5 * noise * ripple(rng, rng.normal(0, 0.5)))
        elif chance < 0.15:  # part of a row is off
            self.add(search=rng.normal(0, 0.8) * noise * bleed(rng, *rng.uniform(-25, 25, 3)))

    def add(self, **what):
        """Add to the `Blemishes`."""
        self.blemishes = self.blemishes._replace(**what)

    def mask(self, masked):
        """Let Difference have no value in these pixels either."""
        if self.blemishes.masked is not None:
            masked = masked | self.blemishes.masked
        self.add(masked=masked)

    def add_bright_star(self, x, y, height=None):
        """Add a star so bright that Difference is masked around it, and its halo is wide."""
        height = height or log_uniform(self.rng, 200, 4000)
        self.field.append(star(self.rng, self.sky, x, y, height))
        size = self.sky.seeing[0] * (0.5 + 0.5 * np.log10(height))
        masked = disc(x, y, size)
        if height > 600 and self.rng.random() < (0.2 if self.hard else 0.6):
            trail = 100 * np.sqrt(self.sky.level) * bleed(self.rng, x, y, 2.5 * size)
            self.add(both=trail)
            masked |= trail > 3 * np.sqrt(self.sky.level)
        self.mask(masked)
        if self.hard:
            r = np.hypot(GRID - x, GRID[:, None] - y)
            loud = 1 + self.rng.uniform(0.5, 4) / (1 + (r / (1.7 * size)) ** 4)
            self.add(uneven=loud / loud[WIDE // 2, WIDE // 2])
        self.cut(disc(x, y, 2 * size))

    def add_large_galaxy(self, x, y):
        """Add a galaxy that reaches far into the stamp, and in whose core Difference is masked."""
        radius = self.rng.uniform(3, 6)
        self.field.append(self.galaxy(x, y, log_uniform(self.rng, 40, 200), radius))
        self.mask(disc(x, y, 2.5 * radius))
        self.cut(disc(x, y, 3 * radius))

    def cut(self, bright):
        """Let what is in these pixels be cut off in all stamps, for the sake of the rest."""
        bright = bright[INNER, INNER]
        self.bright = bright if self.bright is None else self.bright | bright

    def pick(self, clear, real):
        """Draw from a range, low and high, that depends on the level."""
        return log_uniform(self.rng, *(real if self.hard else clear))

    def galaxy(self, x, y, height, radius=None):
        """Draw a galaxy into this scene; see `draw_galaxy`."""
        if not self.hard:
            return draw_galaxy(self.rng, self.sky, x, y, height, radius)
        radius = radius or log_uniform(self.rng, 0.8, 3.2)
        return roughened(self.rng, draw_galaxy(self.rng, self.sky, x, y, height, radius))

    def place(self):
        """Draw where in the centre something is: real ones are a pixel off now and then."""
        return self.rng.uniform(-0.7, 0.7, 2) if self.hard else self.rng.uniform(-0.3, 0.3, 2)

    def expose(self, before=(), new=(), host=None, odd="", odd_stamp="srch", **options):
        """Return the `Detection` of what was there `before` and what is `new` in Search."""
        old = [*before, *self.field]
        options.setdefault("blemishes", self.blemishes)
        exposure = expose(self.rng, old, [*old, *new], self.sky, **options)
        images, maps, sigma = exposure
        where = self.sky.seeing, maps, sigma, host, odd, odd_stamp
        return Detection(*images, self.label, *where, self.bright)


def draw_bad_subtraction(scene):
    """Search is off by part of a pixel: what is steep leaves a bright lobe and a dark one."""
    rng = scene.rng
    shift = around(rng, scene.pick((0.3, 0.8), (0.15, 0.5)))
    galaxy = scene.galaxy(0, 0, scene.pick((25, 120), (12, 60)))
    # The trigger is the bright lobe, and where that is depends on the galaxy's shape: look first.
    lobes = scene.expose([galaxy], shift=shift).maps[2] * (RADIUS < 9)
    y, x = (CENTRE - at for at in np.unravel_index(lobes.argmax(), lobes.shape))
    return scene.expose([galaxy._replace(x=x, y=y)], shift=shift, host=(x, y))


def draw_psf_in_template(scene):
    """A star in Template's very centre is 10 % or more brighter in Search."""
    rng = scene.rng
    rise = scene.pick((0.1, 1.2), (0.08, 0.5))
    snr = max(scene.pick((9, 40), (4, 8)), 15 * rise)
    one = Source(*scene.place(), point_flux(scene.sky, snr) / rise)
    before = [one]
    if rng.random() < 0.35:
        at = around(rng, max(scene.sky.seeing) * rng.uniform(2, 3.2))
        before.append(scene.galaxy(*at, rng.uniform(4, 15)))
    return scene.expose(before, [one._replace(flux=one.flux * rise)])


def draw_dark_spot(scene):
    """Adjacent pixels in Template's centre are far too low: Difference shows them as bright."""
    rng = scene.rng
    deep = scene.pick((4.5, 9), (3, 4.5)) * max(1, np.sqrt(scene.sky.depth) / 1.5)
    before = []
    if rng.random() < 0.6:
        before.append(scene.galaxy(*around(rng, rng.uniform(6, 16)), rng.uniform(3, 12)))
    if scene.hard:
        dark = spot(rng, rng.integers(4, 9), ragged=2.5)
    else:
        dark = spot(rng, rng.integers(4, 12), ragged=0.5)
    return scene.expose(before, blemishes=scene.blemishes._replace(template=dark, deep=deep))


def draw_noisy_template(scene):
    """Nothing is there: the noise of a poor Template, with Search's, went over the threshold."""
    return scene.expose(fluctuation=scene.pick((5.0, 5.2), (4.1, 5)))


def draw_transient(scene, distance, snr, height):
    """Draw a transient at the centre and its host, `distance` FWHM away."""
    rng = scene.rng
    x, y = around(rng, distance * max(scene.sky.seeing))
    host = scene.galaxy(x, y, height)
    if distance > 1:
        # Transients follow the light, so a far one has a larger host, seen along its long axis.
        radius = np.clip(np.hypot(x, y) / rng.uniform(1.2, 2.6), 1.5, 6.0)
        angle = np.arctan2(y, x) + rng.normal(0, 0.5)
        host = host._replace(radius=radius, angle=angle)
    transient = Source(*scene.place(), point_flux(scene.sky, snr))
    return scene.expose([host], [transient], host=(x, y))


def draw_good(scene):
    """A transient that cannot be missed, at least one FWHM from its host's core."""
    distance = scene.rng.uniform(1.2, 2.6)
    return draw_transient(
        scene, distance, scene.pick((14, 40), (7, 11)), scene.pick((6, 40), (6, 40))
    )


def draw_faint(scene):
    """A transient that is too faint to be sure of."""
    snr, height = scene.pick((5.2, 6.5), (4.2, 6.5)), scene.pick((6, 30), (6, 40))
    return draw_transient(scene, scene.rng.uniform(0.9, 2.4), snr, height)


def draw_near_core(scene):
    """A transient that is too near its host's core to be sure of."""
    snr, height = scene.pick((9, 18), (5, 8)), scene.pick((6, 30), (6, 40))
    return draw_transient(scene, scene.rng.uniform(0.15, 0.7), snr, height)


def draw_unsure(scene):
    """Nothing to be seen; or a trace of a point on something faint."""
    rng = scene.rng
    if not scene.hard or rng.random() < 0.5:
        other = scene.galaxy(*around(rng, rng.uniform(10, 20)), rng.uniform(6, 30))
        return scene.expose([other])
    smudge = scene.galaxy(*around(rng, 1.5), rng.uniform(0.8, 2), rng.uniform(1, 2))
    transient = Source(0.0, 0.0, point_flux(scene.sky, 5))
    return scene.expose([smudge], [transient], host=(smudge.x, smudge.y))


def draw_lonely_point(scene):
    """A clean point source, and nothing where a host would be."""
    snr = scene.pick((20, 40), (7.5, 11))
    return scene.expose(new=[Source(*scene.place(), point_flux(scene.sky, snr))])


def draw_ring(scene):
    """A bright star near by, around which something is left: the centre is on the ring."""
    rng, noise = scene.rng, np.sqrt(scene.sky.level)
    distance = rng.uniform(8.5, 12)
    x, y = around(rng, distance)
    scene.add_bright_star(x, y, log_uniform(rng, 150, 1000))
    height = scene.pick((2.5, 4.5), (1.5, 2.5)) * noise
    left = height * ring(x, y, distance, scene.sky.seeing[0])
    if scene.hard:  # an arc, which is brightest on the side of the centre
        toward = np.arctan2(-y, -x) - np.arctan2(GRID[:, None] - y, GRID - x)
        left *= (1 + np.cos(toward + rng.normal(0, 0.4))) / 2
    side = ("left" if x < 0 else "right") if abs(x) > abs(y) else ("above" if y < 0 else "below")
    where = {"left": "on the left", "right": "on the right"}.get(side, side)
    hint = f"Difference: part of a ring around the bright star {where}"
    blemishes = scene.blemishes._replace(search=left)
    return scene.expose(odd=hint, odd_stamp="diff", blemishes=blemishes)


def draw_trail(scene):
    """The trail of a satellite or an aeroplane crosses Search's centre."""
    rng = scene.rng
    height = scene.pick((2.5, 5), (1.0, 2.0)) * np.sqrt(scene.sky.level)
    left = height * line(rng.uniform(0, np.pi), rng.normal(0, 0.4), scene.sky.seeing[0] * 1.1)
    hint = "Search: a straight trail across the centre, as a satellite leaves it"
    return scene.expose(odd=hint, blemishes=scene.blemishes._replace(search=left))


def draw_cosmic_ray(scene):
    """A cosmic ray hit Search: sharper than anything that came through the telescope."""
    height = scene.pick((25, 60), (12, 25)) * np.sqrt(scene.sky.level)
    length = scene.rng.uniform(1, 6)
    hint = "Search: a speck sharper than any star, as a cosmic ray leaves it"
    left = height * (1 + length / 2) * track(scene.rng, length)
    return scene.expose(odd=hint, blemishes=scene.blemishes._replace(search=left))


OTHERS = (draw_lonely_point, draw_ring, draw_trail, draw_cosmic_ray)
DRAWS = {
    "BadSubtraction": [draw_bad_subtraction],
    "PsfInTemplate": [draw_psf_in_template],
    "NoisyTemplate": [draw_noisy_template],
    "DarkSpotInTemplateCenter": [draw_dark_spot],
    "Marginal": [draw_faint, draw_near_core],
    "Good": [draw_good],
    "Unsure": [draw_unsure],
    "Other": OTHERS,
}


def simulate(label, rng, level="clear", draw=None):
    """Draw until a detection is what its label says, and at the level `clear` nothing else.

    Parameters
    ----------
    label : str
        The name of one of `labels.LABELS`.
    rng : numpy.random.Generator
    level : str
        One of `LEVELS`.
    draw : callable, optional
        One of those in `DRAWS[label]`; drawn, too, if not given.

    Returns
    -------
    detection : Detection
    answer : Answer
    """
    draw = draw or DRAWS[label][rng.integers(len(DRAWS[label]))]
    crowded = label != "NoisyTemplate"
    for _ in range(5000):
        detection = draw(Scene(rng, label, level, not crowded, crowded))
        found = answer(detection, level)
        if found and found.label == label:
            return detection, found
    raise RuntimeError(f"no draw of {label} is one: the rules and the draws contradict each other")
