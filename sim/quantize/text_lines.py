"""Images of text lines, upright and upside down, as PP-OCR's direction classifier sees them.

Words are drawn with the font that Pillow carries inside, so the same seed gives the same images wherever its version is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError

SIZE = (48, 192)
"""Rows and columns of the classifier's input."""
CALIBRATION_SEED, TEST_SEED = 1, 2
_WORDS = tuple(
    "Invoice Total Amount Reading Station Harbour Copper Delivery Receipt Quarter Morning Number Village Library Museum Ticket "
    "Platform Engine Signal Bridge Garden Winter Summer Figure Chapter Address Telephone Customer Balance Payment Monday Friday "
    "January August hydrogen pressure velocity quantity density gravity temperature description signature 2024 1987 350 42 17.50 "
    "A4 No.8 kg mm".split()
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class TextLine:
    """A picture of one line.

    Attributes
    ----------
    text : str
    rotated : bool
        Whether it is upside down.
    pixels : (h, w, 3) array of uint8
        Channels in the order B, G, R.
    """

    text: str
    rotated: bool
    pixels: NDArray[np.uint8]

    def network_input(self) -> NDArray[np.float32]:
        """Return what the classifier reads, see `prepared`."""
        return prepared(self.pixels)


def text_lines(count: int, seed: int) -> list[TextLine]:
    """Return lines of two to four words, every other one upside down.

    Size, weight, slant, colours, margins, blur and noise vary.

    Parameters
    ----------
    count : int
    seed : int
        The same seed gives the same lines; `CALIBRATION_SEED` and `TEST_SEED` give different ones.

    Raises
    ------
    SpecError
        Pillow is missing.
    """
    rng = np.random.default_rng(seed)
    return [_line(rng, rotated=bool(index % 2)) for index in range(count)]


def prepared(pixels: NDArray[np.uint8], size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """Resize to the input's height, fill up on the right, normalise: what rapidocr does before its classifier.

    The picture keeps its proportions unless it is too long; ``(x / 255 - 0.5) / 0.5``; the rest of the input is 0, a middle grey.

    Parameters
    ----------
    pixels : (h, w, 3) array of uint8
        Channels in the order B, G, R.
    size : tuple of int
        (H, W) of the input.

    Returns
    -------
    (1, 3, H, W) array of float32

    Raises
    ------
    SpecError
        Another shape or type, or OpenCV (a part of the ``examples`` extra) is missing.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise SpecError("image", f"{pixels.dtype} {pixels.shape}", "uint8 of (h, w, 3)", "convert the image")
    height, most = size
    width = min(math.ceil(height * (pixels.shape[1] / pixels.shape[0])), most)
    opencv = _package("cv2")
    resized = opencv.resize(pixels, (width, height), interpolation=opencv.INTER_LINEAR).astype(np.float32)
    made = np.zeros((1, 3, height, most), np.float32)
    made[0, :, :, :width] = (resized.transpose(2, 0, 1) / 255 - 0.5) / 0.5
    return made


def _line(rng: np.random.Generator, *, rotated: bool) -> TextLine:
    text = " ".join(rng.choice(_WORDS, rng.integers(2, 5)))
    ink, paper = _colours(rng)
    picture = _drawn(
        text, int(rng.integers(22, 56)), int(rng.integers(0, 2)), ink, paper, [int(m) for m in rng.integers(2, 9, 4)]
    )
    picture = picture.transform(
        picture.size, _package("PIL.Image").Transform.AFFINE, (1, float(rng.uniform(-0.15, 0.15)), 0, 0, 1, 0),
        resample=_package("PIL.Image").Resampling.BILINEAR, fillcolor=paper,
    )  # fmt: skip
    blurred = picture.filter(_package("PIL.ImageFilter").GaussianBlur(float(rng.uniform(0, 0.9))))
    noisy = np.asarray(blurred, np.float64) + rng.normal(0, rng.uniform(0, 9), (picture.height, picture.width, 3))
    pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[:, :, ::-1]
    return TextLine(text, rotated, np.ascontiguousarray(pixels[::-1, ::-1] if rotated else pixels))


def _colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return ink and paper; one line in five is light on dark."""
    dark, light = (tuple(int(v) for v in rng.integers(low, high, 3)) for low, high in ((0, 90), (190, 256)))
    return (light, dark) if rng.random() < 0.2 else (dark, light)


def _drawn(text: str, size: int, bold: int, ink: tuple[int, ...], paper: tuple[int, ...], margins: list[int]) -> Any:
    """Return the line in a picture that fits it, as a text detector would cut it out."""
    font = _package("PIL.ImageFont").load_default(size)
    left, top, right, bottom = (math.floor(edge) for edge in font.getbbox(text, stroke_width=bold))
    wide, high = right - left + margins[0] + margins[2], bottom - top + margins[1] + margins[3]
    picture = _package("PIL.Image").new("RGB", (wide, high), paper)
    draw = _package("PIL.ImageDraw").Draw(picture)
    draw.text((margins[0] - left, margins[1] - top), text, fill=ink, font=font, stroke_width=bold, stroke_fill=ink)
    return picture


def _package(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        fix = "install it with: pip install 'systolith[examples]'"
        raise SpecError(name.partition(".")[0], "not installed", "Pillow and OpenCV, for pictures of text", fix) from error


def inputs_of(lines: list[TextLine]) -> Iterator[NDArray[np.float32]]:
    """Yield the network input of each line."""
    yield from (line.network_input() for line in lines)
