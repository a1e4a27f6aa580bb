r"""Radau IIA steps of five stages and order 9, with an estimate of order 5 or 6, for what is stiff.

The stages solve the collocation equations :math:`Z_i = \tau \sum_j a_{ij} F(t + c_j \tau, u + Z_j)` at once; the last
one is the step. The scheme is L-stable (what is fast is damped, however long the step), and its stages are all of order
5, so that walls which move cost no order. Newton's iteration uses one Jacobian :math:`L + \mathrm{diag}(s)`, with `s`
the reaction's derivative along each cell's own value; the eigenvectors of :math:`A^{-1}` part it into one real and two
complex systems :math:`\lambda - \tau (L + \mathrm{diag}(s))`. Without a reaction one iteration is exact; else it goes
on, accelerated by Anderson's rule [3]_ (for reactions that couple cells; where it is slow all the same, systems are
solved by GMRES with products of the reaction's Jacobian, and of few cells by the whole matrix), until what is left is
far below the error allowed. A slope far too steep, across a jump or of a reaction that has just saturated, makes every
correction small: so twice the last correction must change the sign of what is left of the last stage's equations, and
errors are estimated by whichever slope damps less, that of the systems or that at the end. With `p` the polynomial
through the rates of change of the stages, :math:`(\lambda_1 - \tau J)^{-1} \tau (F(t, u) - p(t))` estimates the error,
:math:`\lambda_1` being the real one.

Systems are factorised once for all steps of one length, and solved so that the sum over cells is kept where nothing
flows in or out: mass is conserved to rounding.

References
----------
.. [1] E. Hairer, G. Wanner, "Stiff differential equations solved by Radau methods", J. Comput. Appl. Math. 111 (1999)
   93, sections 2 to 4.
.. [2] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", Springer (1996), sections IV.5 and IV.8.
.. [3] H. F. Walker, P. Ni, "Anderson acceleration for fixed-point iterations", SIAM J. Numer. Anal. 49 (2011) 1715.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre

from diffuseconv import _threads
from diffuseconv._cached import cached_property
from diffuseconv._typing import Array
from diffuseconv.diffusion import control, costs, krylov, shifted
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.control import OPTIONS
from diffuseconv.diffusion.coupling import Pattern, evaluated, pattern_of
from diffuseconv.diffusion.in_pieces import add, combine, largest
from diffuseconv.diffusion.integrator import Overflow, Trial, evaluate, finite
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import couples, directional, jacobian, reaction_slope

__all__ = ["OPTIONS", "Steps", "Table", "memory", "radau", "slowest_decay", "solve", "unsupported"]

STAGES = 5
SYSTEMS = (5, 17, 17)  # real systems that cost as much, in 1 to 3 dimensions: a complex one as 2, or 8 (measured)
INVERSE_ITERATIONS = 8
MOST_ITERATIONS, DEPTH = 12, 5
FEW_CELLS, WHOLE = 100, 1000  # up to which a reaction's whole Jacobian is factorised: at once, and where GMRES is slow
MOST_CELLS = 5000  # up to which it is looked for cell by cell, in case it is sparse
MANY_PRODUCTS = 10  # of GMRES: more are slow
INEXACT = 1e-8  # of systems that are iterated within Newton's iteration
FEW_ITERATIONS = 3  # of Newton's: more ask for a new Jacobian
FORGOTTEN, LEAST_RATE = 0.8, 1e-3  # the rate of convergence is less and less trusted (Hairer & Wanner, IV.8.10)
CONVERGED = 0.01  # of the allowed error, that Newton's iteration may leave
FARTHEST = 2.0  # a guess from the step before reaches so many of its lengths
PIECE = 1 << 12  # values of each column of a least-squares problem that are handled at once
EPS, ROUNDED = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can: also where a drift meets negative exchanges."""
    drifts = not problem.symmetric or problem.moving is not None
    no_other = drifts and not problem.positive  # neither decay rates nor a density of steps
    return None if no_other else control.unsupported(problem)


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of stages of some iterations in float64, and one real and two complex factorisations.

    One real system more checks how far a reaction grows.
    """
    iterates = problem.reaction is not None or problem.moving is not None
    factors = 0.0 if shifted.converges_fast(problem) else (64 if iterates else 52) * costs.entries(problem)
    return 8 * (72.0 if iterates else 45.0 if problem.diagonal is None else 70.0) + factors


class Table(NamedTuple):
    """The coefficients of Radau IIA."""

    nodes: Array
    matrix: Array  # a_ij
    inverse: Array
    poles: Array  # of the inverse's eigenvalues the real one, then one of each complex pair
    to_modes: Array  # from stages to those eigenvectors
    from_modes: Array  # and back: the real part of the product, conjugates counted


class _Step(NamedTuple):
    """A step, as the next one needs it."""

    field: Array  # where it leads
    length: float
    rate: Array  # of change at the last but one stage
    stages: Array | None  # from which those of the next are guessed, if they are iterated


@cache
def radau(stages: int) -> Table:
    """Compute the coefficients of Radau IIA with an odd number of stages."""
    x = legendre.legroots([0] * (stages - 1) + [-1, 1]).real  # zeros of P_s - P_(s-1); complex from NumPy 2.5 on
    x[-1] = 1.0
    integrals = [legendre.legval(x, legendre.legint(row, lbnd=-1)) / 2 for row in np.eye(stages)]
    matrix = np.stack(integrals, axis=1) @ np.linalg.inv(legendre.legvander(x, stages - 1))
    inverse = np.linalg.inv(matrix)
    poles, vectors = np.linalg.eig(inverse)
    order = np.argsort(abs(poles.imag), kind="stable")
    kept = [order[0], *(k for k in order[1:] if poles[k].imag > 0)]
    twice = np.where(poles[kept].imag > 0, 2, 1)
    return Table((x + 1) / 2, matrix, inverse, poles[kept], np.linalg.inv(vectors)[kept], vectors[:, kept] * twice)


class Steps:
    """Implicit steps; factorisations are kept while they serve."""

    order, longest, least_growth = STAGES, math.inf, 1.2

    def __init__(self, problem: Lattice, duration: float) -> None:
        self.problem, self.table = problem, radau(STAGES)
        self.linear = problem.reaction is None and problem.moving is None  # then one iteration is exact
        self.iterates = shifted.converges_fast(problem)
        self.here = problem  # as it is at the time of the systems
        self.duration = duration
        self.slope: Array | None = None  # of the reaction where the step begins, or earlier
        self.felt: Array | None = None  # that of the systems
        self.ahead: Array | None = None  # and where the last trial step has led
        self.solvers: list[shifted.Solver] = []
        self.iterations = 1 if self.linear else FEW_ITERATIONS  # of the last step
        self.made_for, self.current = 0.0, False  # the step of the systems, and whether they are of this field
        self.rate = 1.0  # at which Newton's iteration converges, as last seen; less and less trusted
        self.looked = 0  # bit of cells' indices by which what follows others is looked for
        self.coupled, self.whole = False, False  # whether systems know what the reaction follows; by a whole matrix
        self.coupling: Any = None  # that of the reaction, dense or sparse
        self.pattern: Pattern | None = None  # of a sparse one
        self.dense = False  # whether it is none
        self.products = 0  # that a system of the last step took with it, where it is not known as a whole
        self.tried: _Step | None = None  # the last trial step
        self.past: _Step | None = None  # and the last accepted one

    @property
    def pole(self) -> float:
        """The real one, of the system by which errors are estimated."""
        return float(self.table.poles[0].real)

    @cached_property
    def decay(self) -> float:
        """The rate at which errors die out at the walls, found when it is first asked for: that takes factors."""
        return 0.0 if self.problem.moving is not None else slowest_decay(self.problem, self.duration)

    @property
    def damping(self) -> float:
        """The rate at which errors die out: at the walls, and by the reaction."""
        if self.coupled and self.coupling is None:
            return 0.0
        growth = 0.0 if self.slope is None else float(self.slope.max())
        if self.coupling is not None:
            growth = _most_growth(self.coupling)
        return max(0.0, self.decay - growth)

    def cost(self, step: float) -> float:
        """Return what a step costs, by a fixed model, in seconds."""
        if self.iterates:
            return self.iterations * (1 + self.products) * costs.iterations(self.problem)
        iteration = costs.evaluation(self.problem) + costs.substitution(self.problem, self.whole, self.groups)
        systems = SYSTEMS[len(self.problem.shape) - 1]
        prepared = systems * costs.factorisation(self.problem)
        if self.whole:
            prepared = costs.coupled(self.problem, self.groups)
        prepared = 0.0 if self.made_for == step else prepared
        return prepared + self.iterations * (1 + 2 * self.products) * STAGES * iteration

    @property
    def groups(self) -> int:
        """How many groups of cells are moved for a sparse Jacobian, 0 if it is none."""
        return 0 if self.pattern is None else self.pattern.groups

    def count(self, products: int) -> None:
        """Note how many products with the Jacobian a system took."""
        self.products = products

    def least_cost(self, duration: float) -> float:
        """Return 0: steps may become as long as they like."""
        return 0.0

    def forget(self) -> None:
        """Forget fields and factors: another kind of steps goes on."""
        self.slope = self.felt = self.ahead = self.tried = self.past = None
        self.solvers, self.made_for, self.current = [], 0.0, False

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Keep the stages from which the next ones are guessed, and the slope where they have led."""
        self.past = self.tried if self.tried is not None and self.tried.field is u else None
        self.tried, self.current = None, False
        if self.past is not None:
            self.slope = self.ahead
        elif self.problem.reaction is not None:
            self.slope = reaction_slope(self.problem, clock.at(elapsed), u)
        self.look_at_whole(u.size)
        if self.iterations > FEW_ITERATIONS:
            self.look(clock.at(elapsed), u)

    def look_at_whole(self, size: int) -> None:
        """Take the whole Jacobian from now on where products with it are many, and it is small or may be sparse."""
        if self.products > MANY_PRODUCTS and size <= (WHOLE if self.dense else MOST_CELLS):
            self.whole, self.products, self.made_for = True, 0, 0.0

    def jacobian(self, time: float, u: Array) -> Any:
        """Return the reaction's whole Jacobian: sparse, of few cells dense, None if it is neither."""
        if not self.dense:
            if self.pattern is not None:
                matrix, complete = evaluated(self.problem, time, u, self.pattern)
                if complete:
                    return matrix
            self.pattern = pattern_of(self.problem, time, u, self.pattern)
            if self.pattern is not None:
                return evaluated(self.problem, time, u, self.pattern)[0]
            self.dense = True
        return jacobian(self.problem, time, u) if u.size <= WHOLE else None

    def look(self, time: float, u: Array) -> bool:
        """Look for what the reaction follows, but for own values, as Newton's iteration is slow; return if found."""
        if self.problem.reaction is None or self.coupled:
            return False
        self.coupled = couples(self.problem, time, u, self.looked)
        self.whole = self.coupled and u.size <= FEW_CELLS
        self.looked = (self.looked + 1) % max(1, (u.size - 1).bit_length())
        return self.coupled

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step."""
        self.tried = None  # one that was rejected
        try:
            middle = clock.at(elapsed + step / 2)
            if self.made_for != step:
                self.factorise(clock.at(elapsed), u, middle, step)
            try:
                return self.stages(clock, elapsed, u, slope, step, allowed)
            except Overflow:
                if self.linear or (self.current and not self.look(clock.at(elapsed), u)):
                    raise
            self.factorise(clock.at(elapsed), u, middle, step)
            return self.stages(clock, elapsed, u, slope, step, allowed)
        except np.linalg.LinAlgError:
            self.made_for = 0.0
            self.look_at_whole(u.size)
            raise Overflow from None

    def factorise(self, time: float, u: Array, middle: float, step: float) -> None:
        """Prepare the systems of a step from a field, with the rates of a time in its middle."""
        self.here = self.problem.at(middle)
        slope = self.slope if self.slope is not None and self.slope.any() else None
        if slope is not None:
            slope = np.broadcast_to(slope, self.problem.shape)
        self.made_for, self.solvers, self.felt = 0.0, [], slope  # whose memory the next ones take
        if self.whole:
            self.coupling = self.jacobian(time, u)
            self.whole = self.coupling is not None
        if self.whole:
            self.check_coupled_growth(self.coupling, step)
        self.solvers = [self.system(self.pole, step, slope)]
        self.solvers += [self.system(complex(pole), step, slope) for pole in self.table.poles[1:]]
        if not self.whole:
            self.check_growth(slope, step, self.solvers[0])
        if self.coupled and not self.whole:
            others = directional(self.problem, time, u, slope)
            self.solvers = [krylov.solver(solver, lambda x: step * others(x), self.count) for solver in self.solvers]
        self.made_for, self.current = step, True

    def system(self, pole: complex, step: float, slope: Array | None) -> shifted.Solver:
        """Return the solver of one system, factorised or iterated."""
        if self.coupling is not None:
            return shifted.coupled(self.here, pole, step, self.coupling)
        if not self.iterates:
            return shifted.solver(self.here, pole, step, slope)
        accuracy = shifted.RESIDUAL if self.linear else INEXACT
        return shifted.iterated(self.here, pole, step, slope, accuracy)

    def check_growth(self, slope: Array | None, step: float, solver: shifted.Solver | None = None) -> None:
        """Refuse a step over which something grows too far to be followed."""
        pole = self.pole
        if slope is None or step * slope.max() <= pole / 2:
            return
        # No mode grows faster than pole/step if and only if this solution is positive, as the matrix has no positive
        # entry off its diagonal; 2 is half that rate where all cells grow alike.
        if solver is None:
            solver = self.system(pole, step, np.broadcast_to(slope, self.problem.shape))
        response = pole * solver(np.ones(self.problem.shape))
        if not (response.min() > 0 and response.max() <= 2):
            raise Overflow

    def check_coupled_growth(self, slopes: Any, step: float) -> None:
        """Refuse a step over which something grows too far, where reactions couple cells."""
        dense, most = isinstance(slopes, np.ndarray), self.pole / 2 / step
        matrix = self.here.matrix()
        matrix = matrix.toarray() + slopes if dense else matrix + slopes
        if _most_growth(matrix) <= most or _most_growth((matrix + matrix.T) / 2) <= most:  # the latter of energy
            return
        if len(matrix.diagonal()) > WHOLE:
            raise Overflow
        if np.linalg.eigvals(matrix if dense else matrix.toarray()).real.max() > most:
            raise Overflow

    def stages(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Solve for the stages."""
        table, problem = self.table, self.problem
        times = [clock.at(elapsed + node * step) for node in table.nodes]
        if self.linear:
            z = finite(self.change(times, u, None, step))
            self.iterations = 1
        else:
            z = self.iterate(times, u, step, allowed)
        self.rate = max(min(self.rate, 1.0) ** FORGOTTEN, LEAST_RATE)
        if self.iterations > FEW_ITERATIONS:
            self.made_for = 0.0
        ahead = u + z[-1]
        if problem.reaction is not None:
            self.ahead = reaction_slope(problem, times[-1], ahead)
            if not self.whole:
                self.check_growth(self.ahead, step)
        implied = combine(table.inverse[-1:], z)[0] / step  # by the stages
        after = implied if self.linear else evaluate(problem, times[-1], ahead)
        if not self.linear:
            self.check_solved(times[-1], ahead, implied, after, step, allowed)
        rest = self.expected(step, z)
        np.subtract(slope, rest, out=rest)
        rest *= step
        error = largest(self.solvers[0](self.released(rest, step)))
        rate = combine(table.inverse[-2:-1], z)[0] / step
        self.tried = _Step(ahead, step, rate, None if self.linear else z)
        return Trial(ahead, after, error)

    def released(self, rest: Array, step: float) -> Array:
        """Return a residual, larger where the reaction damps less at the end of a step than its systems have it."""
        if self.felt is None or self.ahead is None:
            return rest
        damped, left = (self.pole - step * np.minimum(slope, 0.0) for slope in (self.felt, self.ahead))
        return rest * np.maximum(damped / left, 1.0)

    def check_solved(self, time: float, u: Array, rate: Array, slope: Array, step: float, allowed: float) -> None:
        """Refuse a last stage beyond which, as its own correction goes, what is left does not change its sign.

        By a slope far too steep (across a jump, or of a reaction that has just saturated) every correction is small.
        """
        rest = step * (slope - rate)
        if self.felt is None or largest(rest) <= allowed:
            return
        correction = self.solvers[0](rest)
        least = 4 * EPS * np.abs(u)
        ahead = u + 2 * np.copysign(np.maximum(np.abs(correction), least), correction)
        beyond = step * (evaluate(self.problem, time, ahead) - rate) - self.pole * (ahead - u)
        size = np.abs(rest)
        if ((size > allowed) & (size > CONVERGED * size.max()) & (beyond * np.sign(rest) > size / 2)).any():
            raise Overflow

    def iterate(self, times: list[float], u: Array, step: float, allowed: float) -> Array:
        """Return the stages by Newton's iteration, and note how fast it converges."""
        z, past = self.guess(u, step), math.inf
        before: Array = np.zeros(0)
        update = before  # the move before, and the step that it became
        history: deque[tuple[Array, Array]] = deque(maxlen=DEPTH)  # steps of the iteration, what they did to the next
        for count in range(1, MOST_ITERATIONS + 1):
            move = self.change(times, u, z, step)
            size, rounding = largest(move), 4 * EPS * largest(u, lambda one, other: np.abs(one + other), z[-1])
            if not math.isfinite(size):
                raise Overflow
            if past < math.inf:
                self.rate = size / past if past > 0 else 0.0
                before -= move
                before /= -past
                history.append((update, before))
            left = size * self.rate / max(1 - self.rate, EPS)
            done = size <= rounding or (self.rate < 1 and left <= CONVERGED * allowed)
            before = update = np.zeros(0, np.float32)  # lest the oldest, which the history has dropped, be kept
            if not done:
                kind = np.float32 if move.size > PIECE else np.float64  # half the memory where that counts
                before, update = move.astype(kind), np.empty(move.shape, np.float32)
            _step_on(z, move, history, update, size)
            if done:
                self.iterations = count
                return z
            past = size
            del move
        self.iterations = MOST_ITERATIONS  # for what they cost
        raise Overflow

    def change(self, times: list[float], u: Array, z: Array | None, step: float) -> Array:
        """Compute what one of Newton's iterations changes in the stages, None being 0."""
        problem, table = self.problem, self.table
        residual = np.zeros((STAGES, *u.shape)) if z is None else combine(-table.inverse, z)
        for stage, (time, row) in enumerate(zip(times, residual, strict=True)):
            here = u if z is None else u + z[stage]
            problem.advance(time, here if problem.reaction is None else finite(here), row, scale=step, held=1.0)
        pairs = len(self.solvers) - 1
        combine(np.concatenate([table.to_modes.real, table.to_modes.imag[1:]]), residual, residual)
        residual[0] = self.solvers[0](residual[0])
        right = np.empty(u.shape, complex)
        for k, solver in enumerate(self.solvers[1:], 1):
            right.real, right.imag = residual[k], residual[pairs + k]
            solved = solver(right)
            residual[k], residual[pairs + k] = solved.real, solved.imag
            del solved  # lest the next one takes more memory
        combine(np.concatenate([table.from_modes.real, -table.from_modes.imag[:, 1:]], axis=1), residual, residual)
        return residual

    def expected(self, step: float, z: Array) -> Array:
        """Return the rate of change at the begin of a step, as a polynomial through those of stages has it."""
        nodes, past = self.table.nodes, 0
        if self.past is not None:  # with the last but one stage of the step before, the estimate is of order 6
            nodes, past = np.append((nodes[-2] - 1) * self.past.length / step, nodes), 1
        weights = _lagrange(nodes, np.zeros(1))
        expected: Array = combine(weights[:, past:] @ self.table.inverse, z)[0] / step
        if self.past is not None:
            add(expected, float(weights[0, 0]), self.past.rate)
        return expected

    def guess(self, u: Array, step: float) -> Array:
        """Return the stages that the polynomial of the step before leads to, else the field itself."""
        past = self.past
        if past is None or past.stages is None or step > FARTHEST * past.length:
            return np.zeros((STAGES, *u.shape))
        weights = _lagrange(np.append(0.0, self.table.nodes), 1 + step / past.length * self.table.nodes)
        ahead: Array = combine(weights[:, 1:], past.stages)
        ahead -= past.stages[-1]
        return ahead


solve = partial(control.integrate, Steps)


def slowest_decay(problem: Lattice, duration: float) -> float:
    """Return half an estimate of the slowest decay rate of `L`, by inverse iteration; 0 if below 1/duration."""
    if duration == 0 or not problem.loses:
        return 0.0
    mode = np.ones(problem.shape)
    try:
        if shifted.converges_fast(problem):
            solve = shifted.iterated(problem, 1 / duration, 1.0, None, INEXACT)
        else:
            solve = shifted.solver(problem, 1 / duration, 1.0)
        for _ in range(INVERSE_ITERATIONS):
            mode = solve(mode)
            mode /= np.abs(mode).max()
    except np.linalg.LinAlgError:
        return 0.0
    rate = -float((mode * problem.apply(mode)).sum() / (mode * mode).sum())
    return rate / 2 if rate * duration > 1 else 0.0


def _most_growth(matrix: Any) -> float:
    """Return a bound on the rate at which anything grows, in the maximum norm (the logarithmic norm)."""
    own = matrix.diagonal()
    return float((own + abs(matrix).sum(axis=1) - np.abs(own)).max())


def _step_on(z: Array, move: Array, history: Collection[tuple[Array, Array]], update: Array, size: float) -> None:
    """Add Anderson's next step: what couples cells that the Jacobian leaves out need not be weak.

    `history` has earlier steps and how they changed the move, both divided by any number; `update`, where it has room,
    gets the step over `size`.
    """
    target, new, last = z.reshape(-1), update.reshape(-1), move.reshape(-1)
    flat = [(step.reshape(-1), change.reshape(-1)) for step, change in history]
    parts = _threads.slices(last.size, 1 + last.size // PIECE)  # no more memory than for a piece
    triangle: Array = np.zeros((0, len(flat) + 1))
    for low, high in parts if flat else ():
        columns = np.stack([*(change[low:high] for _, change in flat), last[low:high]], axis=1)
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, columns]), "r"))
    shares = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1], rcond=ROUNDED)[0]
    for low, high in parts:
        best = last[low:high].copy()
        for share, (step, change) in zip(shares, flat, strict=True):
            best -= share * step[low:high]
            best -= share * change[low:high]
        target[low:high] += best
        if new.size:
            np.divide(best, size, out=new[low:high], casting="same_kind")


def _lagrange(nodes: Array, places: Array) -> Array:
    """Return what each value at a node weighs in the polynomial through all of them, at each of some places."""
    own = np.eye(len(nodes), dtype=bool)
    spans, offsets = nodes[:, None] - nodes, (places[:, None] - nodes)[:, None]
    weights: Array = np.where(own, 1.0, offsets / np.where(own, 1.0, spans)).prod(axis=2)
    return weights
