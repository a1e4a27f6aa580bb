"""Random streams: known answers of the generator, exact tables of chances, the same bits on any thread."""

import decimal
import hashlib
import itertools
import math
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _threads
from diffuseconv._jit import binomial, random
from diffuseconv._jit import measurement as loops
from diffuseconv.measurement import _streams, _taps


def called(function):
    """A loop that only loops call, for Python to call."""
    return numba.njit(lambda *given: function(*given))


word, uniform = called(random.word), called(random.uniform)
log, log1p, exp, rest = map(called, (binomial.log, binomial.log1p, binomial.exp, binomial._rest))
evaluate = called(binomial._evaluate)


@pytest.fixture
def threads():
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


# --- the generator ---------------------------------------------------------------------------------------------------


def test_xoshiro_known_answers():
    """The first outputs of the reference implementation from the state 1, 2, 3, 4."""
    state, seen = (1, 2, 3, 4), []
    for _ in range(10):
        bits, state = word(tuple(map(np.uint64, state)))
        seen.append(bits)
    assert seen == [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
        9973669472204895162,
        14011001112246962877,
        12406186145184390807,
        15849039046786891736,
        10450023813501588000,
    ]


def test_split_mix_known_answers():
    """The first outputs of the reference implementation begun at 1234567; streams 0 and 1 take the first eight."""
    key = np.full(4, 1234567, np.uint64)
    golden = 0x9E3779B97F4A7C15
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [random.split_mix(np.uint64((1234567 + n * golden) % 2**64)) for n in range(1, 6)] == known
    assert list(random.start(key, 0)) == known[:4]
    assert random.start(key, 1)[0] == known[4]


KNOWN_FEW = [0.0, 2.0, 4.0, 3.0, 3.0, 5.0, 5.0, 5.0, 7.0, 9.0]
KNOWN_MANY = [
    0.799974687,
    1.199974108,
    1.999996332,
    3.00005965,
    4.000097591,
    5.000014429,
    6.000012239,
    6.999976914,
    7.799963436,
    8.200029784,
]
KNOWN_SCATTER = [20, 18, 23, 21, 11, 23, 24, 16, 21, 23]
KNOWN_GRAINS = [
    1000000052119941,
    999999982040455,
    999999987886427,
    999999973443271,
    1000000011907997,
    1000000001955114,
    999999978062405,
    1000000042132622,
    1000000012738634,
    999999957713134,
]


def test_known_measurement():
    """The stream layout is part of the contract: these bits may change only with a note to users."""
    field = np.arange(10.0)
    box = np.ones(5) / 5
    assert dc.measure(field, box, rng=7).tolist() == KNOWN_FEW
    assert dc.measure(field, box, 10**9, rng=7).tolist() == KNOWN_MANY
    assert dc.scatter(np.full(10, 20), box, rng=7).tolist() == KNOWN_SCATTER
    assert dc.scatter(np.full(10, 10**15), box, rng=7).tolist() == KNOWN_GRAINS


def xoshiro(state):
    """Yield the words of xoshiro256++ in whole numbers of Python, as its authors write it."""
    s, most = [int(word) for word in state], 2**64 - 1

    def rotated(x, k):
        return (x << k | x >> (64 - k)) & most

    while True:
        yield (rotated((s[0] + s[3]) & most, 23) + s[0]) & most
        shifted = s[1] << 17 & most
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 45)


def words_of(key, block):
    """Yield the words of a block for its pixels: those of its first eight streams in turn."""
    lanes = [xoshiro(random.start(key, 9 * block + lane)) for lane in range(8)]
    while True:
        yield from (next(lane) for lane in lanes)


def test_single_draws_follow_the_words():
    """Seven draws in two blocks: five from a word for each pixel, then twice four pixels' from one."""
    cells, chances = 2100, np.full(17, 1 / 32)  # multiples of 1/4096 leave nothing to the alias table
    chances[8] = 1 / 2
    moves = [0, *range(8, 0, -1), *range(-1, -9, -1)]  # what to add to a pixel's place: the most likely tap first
    entries = np.repeat(moves, [2048] + [128] * 16)
    key, expected = _streams.key(7), np.zeros(cells)
    for block, pixels in enumerate(np.split(np.arange(cells), [2048])):
        words, size = words_of(key, block), len(pixels)
        digits = [[w >> 12 * j & 4095 for j in range(5)] for w in itertools.islice(words, -(-size // 8) * 8)]
        draws = np.array(digits)[:size].T.tolist()
        for _ in range(2):
            quarters = [w >> 16 * j & 4095 for w in itertools.islice(words, -(-size // 32) * 8) for j in range(4)]
            draws.append(quarters[:size])
        for draw in draws:
            expected[pixels] += (pixels + entries[draw]) % cells
    assert np.array_equal(
        np.rint(7 * dc.measure(np.arange(float(cells)), chances, 7, rng=7, boundary="periodic")), expected
    )


def test_counted_draws_follow_the_words():
    """Six draws of three taps in two blocks: in parts of 512 pixels, four pixels' from one word."""
    cells, chances = 2100, [0.25, 0.5, 0.25]  # multiples of 2^-16 leave nothing to the alias table
    entries = np.roll(np.repeat([0, 1, -1], [2**15, 2**14, 2**14]), -(2**15))  # the highest bit is a sign
    key, expected = _streams.key(7), np.zeros(cells)
    for block, pixels in enumerate(np.split(np.arange(cells), [2048])):
        words = words_of(key, block)
        for part in np.split(pixels, range(512, len(pixels), 512)):
            for _ in range(6):
                quarters = [w >> 16 * j & 65535 for w in itertools.islice(words, 128) for j in range(4)]
                expected[part] += (part + entries[quarters[: len(part)]]) % cells
    assert np.array_equal(
        np.rint(6 * dc.measure(np.arange(float(cells)), chances, 6, rng=7, boundary="periodic")), expected
    )


def test_counted_draws_leave_the_rest_to_the_ninth_stream():
    """What 16 bits cannot tell of nine taps is drawn from the alias table, pixel after pixel of a part across rows.

    One draw serves all channels.
    """
    field, draws, left = np.arange(1400.0).reshape(2, 25, 28) ** 2, 300, 0
    weights = np.arange(1.0, 10).reshape(3, 3) / 45
    taps = _taps.taps_of(weights, 2)
    few, reads = _taps.thresholds(taps.chance, np.arange(9)), np.empty((2, 9, 700))
    for tap, (row, column) in enumerate(zip(*taps.index, strict=True)):
        reads[:, tap] = np.roll(field, (row - 1, column - 1), (1, 2)).reshape(2, -1)
    words, rest, expected = words_of(_streams.key(7), 0), xoshiro(random.start(_streams.key(7), 8)), np.zeros((2, 700))
    for part in np.split(np.arange(700), [512]):
        counts = np.zeros((10, len(part)), int)
        for _ in range(draws):
            quarters = [w >> 16 * j & 65535 for w in itertools.islice(words, 128) for j in range(4)]
            signed = np.array(quarters[: len(part)], np.uint16).view(np.int16)
            counts[np.searchsorted(few.most, signed), range(len(part))] += 1
        for pixel in np.repeat(range(len(part)), counts[9]):
            place = ((next(rest) >> 12) + 0.5) * 2.0**-52 * few.size
            entry, left = int(place), left + 1
            tap = few.own[entry] if place - entry < few.cut[entry] else few.other[entry]
            counts[tap, pixel] += 1
        expected[:, part] = (counts[:9] * reads[:, :, part]).sum(axis=1)
    measured = dc.measure(field, weights, draws, rng=7, boundary="periodic", axes=(1, 2))
    assert left > 0
    assert np.array_equal(np.rint(draws * measured).reshape(2, -1), expected)


LOPSIDED, SIGNED = np.array([1, 2, 3, 4]) / 10, np.array([[1.0, -2.0, 0.0], [3.0, -4.0, 5.0]])


@pytest.mark.parametrize(
    ("kernel", "draws", "known"),
    [  # on both sides of 40 draws per tap, where binomial counts take over from single draws
        (LOPSIDED, 1, "9bd190697dbaf1e5"),
        (LOPSIDED, 160, "2c95ba95cf31c7d2"),
        (LOPSIDED, 161, "cf6f91989c0a48e8"),
        (LOPSIDED, 10**9, "bfab16c0ffec9f03"),
        (SIGNED, 1, "d73c819054d08d59"),
        (SIGNED, 200, "15ceb86900bdd1ff"),
        (SIGNED, 201, "def8dcd0ebb524df"),
        (SIGNED, 10**9, "3204308321e56bde"),
    ],
)
def test_known_measurements_of_uneven_kernels(kernel, draws, known):
    """The order in which taps are tabled and drawn, and the choice of method, are part of the stream's layout."""
    field = np.arange(10.0) if kernel.ndim == 1 else np.arange(30.0).reshape(5, 6) ** 2
    measured = dc.measure(field, kernel, draws, rng=7)
    assert hashlib.sha256(measured.tobytes()).hexdigest().startswith(known)


@pytest.mark.parametrize(
    ("grains", "known"),
    [
        (1, "a6b2f7a915c48e61"),
        (128, "70f1415b1f85d5f2"),
        (129, "58fbe8f36b17e146"),
        (10**15, "bd6432469475ba80"),
    ],
)
def test_known_scattering_of_uneven_kernels(grains, known):
    landed = dc.scatter(np.full(10, grains), LOPSIDED, rng=7)
    assert hashlib.sha256(landed.tobytes()).hexdigest().startswith(known)


def test_uniform_is_centred_and_never_an_end():
    smallest, _ = uniform(tuple(np.uint64([0, 0, 0, 0])))
    assert smallest == 2.0**-53
    # from a + d = 2^64 - 1 and a = 0 the next word has all bits set
    largest, _ = uniform(tuple(np.uint64([0, 0, 0, 2**64 - 1])))
    assert largest == 1 - 2.0**-53


@given(chances=strategies.densities(strategies.shapes(1, most=40)))
def test_table_and_residual_have_the_exact_chances(chances):
    """Add up by whole fractions what table and alias table give each tap."""
    taps = _taps.taps_of(chances, 1)
    offset = taps.index[0].astype(np.int32)
    table = _taps.table(taps.chance, offset)
    held = np.bincount(table.entry[table.entry != loops.RESIDUAL], minlength=chances.size) / loops.TABLE
    rest = np.mean(table.entry == loops.RESIDUAL)
    given_rest = np.bincount(table.own, table.cut, chances.size) + np.bincount(table.other, 1 - table.cut, chances.size)
    held += rest * given_rest / table.cut.size
    assert np.abs(held - chances / chances.sum()).sum() / 2 <= chances.size * 2.0**-51


@given(chances=strategies.densities(strategies.shapes(1, most=9)))
def test_thresholds_and_residual_have_the_exact_chances(chances):
    """Add up by whole fractions what lies between thresholds and what the alias table gives each tap."""
    taps = _taps.taps_of(chances, 1)
    few = _taps.thresholds(taps.chance, taps.index[0].astype(np.int32))
    ends = few.most.astype(int) + 2**15 + 1
    held = np.bincount(few.offset, np.diff(ends, prepend=0), chances.size) / 2**16
    given_rest = np.bincount(few.own, few.cut, chances.size) + np.bincount(few.other, 1 - few.cut, chances.size)
    held += (1 - ends[-1] / 2**16) * given_rest / few.cut.size
    assert np.abs(held - chances / chances.sum()).sum() / 2 <= chances.size * 2.0**-51


def test_random_blocks_differ():
    """Two streams of one run, and the same stream of two runs, share no word."""
    states = [_streams.start(_streams.key(seed), 100 * loops.BLOCK) for seed in (1, 2)]
    assert len(np.unique(states)) == 2 * 100 * 9 * 4
    assert _streams.blocks(1) == 1
    assert _streams.blocks(loops.BLOCK) == 1
    assert _streams.blocks(loops.BLOCK + 1) == 2


# --- binomial counts ------------------------------------------------------------------------------------------------


@given(x=st.one_of(st.floats(-1 + 2**-53, 1e18), st.floats(-0.5, 0.5)))
def test_logarithms_are_good_to_a_few_roundings(x):
    """They are series of plain arithmetic, whose terms fall by a factor of 30: a few roundings in all."""
    assume(abs(x) > 1e-30)
    with decimal.localcontext(prec=60):
        exact, above = (1 + decimal.Decimal(x)).ln(), decimal.Decimal(1 + abs(x)).ln()
        assert abs(decimal.Decimal(float(log1p(x))) - exact) <= abs(exact) * decimal.Decimal(2**-50)
        assert abs(decimal.Decimal(float(log(1 + abs(x)))) - above) <= abs(above) * decimal.Decimal(2**-50)


@given(x=st.floats(-60, 0))
def test_exponentials_are_good_to_a_few_roundings(x):
    with decimal.localcontext(prec=60):
        exact = decimal.Decimal(x).exp()
        assert abs(decimal.Decimal(float(exp(x))) - exact) <= exact * decimal.Decimal(2**-50)


@pytest.mark.parametrize("x", [*range(40), 10**3, 10**6])
def test_rest_of_stirlings_formula(x):
    with decimal.localcontext(prec=60):
        n, tau = decimal.Decimal(x), decimal.Decimal("6.28318530717958647692528676655900576839")
        exact = (
            sum((decimal.Decimal(i).ln() for i in range(2, min(x, 1000) + 1)), decimal.Decimal(0)) + n - tau.ln() / 2
        )
        if x <= 1000:
            exact -= (n + decimal.Decimal("0.5")) * decimal.Decimal(max(x, 1)).ln()
        else:
            exact = 1 / (12 * n) - 1 / (360 * n**3)
        assert abs(decimal.Decimal(float(rest(float(x)))) - exact) <= decimal.Decimal(2**-51)


@given(n=st.integers(40, 10**6), p=st.floats(0.001, 0.5), u=st.floats(1e-4, 1 - 1e-4), v=st.floats(1e-9, 1.0))
def test_a_count_is_accepted_by_its_exact_chance(n, p, u, v):
    """Against Hoermann's inequality with SciPy's chances: f(k) / f(mode) is at least the hat's height there."""
    from scipy.special import gammaln, xlog1py, xlogy

    p = max(p, 20 / n)
    whole, move, mode, gain = evaluate(float(n), p, 1 - p, u, v)
    k, m = whole + move, whole + mode
    assume(0 <= k <= n)
    b = 1.15 + 2.53 * math.sqrt(n * p * (1 - p))
    a = -0.0873 + 0.0248 * b + 0.01 * p
    us = 0.5 - abs(u - 0.5)
    needed = math.log(v * (2.83 + 5.1 / b) * math.sqrt(n * p * (1 - p)) / (a / us**2 + b))
    chance, at_mode = (xlogy(i, p) + xlog1py(n - i, -p) - gammaln(i + 1) - gammaln(n - i + 1) for i in (k, m))
    rests = [rest(float(i)) for i in (m, n - m, k, n - k)]
    ours = gain + rests[0] + rests[1] - rests[2] - rests[3]
    assert k == math.floor((2 * a / us + b) * (u - 0.5) + n * p + 0.5) or abs(move) > 2**30
    assert ours == pytest.approx(chance - at_mode - needed, abs=1e-15 * 40 * n * math.log(n))  # of SciPy's terms


@pytest.mark.parametrize("p", [1e-6, 0.01, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("mean", [*range(binomial.MANY, 60), 100, 300, 10**3, 10**4, 10**5, 10**6])
def test_what_is_accepted_at_once_would_be_by_its_chance(mean, p):
    """Against SciPy's chances: the least of f(k) / f(mode) over the hat's height is above what decides at once.

    Wider binomials differ less from the normal density than these do, whose margin is 0.005.
    """
    from scipy.special import gammaln, xlogy

    n = round(mean / p)
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    us = np.linspace(binomial.FAR, 0.5, 2001)
    u = np.concatenate([us - 0.5, 0.5 - us])
    room = 0.5 - np.abs(u)
    k, m = np.floor((2 * a / room + b) * u + n * p + 0.5), math.floor((n + 1) * p)
    move, q = k - m, 1 - p
    if n < 10**7:
        chance, at_mode = (xlogy(i, p) + xlogy(n - i, q) - gammaln(i + 1) - gammaln(n - i + 1) for i in (k, m))
    else:  # where those lose their digits, by Stirling's formula
        chance, at_mode = (
            -i * np.log(i / (n * p)) - (n - i) * np.log1p((n * p - i) / (n * q)) - np.log(i * (n - i)) / 2
            for i in (k, m)
        )
    accepted = np.exp(chance - at_mode) * (a / room**2 + b) / ((2.83 + 5.1 / b) * spread)
    assert np.all(np.abs(move) < n)
    assert accepted.min() > 0.92 - 4.2 / b


# --- same bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [1, 7, 10**6])
def test_a_block_is_drawn_without_others(draws, monkeypatch):
    """One by one, counted, and tap by tap: as threads do that have different blocks."""
    field, kernel = np.arange(6000.0), [0.3, 0.3, 0.4]
    whole = dc.measure(field, kernel, draws, rng=1)

    def only_second(work, blocks):
        work.args[-1].fill(np.nan)  # the sums
        work(1, 2)

    monkeypatch.setattr(_threads, "run", only_second)
    second = dc.measure(field, kernel, draws, rng=1)
    np.testing.assert_array_equal(second[2048:4096], whole[2048:4096])
    assert np.isnan(np.delete(second, slice(2048, 4096))).all()


def samples(rng):
    """One result of every random verb and of every internal path."""
    field, kernel = np.arange(70 * 90.0).reshape(70, 90), np.outer([1, 2, 3], [1, -2, 1.0])
    density = np.abs(kernel) / np.abs(kernel).sum()
    counts = (np.arange(70 * 90) % 50).reshape(70, 90)
    return [
        dc.measure(field, kernel, rng=rng),
        dc.measure(field, kernel, 10**6, rng=rng),
        dc.scatter(counts, density, rng=rng),
        dc.scatter(counts * 10**12, density, rng=rng),
    ]


def test_same_bits_with_any_number_of_threads(threads):
    threads(1)
    single = samples(3)
    for n in {2, numba.config.NUMBA_NUM_THREADS}:
        if n <= numba.config.NUMBA_NUM_THREADS:
            threads(n)
            assert all(map(np.array_equal, single, samples(3)))


def samples_elsewhere(n, _):
    """Return a digest of what a process with so many threads draws."""
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests'); import numpy as np; from test_streams import samples;"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in samples(3))).hexdigest())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(n)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.mark.parametrize("n", [pytest.param(n, marks=pytest.mark.aside(n, call=samples_elsewhere)) for n in (1, 64)])
def test_same_bits_in_any_process(n, done):
    assert done == hashlib.sha256(b"".join(a.tobytes() for a in samples(3))).hexdigest()


def test_rng():
    def draw(rng):
        return dc.measure(np.arange(300.0), np.ones(5), rng=rng)

    assert np.array_equal(draw(5), draw(5))
    assert not np.array_equal(draw(5), draw(6))
    assert not np.array_equal(draw(None), draw(None))
    seed = np.random.SeedSequence(5)
    assert np.array_equal(draw(seed), draw(seed))
    assert np.array_equal(draw(seed), draw(5))
    assert np.array_equal(_streams.key(5), seed.generate_state(4, np.uint64))
    assert seed.n_children_spawned == 0
    generator = np.random.default_rng(5)
    first, second = draw(generator), draw(generator)
    assert not np.array_equal(first, second)
    other = np.random.default_rng(5)
    other.integers(0, 2**64, 8, dtype=np.uint64)
    assert generator.bit_generator.state == other.bit_generator.state, "a call takes four words"
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(None)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("blocks", [1, 2, 3, 1000])  # 2 reaches the highest bit of a key
def test_a_batch_goes_on_with_streams_that_no_batch_before_it_used(blocks):
    key = _streams.key(7)
    whole = _streams.start(key, (blocks + 2) * loops.BLOCK)
    rest = _streams.start(_streams.after(key, blocks), 2 * loops.BLOCK)
    np.testing.assert_array_equal(rest, whole[blocks:])
