"""The gallery shows the whole catalogue, keeps the light it says it keeps, and puts every kernel the right way up."""

import kernels_gallery as gallery
import numpy as np
from _common import photograph

import diffuseconv as dc

EPS = np.finfo(float).eps
PHOTO = photograph(shape=(40, 40), gray=False)
EXHIBITS = [gallery.exhibit(PHOTO, name, values) for name, values in gallery.CATALOGUE]


def test_the_whole_catalogue_is_on_show():
    assert {name for name, _ in gallery.CATALOGUE} == set(dc.kernels.__all__)
    for shown in EXHIBITS:
        assert shown.summary == dc.interpret(shown.kernel).summary
        assert shown.result.shape == PHOTO.shape
        assert shown.result.min() >= 0
        assert shown.result.max() <= 1


def test_blurs_keep_the_light_of_every_colour():
    """Behind mirrors a density that is even along both axes, or turned by half a turn, moves light but loses none."""
    names = [name for name, _ in gallery.CATALOGUE]
    for name in ("identity", "box", "gaussian", "lattice_gaussian", "disc"):
        shown = EXHIBITS[names.index(name)]
        assert "brightness is kept" in shown.brightness
        # a mean of n numbers in 0..1, whatever the order of summation, is off by at most n EPS; and so is each weight
        bound = (PHOTO[..., 0].size + shown.kernel.size) * EPS
        assert np.abs(shown.result.mean(axis=(0, 1)) - PHOTO.mean(axis=(0, 1))).max() <= bound
    assert np.array_equal(EXHIBITS[0].result, PHOTO)


def test_even_light_becomes_mid_grey_where_the_weights_sum_to_zero():
    even = np.full((20, 20, 3), 0.7)
    for name in ("sobel", "edge_detector", "laplacian", "roberts"):
        shown = gallery.exhibit(even, name, ())
        assert "mid-grey is 0" in shown.brightness
        # the weights' own rounding, stretched by half of 255
        bound = 128 * shown.kernel.size * EPS * np.abs(shown.kernel).sum()
        assert np.abs(shown.result - 0.5).max() <= bound


def test_kernels_are_shown_around_their_origin():
    assert np.array_equal(gallery.square(dc.kernels.roberts()), [[1, 0, 0], [0, -1, 0], [0, 0, 0]])
    assert np.array_equal(gallery.square(np.array([[2.0, 4.0, 0.0]])), [[0, 0, 0], [0.5, 1, 0], [0, 0, 0]])
    assert gallery.square(dc.kernels.gaussian(1.0)).shape == (7, 7)


def test_the_equation_of_a_derivative_is_that_of_adding_it():
    for shown in EXHIBITS:
        gain = dc.interpret(shown.kernel).gain
        assert not shown.equation or shown.equation.startswith(
            "one step of" if gain else "added to the picture, one step"
        )


def test_the_film_shows_every_kernel():
    args = gallery.options().parse_args(["--size", "16", "--frames", str(2 * len(gallery.CATALOGUE))])
    film = gallery.simulate(args)
    shown = [film.moving[-3].get_text() for _ in film.story]
    assert [name.split("(")[0] for name in shown[::2]] == [name for name, _ in gallery.CATALOGUE]
    assert shown[::2] == shown[1::2]
