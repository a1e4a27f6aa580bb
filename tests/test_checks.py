"""Checks of arguments: what is no number, array or shape is refused in one line, before any work."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv import _checks

HUGE = 10**5000  # Python refuses to print it
NOT_NUMBERS = [
    np.complex64(1 + 2j),
    np.array("2.5"),
    np.array(1 + 2j),
    np.True_,
    np.datetime64("2020"),
    np.ma.masked,
    np.ones(3),
    [1],
    [[1], [2, 3]],
    "2",
    None,
    {},
]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_not_a_number(value):
    for check in (_checks.number, _checks.length, _checks.count, _checks.probability):
        with pytest.raises(TypeError, match=r"x must be a (real|whole) number, got") as caught:
            check("x", value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [2.5, np.float32(2.5), np.array(2.5), Decimal("2.5"), Fraction(5, 2)])
def test_numbers_of_any_kind(value):
    assert _checks.number("x", value) == 2.5
    assert _checks.spacing([value, 1], 2) == (2.5, 1.0)


def test_numbers_beyond_the_range():
    for value in (HUGE, -HUGE, 10**400, Decimal("sNaN")):
        with pytest.raises(ValueError, match="x must be in the range of floating-point numbers, got"):
            _checks.number("x", value)
    with pytest.raises(ValueError, match="n must be at most 9223372036854775807, got something of type int"):
        _checks.count("n", HUGE)
    with pytest.raises(ValueError, match="n must be at least 0, got something of type int"):
        _checks.count("n", -HUGE)
    with pytest.raises(ValueError, match=r"spacing must lie between 1e-150 and 1e\+150 \(take another unit"):
        dc.Propagator.heat(1.0, 1.0, spacing=1e-200)
    assert dc.Propagator.heat(0.0, 1e300, spacing=1e-150, ndim=1).shape == (1,)


class Unprintable:
    """An object that raises when it is shown or made an array of."""

    def __repr__(self):
        raise RuntimeError("no")

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no\nno")


@pytest.mark.parametrize("value", [[[1], [2, 3]], Unprintable(), [Unprintable()]], ids=["ragged", "own", "listed"])
def test_what_no_array_can_be_made_of(value):
    for check in (_checks.array, _checks.wave, _checks.field):
        with pytest.raises((TypeError, ValueError), match="x must") as caught:
            check("x", value)
        assert "\n" not in str(caught.value)


def test_masked_arrays_are_refused_by_every_check():
    for check in (_checks.array, _checks.wave, _checks.field, _checks.plain):
        with pytest.raises(TypeError, match="x must be a plain array"):
            check("x", np.ma.array([1.0, 2.0], mask=[True, False]))


@pytest.mark.engine
@pytest.mark.parametrize("library", ["torch", "dask.array", "xarray"])
def test_arrays_of_other_libraries_are_never_loaded(library):
    """A verb that takes NumPy arrays alone says so, and neither detaches a tensor nor computes a lazy array."""
    module = pytest.importorskip(library)
    if library == "torch":
        values = [
            module.ones(3),
            module.ones(3, requires_grad=True),
            module.ones(3, dtype=module.bfloat16),
        ]
    else:
        values = [module.ones(3) if library == "dask.array" else module.DataArray(np.ones(3))]
    for value in values:
        for verb in (
            lambda v: dc.Propagator(v),
            lambda v: dc.ensemble(v, [1.0]),
            lambda v: dc.random_walk(v, [1.0], 3),
            lambda v: dc.interpret(v),
            lambda v: dc.spectrum.orientation(v),
            lambda v: dc.draws_needed(v, [1.0], 0.1),
            lambda v: _checks.wave("x", v),
        ):
            with pytest.raises(TypeError, match=r"must be a NumPy array here \(convert it first\), got \w+'s \w+$"):
                verb(value)
    with pytest.raises((TypeError, ValueError), match=r"must be a rectangular array|must hold") as caught:
        dc.interpret([values[-1], values[-1][:1]])
    assert "\n" not in str(caught.value)


def test_memory_is_refused_before_it_is_asked_for():
    walk = dc.Propagator([[0.25, 0.25], [0.25, 0.25]])
    with pytest.raises(ValueError, match=r"n must need no more memory than the .* GiB that are free .* got .* GiB"):
        walk.power(10**9)
    wide = dc.Propagator.heat(1.0, 1e6, ndim=3)
    with pytest.raises(ValueError, match=r"density must need no more memory .*factors"):
        np.asarray(wide)


def test_four_axes_need_names():
    with pytest.raises(ValueError, match="axes must name 1, 2 or 3 of the 4 axes as spatial, got None"):
        dc.measure(np.ones((2, 2, 2, 2)), np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"sum to 1 \(see Propagator.normalized\)"):
        dc.scatter([1, 2], [0.5, 0.6])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [7, 5000])
def test_sums_of_large_values_stay_in_the_range(dtype, size):
    """The root of the sum of squares settles it for most; what it does not is looked at one by one."""
    values = np.linspace(-1, 1, size).astype(dtype)
    most = float(np.finfo(dtype).max) / 4 / size
    assert _checks.norm(values) == pytest.approx(np.linalg.norm(values.astype(float)), rel=1e-5)
    for largest in (1.0, float(np.finfo(dtype).max) ** 0.5, 0.4 * most, 0.9 * most):
        for sign in (1, -1):
            given = (values * dtype(sign)) * dtype(largest)
            assert _checks.summable("u", given) is given
            given[size // 2] = sign * 1.1 * most
            with pytest.raises(ValueError, match=r"^u must not exceed .* in magnitude"):
                _checks.summable("u", given)
            given[size // 2] = sign * np.inf
            with pytest.raises(ValueError, match=r"^u must be finite, got -?inf at index"):
                _checks.summable("u", given)
