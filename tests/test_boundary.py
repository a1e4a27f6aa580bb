"""The four walls: folding against plain loops and numpy, transforms as eigenvectors of the Laplacian."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv import boundary

PAD_MODES = {"reflecting": "symmetric", "periodic": "wrap", "zero": "constant"}


@given(strategies.fields(strategies.shapes(1)), strategies.BOUNDARIES, st.integers(-60, 60))
def test_fold_agrees_with_stepwise_reflection(u, name, index):
    source, sign = boundary.fold(index, u.size, name)
    assert sign * u[source] == naive.value(u, (index,), (name,))


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_extend_agrees_with_lookup_of_every_cell(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.boundaries(u.ndim))
    widths = data.draw(st.tuples(*[st.tuples(st.integers(0, 8), st.integers(0, 8))] * u.ndim))
    extended = boundary.extend(u, widths, names)
    assert extended is not u
    for index in np.ndindex(extended.shape):
        inner = tuple(i - before for i, (before, _) in zip(index, widths, strict=True))
        assert extended[index] == naive.value(u, inner, names)


@pytest.mark.parametrize("name", PAD_MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extend_is_numpy_pad(name, dtype):
    u = np.arange(12, dtype=dtype).reshape(3, 4)
    ours = boundary.extend(u, [(7, 5), (2, 9)], [name, name])
    np.testing.assert_array_equal(ours, np.pad(u, [(7, 5), (2, 9)], PAD_MODES[name]))
    assert ours.dtype == dtype


@given(strategies.BOUNDARIES, st.integers(1, 9), st.integers(0, 8))
def test_modes_are_eigenvectors_of_the_lattice_laplacian(name, size, which):
    k = which % size
    amplitudes = np.zeros(size // 2 + 1 if name == "periodic" else size, dtype=complex if name == "periodic" else float)
    k = k % amplitudes.size
    amplitudes[k] = 1
    mode = boundary.inverse_transform(amplitudes, (size,), (name,))
    scale = np.abs(mode).max()
    decay = boundary.eigenvalues(size, name)[k]
    # five roundings of values up to 4 * scale
    np.testing.assert_allclose(naive.laplacian(mode, (1.0,), (name,)), -decay * mode, rtol=0, atol=5e-15 * 4 * scale)


@given(st.data(), strategies.shapes((1, 3), most=6), strategies.DTYPES)
def test_transform_inverts_and_keeps_precision(data, shape, dtype):
    u = data.draw(strategies.fields(shape, dtype))
    names = data.draw(strategies.boundaries(u.ndim))
    back = boundary.inverse_transform(boundary.transform(u, names), u.shape, names)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=50 * np.finfo(dtype).eps * max(1, np.abs(u).max()))


@pytest.mark.parametrize(
    ("value", "message"),
    [("mirror", "must be one of"), (("periodic",), "one for each of the 2 axes"), (3, "must be one of")],
)
def test_bad_names_are_refused_in_one_line(value, message):
    with pytest.raises(ValueError, match=message) as refusal:
        boundary.per_axis(value, 2)
    assert "\n" not in str(refusal.value)


@given(st.data(), strategies.shapes((1, 3), most=6), st.sampled_from([np.complex64, np.complex128]))
def test_a_complex_field_is_transformed_in_both_parts(data, shape, dtype):
    u = data.draw(strategies.waves(shape, dtype))
    names = data.draw(strategies.boundaries(u.ndim))
    modes = boundary.transform(u, names)
    assert modes.shape == u.shape
    assert modes.dtype == dtype
    back = boundary.inverse_transform(modes, u.shape, names, real=False)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=50 * np.finfo(dtype).eps * np.abs(u).max())
    halves = [boundary.transform(np.ascontiguousarray(part), names) for part in (u.real, u.imag)]
    kept = tuple(slice(n) for n in halves[0].shape)
    scale = np.abs(u).sum() * 2**u.ndim
    np.testing.assert_allclose(modes[kept], halves[0] + 1j * halves[1], rtol=0, atol=50 * np.finfo(dtype).eps * scale)
