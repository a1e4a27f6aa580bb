"""torch: gradients that are exact behind every wall, and layers that keep what they promise."""

import numpy as np
import pytest

import diffuseconv as dc

torch = pytest.importorskip("torch")
layers = dc.interop.torch
pytestmark = pytest.mark.engine
WALLS = ["reflecting", "periodic", "absorbing", "zero", ("zero", "reflecting"), "mirror", "nearest"]


def tensor(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("verb", [dc.convolve, dc.correlate])
@pytest.mark.parametrize("boundary", WALLS)
def test_gradients(boundary, verb):
    for mode in ["same", "valid", "full"] if boundary == "zero" else ["same", "valid"]:
        u, k = tensor(5, 6), tensor(3, 4)
        np.testing.assert_array_equal(
            verb(u, k, boundary=boundary, mode=mode).detach(),
            verb(u.detach().numpy(), k.detach().numpy(), boundary=boundary, mode=mode),
        )
        assert torch.autograd.gradcheck(lambda u, k, mode=mode: verb(u, k, boundary=boundary, mode=mode), (u, k))


def test_batches_and_kernels_wider_than_the_field():
    assert torch.autograd.gradcheck(lambda u, k: dc.convolve(u, k, axes=(1, 2)), (tensor(2, 4, 5), tensor(7, 9)))


def test_operator_is_registered_as_torch_asks():
    torch.library.opcheck(
        torch.ops.diffuseconv.convolve.default,
        (tensor(2, 5, 6), tensor(3, 4), "reflecting,periodic", "same", [1, 2], True),
    )


@pytest.mark.parametrize(
    "eq",
    [
        dc.DiffusionEquation(0.7, boundary=dc.Dirichlet(1.0), source=0.3),
        dc.DiffusionEquation(np.linspace(0.1, 2.0, 30).reshape(5, 6), boundary=("periodic", dc.Robin(1.0, 1.0, 0.5))),
        dc.DiffusionEquation(0.7, barriers=(None, dc.Barrier(np.eye(5) > 0, 0.1, 0.5 * np.ones((5, 5)).cumsum(0)))),
    ],
)
def test_gradient_of_evolution(eq):
    assert torch.autograd.gradcheck(lambda u: eq.evolve(u, 1.3), (tensor(5, 6),))


def test_nothing_is_kept_after_use():
    from diffuseconv.interop.torch import _runs

    before = len(_runs)
    result = dc.DiffusionEquation().evolve(tensor(4, 4), 1.0)
    assert len(_runs) == before + 1
    result.sum().backward()
    del result
    assert len(_runs) == before


def test_measured_layer_is_unbiased():
    """Mean and gradients of 40,000 draws, within 8 standard errors of the exact layer's (chance below 1e-12 each)."""
    layer = layers.MeasuredConv2d(2, 3, 3, draws=40_000).double()
    x = torch.rand(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    drawn = layer(x)
    found = torch.autograd.grad((drawn * weights).sum(), [x, layer.logits])
    layer.eval()
    mean = layer(x)
    exact = torch.autograd.grad((mean * weights).sum(), [x, layer.logits])
    assert (drawn - mean).abs().max() < 8 * 0.5 / 200  # one draw of a number in [0, 1] has at most this deviation
    assert (found[0] - exact[0]).abs().max() < 8 * np.sqrt(3 * 9) / 200
    assert (found[1] - exact[1]).abs().max() < 8 * np.sqrt(16) / 200


def test_layers_move_and_spread_alone():
    layer = layers.PropagatorConv2d(2, 3, 4)
    x = torch.rand(2, 2, 8, 9)
    y = layer(x)
    assert y.shape == (2, 3, 8, 9)
    assert x.min() <= y.min()
    assert y.max() <= x.max()
    spread = layers.Diffuse2d(0.5, 0.3).double()
    u = torch.rand(8, 9, dtype=torch.float64)
    assert torch.isclose(spread(u).sum(), u.sum(), rtol=1e-12)
    still = layers.Diffuse2d(0.5).double()
    with torch.no_grad():
        still.log_diffusivity.fill_(np.log(0.5))
    np.testing.assert_allclose(still(u).detach(), dc.DiffusionEquation(0.5).evolve(u.numpy(), 1.0), rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(lambda d, v: _diffused(still, u, d, v), (still.log_diffusivity, still.velocity))


def _diffused(layer, u, log_diffusivity, velocity):
    return torch.func.functional_call(layer, {"log_diffusivity": log_diffusivity, "velocity": velocity}, (u,))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dc.convolve(torch.ones(3, dtype=torch.bfloat16), [1.0]), TypeError, "float32 or float64 tensor"),
        (lambda: dc.convolve(torch.ones(3, 3), [1.0]), ValueError, "kernel must have one dimension"),
        (lambda: dc.measure(torch.ones(3), [1.0]), TypeError, "measure takes no torch arrays"),
        (
            lambda: dc.convolve(torch.eye(3).to_sparse(), [[1.0]]),
            TypeError,
            "must be a dense tensor that holds numbers",
        ),
        (
            lambda: dc.convolve(torch.ones(3, device="meta"), [1.0]),
            TypeError,
            "must be a dense tensor that holds numbers",
        ),
        (lambda: dc.spectrum.low_pass(torch.eye(3).to_sparse(), 1.0), TypeError, "must be a dense tensor"),
        (lambda: dc.DiffusionEquation().explicit_steps(torch.eye(3).to_sparse(), 1), TypeError, "a dense tensor"),
        (lambda: dc.DiffusionEquation().explicit_steps(torch.ones(3, device="meta"), 1), TypeError, "a dense tensor"),
        (lambda: dc.DiffusionEquation(source=lambda t: t).evolve(torch.ones(3), 1.0), TypeError, "got a function"),
        (lambda: layers.PropagatorConv2d(2, 3, 5)(torch.ones(1, 3, 8, 8)), ValueError, r"shape \(batch, 2, rows, col"),
        (lambda: layers.MeasuredConv2d(2, 3, 5)(torch.ones(2, 8, 8)), ValueError, r"shape \(batch, 2, rows, columns\)"),
        (
            lambda: layers.PropagatorConv2d(2, 3, 5)(torch.ones(1, 2, 8, 8).double()),
            TypeError,
            "x must be a torch",
        ),
        (lambda: layers.Diffuse2d()(torch.ones(8)), ValueError, r"x must hold pictures \(..., rows, columns\), got"),
        (lambda: layers.Diffuse2d()(np.ones((8, 8))), TypeError, "x must be a tensor"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_classes_of_ones_own_stay_tensors():
    class Picture(torch.Tensor):
        pass

    picture = torch.rand(4, 5).as_subclass(Picture)
    assert isinstance(dc.convolve(picture, np.ones((3, 3))), torch.Tensor)
    with pytest.raises(
        TypeError, match=r"measure takes no torch arrays \(of these, band_pass, convolve, correlate, evolve"
    ):
        dc.measure(picture, np.ones((3, 3)))
