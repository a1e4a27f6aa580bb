"""Learning: what every fit refuses, in one line."""

import numpy as np
import pytest

from diffuseconv import learning

FIELD = np.random.default_rng(20).normal(size=(8, 8))
WHITE = {"fit_kernel": ("inputs", "outputs"), "fit_propagator": ("before", "after")}


@pytest.mark.parametrize("name", WHITE)
@pytest.mark.parametrize(
    ("first", "second", "shape", "options", "message"),
    [
        (FIELD, FIELD[:4], (3, 3), {}, "{1} must have the shape of {0}, got (4, 8) for (8, 8)"),
        ([FIELD, FIELD], [FIELD], (3, 3), {}, "{1} must be as many pictures as {0}, got 1 for 2"),
        (FIELD, FIELD * np.nan, (3, 3), {}, "{1} must be finite, got nan at index (0, 0)"),
        ([FIELD, FIELD * 1e101], [FIELD, FIELD], (3, 3), {}, "{0}[1] must not exceed 1e+100 in magnitude"),
        (FIELD, FIELD, (9, 9), {}, "{1} must have more pixels than shape has weights, got 64 for 81"),
        (FIELD, FIELD, 3, {}, "{0} must have one spatial axis for each of the 1 axes of the kernel (see axes=), got 2"),
        (FIELD, FIELD, (3, 0), {}, "shape[1] must be at least 1, got 0"),
        (FIELD, FIELD, (3, 3), {"boundary": "open"}, "boundary must be one of"),
        (0 * FIELD + 1, FIELD, (3, 3), {}, "{0} must determine all 9 weights"),
    ],
)
def test_bad_pairs_are_refused_in_one_line(name, first, second, shape, options, message):
    with pytest.raises(ValueError) as caught:
        getattr(learning, name)(first, second, shape, **options)
    text = str(caught.value)
    assert text.startswith(message.format(*WHITE[name])), text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning.fit_kernel(FIELD, FIELD, 3, axes=0, ridge=-1), "ridge must be at least 0, got -1"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3), before_noise=-1.0), "before_noise must be at least 0"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3), before_noise=9.0), "before_noise must leave some"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3)).drift(0.0), "duration must be greater than 0, got 0"),
        (
            lambda: learning.fit_propagator(FIELD, FIELD, (3, 3)).drift(1, confidence=1),
            "confidence must be less than 1",
        ),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 0), "duration must be greater than 0, got 0"),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 1, before_noise=9.0), "before_noise must leave some"),
        (
            lambda: learning.fit_diffusivity(0 * FIELD + 2, FIELD, 1),
            "before must vary, got pictures without any pattern",
        ),
        (lambda: learning.fit_diffusivity(FIELD, -FIELD, 1), "after must keep some pattern of before"),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 1, spacing=(1, 0)), "spacing[1] must be greater than 0, got 0"),
        (lambda: learning.train_bank(FIELD, FIELD, (3, 3)), "targets must have shape (n, *picture)"),
        (lambda: learning.train_bank(FIELD, FIELD[None], 3), "inputs must have the 1 axes of shape, got shape (8, 8)"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), rate=2), "rate must be less than 2, got 2"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), momentum=1), "momentum must be less than 1, got 1"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), steps=-1), "steps must be at least 0, got -1"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), rng=-1), "rng must not be negative, got -1"),
        (
            lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), initial=FIELD),
            "initial must have the shape (1, 3, 3)",
        ),
        (lambda: learning.bank_gradient(FIELD, FIELD[None], FIELD), "bank must have shape (n, *kernel) with 2 kernel"),
        (lambda: learning.bank_gradient(FIELD, FIELD[None], FIELD[None] * np.inf), "bank must be finite"),
        (
            lambda: learning.feature_correlation([1.0, 2.0]),
            "maps must have shape (n, ...) with pixels in each, got shape",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_pictures_are_named_by_how_they_vary():
    with pytest.raises(
        ValueError, match="pass richer pictures, a smaller shape or ridge > 0, got pictures that vary in 1 ways"
    ):
        learning.fit_kernel(np.ones((8, 8)), FIELD, (3, 3))
    fit = learning.fit_kernel(np.ones((8, 8)), np.full((8, 8), 2.0), (3, 3), ridge=1e-6)
    np.testing.assert_allclose(fit.kernel, 2 / 9, rtol=1e-6)
