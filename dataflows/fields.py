"""The fields of a layer program of the dense family, each with its width: hardware, compiler and limits use this list."""

from __future__ import annotations

LEVELS = 6
"""Tile loops, level 0 innermost; level 0 is always C."""

MOST_PADDING = 255
"""Rows or columns the sequencer can skip in front of an image."""

COEFFICIENT_BITS = 16
"""What operands of an addition are multiplied by: signed."""

# Name, bits the hardware keeps. Addresses count beats and wrap modulo 2**32; `*_delta_l` is added when tile loop l
# advances and every loop inside it starts over. full/edge: size of all tiles but the last / of the last one.
DENSE_FIELDS: tuple[tuple[str, int], ...] = (
    *((f"extent_{level}", 16) for level in range(LEVELS)),
    *((f"input_delta_{level}", 32) for level in range(LEVELS)),
    *((f"weight_delta_{level}", 32) for level in range(LEVELS)),
    *((f"scale_delta_{level}", 32) for level in range(LEVELS)),
    *((f"output_delta_{level}", 32) for level in range(LEVELS)),
    *((f"y_delta_{level}", 18) for level in range(LEVELS)),
    *((f"x_delta_{level}", 18) for level in range(LEVELS)),
    ("input_base", 32), ("weight_base", 32), ("scale_base", 32), ("output_base", 32),
    ("y_base", 18), ("x_base", 18),
    ("input_relevant", LEVELS), ("weight_relevant", LEVELS), ("scale_relevant", LEVELS),
    ("level_block", 3), ("level_p", 3), ("level_q", 3), ("level_dims", 24),
    ("blocks_full", 9), ("blocks_edge", 9), ("c_full", 16), ("c_edge", 16), ("packed", 9),
    ("p_full", 16), ("p_edge", 16), ("q_full", 16), ("q_edge", 16),
    ("window_h_full", 16), ("window_h_edge", 16), ("window_w_full", 16), ("window_w_edge", 16),
    ("height", 16), ("width", 16), ("input_row_pitch", 32), ("input_plane_pitch", 32),
    ("weight_beats_ff", 24), ("weight_beats_fe", 24), ("weight_beats_ef", 24), ("weight_beats_ee", 24),
    ("scale_beats_full", 18), ("scale_beats_edge", 18),
    ("pixels_ff", 17), ("pixels_fe", 17), ("pixels_ef", 17), ("pixels_ee", 17),
    ("output_row_pitch", 32), ("output_plane_pitch", 32),
    ("tile_pitch", 16), ("tile_plane", 17), ("block_plane", 17),
    ("filter_r", 8), ("filter_s", 8), ("stride_y", 8), ("stride_x", 8), ("dilation_y", 8), ("dilation_x", 8),
    ("stride_y_pitch", 17), ("dilation_y_pitch", 17),
    ("weight_rows", 9), ("group_rows", 9), ("group_lanes", 9),
    ("input_zero", 16), ("output_zero", 16), ("clip_low", 16), ("clip_high", 16),
    ("op", 3), ("other_zero", 16), ("coefficient_0", COEFFICIENT_BITS), ("coefficient_1", COEFFICIENT_BITS),
    ("table", 1), ("rounding", 3),
)  # fmt: skip

_SIGNED = (
    "input_zero", "output_zero", "other_zero", "clip_low", "clip_high", "coefficient_0", "coefficient_1", "y_base", "x_base",
)  # fmt: skip
SIGNED_FIELDS = frozenset(_SIGNED) | {f"{axis}_delta_{level}" for axis in "yx" for level in range(LEVELS)}
