"""Closed forms of systolic arrays against the published rows, a walk through the registers, SCALE-Sim, and our own array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.arch import Accelerator
from dataflows.arch import Array as OurArray
from dataflows.bound import compute_cycles
from dataflows.errors import SpecError
from dataflows.machines import systolic
from dataflows.machines.systolic import Array
from dataflows.nest import scalesim
from dataflows.tiling import Tiling
from dataflows.workload import Layer

# Dense reference, 15.9: M, N, K, rows, cols; ws folds, plain, overlapped; os the same; is overlapped; utilisation ws, os in %.
IDEAL = (
    (3025, 96, 363, 16, 16, 138, 423798, 417496, 1140, 466260, 413866, 419566, 98.6, 99.5),
    (729, 128, 1200, 16, 16, 600, 465000, 437446, 368, 458528, 441646, 441646, 100.0, 99.0),
    (169, 384, 2304, 16, 16, 3456, 743040, 584110, 264, 620400, 608302, 608302, 100.0, 96.0),
    (1, 4096, 9216, 16, 16, 147456, 6930432, 2359327, 256, 2371072, 2359342, 2359342, 6.2, 6.2),
    (196, 512, 4608, 16, 16, 9216, 2230272, 1806382, 416, 1936064, 1916974, 1916974, 100.0, 94.2),
    (12544, 64, 147, 16, 16, 40, 503600, 501806, 3136, 605248, 461038, 501806, 91.9, 100.0),
    (196, 256, 2304, 16, 16, 2304, 557568, 451630, 208, 488800, 479278, 479278, 100.0, 94.2),
    (49, 512, 2048, 16, 16, 4096, 389120, 200750, 128, 268032, 262190, 262190, 100.0, 76.5),
    (12544, 1, 9, 16, 16, 1, 12590, 12590, 784, 43120, 12590, 12575, 3.5, 3.5),
    (3025, 96, 363, 32, 32, 36, 112284, 108994, 285, 130245, 103549, 109534, 94.4, 99.4),
    (169, 384, 2304, 32, 32, 864, 227232, 146110, 72, 172656, 165982, 165982, 99.9, 88.0),
    (50176, 64, 576, 32, 32, 36, 1809720, 1806430, 3136, 2101120, 1806430, 1806430, 100.0, 100.0),
    (3136, 256, 64, 32, 32, 16, 51680, 50270, 784, 123872, 50270, 50270, 99.8, 99.8),
    (196, 256, 2304, 32, 32, 576, 167040, 112990, 56, 134288, 129118, 129118, 99.9, 87.4),
    (49, 512, 2048, 32, 32, 1024, 146432, 50270, 32, 68544, 65630, 65630, 99.8, 76.5),
    (169, 384, 2304, 256, 256, 18, 16830, 5287, 2, 6140, 5374, 4222, 43.2, 42.5),
    (1, 4096, 9216, 256, 256, 576, 441792, 147967, 16, 159712, 148222, 148222, 0.4, 0.4),
    (50176, 64, 576, 256, 256, 3, 152826, 151294, 196, 263032, 113662, 151102, 18.7, 24.8),
    (196, 512, 4608, 256, 256, 36, 34632, 9922, 2, 10748, 9982, 9982, 71.1, 70.7),
    (196, 256, 2304, 256, 256, 9, 8658, 3010, 1, 3070, 3070, 3070, 58.6, 57.5),
    (49, 512, 2048, 256, 256, 16, 13040, 4655, 2, 5628, 4862, 4862, 16.8, 16.1),
    (169, 384, 2304, 12, 14, 5376, 1102080, 908580, 420, 982800, 967716, 958500, 98.0, 92.0),
    (196, 256, 2304, 12, 14, 3648, 846336, 715044, 323, 755820, 744228, 688164, 96.2, 92.5),
)
# Dense reference, 15.8: (M, N, K), array, dataflow, cycles that version 2 reports, and reads of A, of B, writes of C.
SCALE_SIM_2 = (
    ((3025, 96, 363), (32, 32), "ws", 112283, (3294225, 34848, 3484800)),
    ((169, 384, 2304), (16, 16), "ws", 743039, (9345024, 884736, 9345024)),
    ((169, 192, 1728), (16, 16), "ws", 278639, (3504384, 331776, 3504384)),
    ((169, 128, 1728), (16, 16), "ws", 185759, (2336256, 221184, 2336256)),
    ((169, 128, 1728), (32, 32), "ws", 56807, (1168128, 221184, 1168128)),
    ((169, 128, 1728), (32, 32), "os", 42959, (1168128, 1327104, 23168)),
    ((729, 128, 1200), (16, 16), "ws", 464999, (6998400, 153600, 6998400)),
    ((49, 512, 2048), (16, 16), "ws", 389119, (3211264, 1048576, 3211264)),
    ((196, 256, 1024), (16, 16), "ws", 247807, (3211264, 262144, 3211264)),
    ((196, 256, 1024), (16, 16), "os", 219231, (3211264, 3407872, 56832)),
    ((196, 256, 1024), (32, 32), "os", 60815, (1605632, 1835008, 53760)),
    ((196, 256, 1024), (12, 14), "ws", 379087, (3813376, 262144, 4315136)),
    ((784, 512, 128), (16, 16), "ws", 212479, (3211264, 65536, 3211264)),
    ((784, 512, 128), (16, 16), "os", 247743, (3211264, 3211264, 451584)),
    ((784, 512, 128), (32, 32), "ws", 56191, (1605632, 65536, 1605632)),
    ((784, 512, 128), (12, 14), "ws", 333739, (3713024, 65536, 4415488)),
    ((1, 1000, 2048), (16, 16), "ws", 379007, (129024, 2048000, 128000)),
    ((1, 1000, 2048), (16, 16), "os", 130913, (129024, 2048000, 3016)),
    ((1, 1000, 2048), (32, 32), "ws", 194559, (65536, 2048000, 64000)),
    ((128, 128, 64), (16, 16), "ws", 5567, (65536, 8192, 65536)),
    ((128, 128, 64), (32, 32), "ws", 1775, (32768, 8192, 32768)),
    ((128, 128, 64), (32, 32), "os", 2015, (32768, 32768, 17408)),
    ((17, 9, 33), (8, 8), "ws", 389, None),
    ((17, 9, 33), (8, 8), "os", 281, None),
    ((17, 9, 33), (8, 8), "is", 464, None),
    ((50, 30, 7), (16, 4), "ws", 671, None),
    ((50, 30, 7), (16, 4), "os", 799, None),
    ((50, 30, 7), (16, 4), "is", 831, None),
    ((8, 8, 8), (12, 14), "os", 31, None),
    ((8, 8, 8), (12, 14), "is", 43, None),
    ((1, 1, 1), (8, 8), "ws", 22, None),
    ((1, 1, 1), (8, 8), "os", 14, None),
    ((1, 1, 1), (8, 8), "is", 22, None),
)
SMALL = st.integers(1, 9)


@pytest.mark.parametrize("row", IDEAL, ids=lambda row: "-".join(map(str, row[:5])))
def test_published_cycles(row):
    gemm, size = row[:3], row[3:5]
    ws, os, inputs = (Array(*size, dataflow) for dataflow in ("ws", "os", "is"))
    found = [f(array, *gemm) for array in (ws, os) for f in (Array.folds, systolic.plain, systolic.overlapped)]
    assert (*found, systolic.overlapped(inputs, *gemm)) == row[5:12]
    shares = [100 * gemm[0] * gemm[1] * gemm[2] / (size[0] * size[1] * cycles) for cycles in (found[2], found[5])]
    assert shares == pytest.approx(row[12:], abs=0.0501)


@pytest.mark.parametrize(("gemm", "size", "dataflow", "cycles", "words"), SCALE_SIM_2)
def test_scale_sim_reports(gemm, size, dataflow, cycles, words):
    """Its offsets: the last cycle's number instead of the count, no drain of output folds, sums too many from them."""
    array, layer = Array(*size, dataflow), Layer.gemm("g", M=gemm[0], N=gemm[1], K=gemm[2])
    assert scalesim.cycles(layer, *size, dataflow).cycles == cycles
    undrained = size[0] * array.folds(*gemm) if dataflow == "os" else 0
    assert cycles == systolic.plain(array, *gemm) - undrained - 1
    if words:
        moved = systolic.words(array, *gemm)
        too_many = array.folds(*gemm) * sum(size) if dataflow == "os" else 0
        assert words == (moved["A"]["reads"], moved["B"]["reads"], moved["C"]["writes"] + too_many)


def weights_stay(a: np.ndarray, b: np.ndarray, rows: int, cols: int) -> tuple[np.ndarray, int]:
    """Move the registers of dense reference, 2.1: skewed operands, weights shifted into shadow registers behind the wave.

    Returns the product and the cycle of the last result, counted from 1 at the first weight.
    """
    (m, k), n = a.shape, b.shape[1]
    folds = [(i, j) for j in range(0, n, cols) for i in range(0, k, rows)]
    starts = [rows + f * max(m, rows) for f in range(len(folds))]
    loads = [0, *starts[:-1]]
    act, psum = np.zeros((rows, cols), int), np.zeros((rows, cols), int)
    live, shadow, swap = np.zeros_like(act), np.zeros_like(act), np.zeros((rows, cols), bool)
    out, last, r, c = np.zeros((m, n), int), 0, np.arange(rows)[:, None], np.arange(cols)[None, :]
    for now in range(starts[-1] + m + rows + cols):
        act_in, swap_in = np.zeros_like(act), np.zeros_like(swap)
        act_in[:, 1:], swap_in[:, 1:] = act[:, :-1], swap[:, :-1]
        for start, (i, _) in zip(starts, folds, strict=True):
            for row in range(min(rows, k - i)):
                if 0 <= now - start - row < m:
                    act_in[row, 0] = a[now - start - row, i + row]
            for row in range(rows):
                swap_in[row, 0] |= now - start - row == 0
        above = np.vstack([np.zeros((1, cols), int), psum[:-1]])
        effective = np.where(swap_in, shadow, live)
        new_psum, chain = above + act_in * effective, np.vstack([np.zeros((1, cols), int), shadow[:-1]])
        for index, (load, (i, j)) in enumerate(zip(loads, folds, strict=True)):
            late = int(index > 0)  # nothing runs yet while the first weights come in
            shifts = (load + late * (r + c) <= now) & (now < load + late * c + rows)
            for col in range(cols):
                step = now - load - late * col
                if 0 <= step < rows:
                    at = (i + rows - 1 - step, j + col)
                    chain[0, col] = b[at] if at[0] < min(k, i + rows) and at[1] < n else 0
            shadow = np.where(shifts, chain, shadow)
        act, psum, swap, live = act_in, new_psum, swap_in, effective
        for start, (_, j) in zip(starts, folds, strict=True):
            for col in range(cols):
                row = now - start - (rows - 1) - col
                if 0 <= row < m:
                    last = now + 1
                    if col < n - j:
                        out[row, j + col] += psum[-1, col]
    return out, last


@settings(max_examples=60, deadline=None)
@given(SMALL, SMALL, SMALL, st.integers(1, 4), st.integers(1, 4))
def test_registers_of_a_weight_stationary_array_take_these_cycles(m, n, k, rows, cols):
    random = np.random.default_rng(m * 1000 + n * 100 + k)
    a, b = random.integers(-8, 8, (m, k)), random.integers(-8, 8, (k, n))
    product, last = weights_stay(a, b, rows, cols)
    assert (product == a @ b).all()
    assert last == systolic.overlapped(Array(rows, cols, "ws"), m, n, k)


def sums_stay(a: np.ndarray, b: np.ndarray, rows: int, cols: int) -> tuple[np.ndarray, int]:
    """Move the registers of dense reference, 2.3: two accumulators, one drains downwards while the wave fills the other.

    Returns the product and the cycle of the last result, counted from 1 at the first operand.
    """
    (m, k), n = a.shape, b.shape[1]
    folds, each = [(i, j) for j in range(0, n, cols) for i in range(0, m, rows)], max(k, rows)
    held, drain = np.zeros((2, rows, cols), int), np.zeros((rows, cols), int)
    left, above, bank = (np.zeros((rows, cols), int) for _ in range(3))
    out, last = np.zeros((m, n), int), 0
    for now in range((len(folds) + 1) * each + 2 * rows + cols):
        left, above = np.roll(left, 1, axis=1), np.roll(above, 1, axis=0)
        bank, arriving = np.roll(bank, 1, axis=1), np.vstack([np.zeros((1, cols), int), drain[:-1]])
        for row in range(rows):
            fold, step = divmod(now - row, each)
            i = folds[fold][0] if 0 <= fold < len(folds) else m
            left[row, 0] = a[i + row, step] if i + row < m and step < k else 0
            bank[row, 0] = fold % 2
        for col in range(cols):
            fold, step = divmod(now - col, each)
            j = folds[fold][1] if 0 <= fold < len(folds) else n
            above[0, col] = b[step, j + col] if j + col < n and step < k else 0
        filling = bank[None] == np.arange(2)[:, None, None]
        drain = held.sum(axis=0, where=~filling)
        held = np.where(filling, held + left * above, arriving)
        for col in range(cols):
            wave, phase = divmod(now - (rows - 1) - col, each)
            if 1 <= wave <= len(folds) and phase < rows:
                (i, j), row = folds[wave - 1], rows - 1 - phase
                last = now + 1
                if i + row < m and j + col < n:
                    out[i + row, j + col] = drain[-1, col]
    return out, last


@settings(max_examples=60, deadline=None)
@given(SMALL, SMALL, SMALL, st.integers(1, 4), st.integers(1, 4))
def test_registers_of_an_output_stationary_array_take_these_cycles(m, n, k, rows, cols):
    random = np.random.default_rng(m * 1000 + n * 100 + k)
    a, b = random.integers(-8, 8, (m, k)), random.integers(-8, 8, (k, n))
    product, last = sums_stay(a, b, rows, cols)
    assert (product == a @ b).all()
    array = Array(rows, cols, "os")
    waits = max(0, rows - k) if array.folds(m, n, k) == 1 else 0  # a single short fold may flush at once, this one does not
    assert last == systolic.overlapped(array, m, n, k) + waits


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_input_stationary_is_weight_stationary_with_roles_exchanged(m, n, k, rows, cols):
    inputs, weights = Array(rows, cols, "is"), Array(rows, cols, "ws")
    for form in (systolic.plain, systolic.overlapped, systolic.swapped_together):
        assert form(inputs, m, n, k) == form(weights, n, m, k)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 8), st.integers(1, 8))
def test_overlap_saves_and_streams_of_one_length_are_a_special_case(streams, rows, cols):
    array = Array(rows, cols, "ws")
    total = systolic.varied(array, streams)
    assert sum(streams) + rows + rows + cols - 2 <= total <= sum(systolic.tile(array, each) for each in streams)
    m, folds = streams[0], len(streams)
    assert systolic.varied(array, [m] * folds) == systolic.overlapped(array, m, folds * cols, rows)
    assert systolic.overlapped(array, m, folds * cols, rows) <= systolic.swapped_together(array, m, folds * cols, rows)
    assert systolic.swapped_together(array, m, folds * cols, rows) <= systolic.plain(array, m, folds * cols, rows)
    assert systolic.tile(Array(rows, cols, "os"), m) == systolic.accumulate_only(array, m) + rows


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_our_weight_stationary_array_issues_in_these_cycles(m, n, k, rows, cols):
    """ROWS + (F - 1) max(M, ROWS) + M; the ideal array's remaining ROWS + COLS - 2 cycles are its latency."""
    acc, layer = Accelerator("a", OurArray(rows, cols, "ws"), post_lanes=1), Layer.gemm("g", M=m, N=n, K=k)
    whole = Tiling(blocks=-(-n // cols), c_blocks=-(-k // rows), p=1, q=m)
    folds = Array(rows, cols).folds(m, n, k)
    issued = compute_cycles(layer, acc, whole)
    assert issued == rows + (folds - 1) * max(m, rows) + m
    assert issued + rows + cols - 2 == systolic.overlapped(Array(rows, cols), m, n, k)


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_our_output_stationary_array_issues_in_these_cycles(m, n, k, rows, cols):
    """F x K' + ROWS, K' whole words of ROWS terms: K itself where ROWS divides it, ROWS where K is shorter."""
    acc, layer = Accelerator("a", OurArray(rows, cols, "os"), post_lanes=1), Layer.gemm("g", M=m, N=n, K=k)
    whole = Tiling(blocks=-(-n // cols), c_blocks=-(-k // rows), p=1, q=m)
    array = Array(rows, cols, "os")
    folds, terms = array.folds(m, n, k), -(-k // rows) * rows
    issued = compute_cycles(layer, acc, whole)
    assert issued == folds * terms + rows
    if folds > 1 or k >= rows:
        assert issued + rows + cols - 2 == systolic.overlapped(array, m, n, terms)
        assert systolic.overlapped(array, m, n, k) == systolic.overlapped(array, m, n, terms) - folds * (terms - max(k, rows))


def test_a_layer_costs_what_its_gemm_does():
    layer = Layer.conv("conv2", K=256, C=96, H=27, W=27, R=5, S=5, padding=2, G=2, N=1)
    found = systolic.cost(layer, 16, 16)
    assert (found.cycles, found.figures["folds"], found.figures["plain_cycles"]) == (2 * 437_446, 1200, 930_000)
    assert found.levels["sram"]["inputs"]["reads"] == 2 * 6_998_400
    assert found.to_dict()["below_floor"] == []
    assert sum(found.cycles_by_limit.values()) == found.cycles
    assert systolic.cost(layer, 16, 16, overlap="no").cycles == 930_000


@pytest.mark.parametrize(
    ("change", "word"), [({"dataflow": "rs"}, "ws, os, is"), ({"rows": 0}, "0 x 4"), ({"overlap": "x"}, "yes")]
)
def test_wrong_arrays_are_refused(change, word):
    with pytest.raises(SpecError, match=word):
        systolic.cost(Layer.gemm("g", M=2, N=2, K=2), **({"rows": 4, "cols": 4} | change))
