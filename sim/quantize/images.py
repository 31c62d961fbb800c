"""Real images as network inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.errors import SpecError

# Left edge, top edge, side of the square crops used for calibration; all lie left of _TEST.
_CROPS = ((0, 0, 191), (0, 0, 128), (64, 0, 128), (32, 63, 128), (0, 95, 96), (96, 40, 96))
_TEST = (193, 0, 191)


def normalise(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize and normalise as PP-OCR's detector expects: (x / 255 - 0.5) / 0.5, channels in the order B, G, R.

    Parameters
    ----------
    image : (h, w) or (h, w, 3) array of uint8
        Grey, which is repeated in all channels, or R, G, B.
    size : tuple of int
        (H, W); the image is stretched to it.

    Returns
    -------
    (1, 3, H, W) array of float32
        In [-1, 1].

    Raises
    ------
    SpecError
        Another rank or type, or scikit-image is missing.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise SpecError("image", f"{image.dtype} {image.shape}", "uint8 of (h, w) or (h, w, 3)", "convert the image")
    colour = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    resized = _skimage("transform").resize(colour[:, :, ::-1], size, order=1, preserve_range=True, anti_aliasing=True)
    return ((resized / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].astype(np.float32)


def page_images(size: tuple[int, int]) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return calibration images and a test image from scikit-image's scanned page.

    The page is 384 x 191 pixels. Calibration crops of three scales come from its left half, the test image is the right
    half, so no pixel is in both.

    Returns
    -------
    list of (1, 3, H, W) array of float32
    (1, 3, H, W) array of float32
    """
    page = _skimage("data").page()
    cut = [normalise(page[y : y + side, x : x + side], size) for x, y, side in (*_CROPS, _TEST)]
    return cut[:-1], cut[-1]


def _skimage(part: str) -> Any:
    try:
        import skimage.data
        import skimage.transform
    except ImportError as error:
        fix = "install it with: pip install 'systolith[examples]'"
        raise SpecError("scikit-image", "not installed", "the scikit-image package, for images", fix) from error
    return getattr(skimage, part)
