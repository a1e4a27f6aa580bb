"""Random streams: known answers of the generator, exact tables of chances, the same bits on any thread."""

import hashlib
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import strategies
from hypothesis import given

import diffuseconv as dc
from diffuseconv._jit import measurement as loops
from diffuseconv.measurement import _streams, _taps


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
        bits, state = loops.word(tuple(map(np.uint64, state)))
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
    """The first outputs of the reference implementation begun at 1234567; block 0 and 1 take the first eight."""
    key = np.full(4, 1234567, np.uint64)
    golden = 0x9E3779B97F4A7C15
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [loops.split_mix(np.uint64((1234567 + n * golden) % 2**64)) for n in range(1, 6)] == known
    assert list(loops.start(key, 0)) == known[:4]
    assert loops.start(key, 1)[0] == known[4]


KNOWN_FEW = [
    0.0,
    3.0,
    3.0,
    3.0,
    4.0,
    5.0,
    7.0,
    5.0,
    6.0,
    9.0,
]
KNOWN_MANY = [
    0.80000602,
    1.200036816,
    2.000017238,
    2.999955424,
    3.999962204,
    4.999948011,
    5.999922883,
    7.000085334,
    7.800026919,
    8.200005415,
]
KNOWN_SCATTER = [
    26,
    13,
    23,
    17,
    21,
    18,
    25,
    19,
    15,
    23,
]
KNOWN_GRAINS = [
    1000000019363728,
    1000000033999710,
    999999983310046,
    999999950047976,
    999999978534736,
    1000000017414322,
    999999984845503,
    1000000010747777,
    1000000062571876,
    999999959164326,
]


def test_known_measurement():
    """The stream layout is part of the contract: these bits may change only with a note to users."""
    field = np.arange(10.0)
    box = np.ones(5) / 5
    assert dc.measure(field, box, rng=7).tolist() == KNOWN_FEW
    assert dc.measure(field, box, 10**9, rng=7).tolist() == KNOWN_MANY
    assert dc.scatter(np.full(10, 20), box, rng=7).tolist() == KNOWN_SCATTER
    assert dc.scatter(np.full(10, 10**15), box, rng=7).tolist() == KNOWN_GRAINS


LOPSIDED, SIGNED = np.array([1, 2, 3, 4]) / 10, np.array([[1.0, -2.0, 0.0], [3.0, -4.0, 5.0]])


@pytest.mark.parametrize(
    ("kernel", "draws", "known"),
    [  # on both sides of 24 draws per tap, where counts of draws take over from single draws
        (LOPSIDED, 1, "552fef5b0b57173a"),
        (LOPSIDED, 96, "0c3d71278cf20c17"),
        (LOPSIDED, 97, "f9eb088a086b1521"),
        (LOPSIDED, 10**9, "582ddc74ca9665e4"),
        (SIGNED, 1, "062e41202639832a"),
        (SIGNED, 120, "1c7be207c4cc4d9a"),
        (SIGNED, 121, "c131adfe86aa2343"),
        (SIGNED, 10**9, "407bc4f6f04240a8"),
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
        (1, "9c816902fca462f9"),
        (96, "59e87e3464f8efa6"),
        (97, "e57fe81cb8295a5c"),
        (10**15, "340e80258a497143"),
    ],
)
def test_known_scattering_of_uneven_kernels(grains, known):
    landed = dc.scatter(np.full(10, grains), LOPSIDED, rng=7)
    assert hashlib.sha256(landed.tobytes()).hexdigest().startswith(known)


def test_uniform_is_centred_and_never_an_end():
    smallest, _ = loops.uniform(tuple(np.uint64([0, 0, 0, 0])))
    assert smallest == 2.0**-53
    # from a + d = 2^64 - 1 and a = 0 the next word has all bits set
    largest, _ = loops.uniform(tuple(np.uint64([0, 0, 0, 2**64 - 1])))
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


def test_random_blocks_differ():
    """Two blocks of one run, and the same block of two runs, share no word."""
    key, other = _streams.key(1), _streams.key(2)
    states = [loops.start(k, b) for k in (key, other) for b in range(100)]
    assert len({word for state in states for word in state}) == 800
    assert _streams.blocks(1) == 1
    assert _streams.blocks(loops.BLOCK) == 1
    assert _streams.blocks(loops.BLOCK + 1) == 2


# --- same bits -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("n", [1, 64])
def test_same_bits_in_any_process(n):
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests'); import numpy as np; from test_streams import samples;"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in samples(3))).hexdigest())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(n)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == hashlib.sha256(b"".join(a.tobytes() for a in samples(3))).hexdigest()


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
