"""The lamp between two photographs: whether it changed, and diffusion seen by one that did."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffuseconv._typing import Array, FloatArray

_SURE = 5.0  # standard deviations that a mean may stray before the lamp is blamed
_TRIALS = 120


class LampFit(NamedTuple):
    """A fit of D t with the gain and the offset of the lamp, and the noise left."""

    spread: float
    error: float
    variance: float
    gain: float
    offset: float


def require_steady(
    means: FloatArray, powers: FloatArray, rates: FloatArray, cells: int, variance: float, unit: float
) -> None:
    """Refuse pictures, in this unit, whose means differ by more than noise can, where walls keep them.

    White noise in the earlier picture, told or not, is at most the power of its finest modes.
    """
    fine = powers[rates >= np.quantile(rates, 0.75)]
    bound = _SURE * float(np.sqrt((variance + fine.mean()) / cells)) + 1e-9 * float(np.abs(means).max())
    before, after = means.tolist()
    if abs(after - before) > bound:
        raise ValueError(
            f"after must be lit as before was, or pass lamp='free' (these walls keep the mean), "
            f"got means of {before * unit:.4g} before and {after * unit:.4g} after"
        )


def fit_with_lamp(u: Array, v: Array, ones: Array, rates: FloatArray, noise: float) -> LampFit:
    """Minimise ``|v - gain exp(-rates spread) u - offset ones|^2``, less what noise in u adds, over all three."""
    from scipy.optimize import minimize_scalar

    power, product, level = np.abs(u) ** 2, (u.conj() * v).real, (u.conj() * ones).real
    after, total = float((v.conj() * ones).real.sum()), float((np.abs(ones) ** 2).sum())

    def linear(spread: float) -> tuple[FloatArray, FloatArray, float]:
        """Return the best gain and offset, the products that they solve, and the loss less a constant."""
        kept = np.exp(-rates * spread)
        cross = float(kept @ level)
        products = np.array([[float(kept**2 @ (power - noise)), cross], [cross, total]])
        target = np.array([float(kept @ product), after])
        found = np.linalg.lstsq(products, target, rcond=None)[0]
        return found, products, -float(target @ found)

    moving = rates[rates > 0]
    trials = np.concatenate([[0.0], np.geomspace(1e-6 / moving.max(), 40 / moving.min(), _TRIALS)])
    losses = [linear(trial)[2] for trial in trials]
    best = int(np.argmin(losses))
    low, high = trials[max(best - 1, 0)], trials[min(best + 1, len(trials) - 1)]
    spread = float(minimize_scalar(lambda s: linear(s)[2], bounds=(low, high), method="bounded").x) if best else 0.0
    for _ in range(30):  # Gauss and Newton, from there; below 0 by the tangent at 0
        gain, offset = linear(spread)[0].tolist()
        kept = np.exp(-rates * spread)
        slopes = [-rates * gain * kept, kept]
        sums = np.empty((3, 3))
        for a in range(2):
            sums[a, 2] = sums[2, a] = float(slopes[a] @ level)
            for b in range(2):
                sums[a, b] = float((slopes[a] * slopes[b]) @ (power - noise))
        sums[2, 2] = total
        scale = np.sqrt(np.diag(sums)) if np.all(np.diag(sums) > 0) else np.ones(3)
        if np.linalg.cond(sums / np.multiply.outer(scale, scale)) > 1e12:
            raise ValueError(
                "before must have patterns of several sizes to tell a lamp from diffusion, got one size or none left"
            )
        inverse = np.linalg.inv(sums / np.multiply.outer(scale, scale)) / np.multiply.outer(scale, scale)
        score = float(slopes[0] @ (product - gain * kept * (power - noise)) - offset * (slopes[0] @ level))
        step = float(inverse[0, 0]) * score
        if spread + step < 0 or abs(step) <= 1e-13 * spread:
            spread = step if spread == 0 else max(spread + step, 0.0)
            break
        spread += step
    residual = v - gain * kept * u - offset * ones
    variance = max(0.0, float((np.abs(residual) ** 2).sum()) - noise * gain**2 * float(kept @ kept)) / (u.size - 3)
    each = variance + noise * (gain * kept) ** 2
    spreads = np.empty((3, 3))
    for a in range(2):
        spreads[a, 2] = spreads[2, a] = float((slopes[a] * each) @ level)
        for b in range(2):
            spreads[a, b] = float((slopes[a] * slopes[b]) @ (power * each + (noise * gain * kept) ** 2))
    spreads[2, 2] = float(each @ np.abs(ones) ** 2)
    error = float(np.sqrt(max((inverse @ spreads @ inverse)[0, 0], 0.0)))
    return LampFit(spread, error, variance, gain, offset)
