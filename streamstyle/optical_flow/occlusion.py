"""Where a flow can be trusted: the pixel was in the image, was not hidden, and looks the same.

Arrays here lie as OpenCV has them, (H, W) and (H, W, 2): that takes a twentieth of the time of torch's
pooling, and the maps are small.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamstyle.optical_flow.warping import warped_pixels

RELATIVE, ABSOLUTE = 0.01, 0.5  # of the forward-backward check: share of the lengths, and square pixels
BRIGHTER = 0.10  # mean difference of a pixel from where it came from, of the full range, that is allowed
ERODED, FEATHERED = 5, 5  # sides in pixels of the windows


def in_bounds(flow: np.ndarray) -> np.ndarray:
    """(H, W) bool: the flow points into the previous frame."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    within: np.ndarray = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return within


def returns(flow: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    """Whether who goes along the flow and back along the reverse flow comes home.

    What is newly exposed has no place in the previous frame: the flow there points to whatever hid it, and
    that goes elsewhere.

    Reference: Sundaram et al. (2010), Dense point trajectories by GPU-accelerated large displacement optical
    flow, equation 5; as used by Ruder et al. (2016), https://arxiv.org/abs/1604.08610, equation 8.

    Args:
        flow: (H, W, 2), from the current frame into the previous one.
        reverse: (H, W, 2), from the previous frame into the current one.

    Returns:
        (H, W) bool.
    """
    back = warped_pixels(reverse, flow)  # the reverse flow where the flow arrives: never added unwarped
    lengths = squared_length(flow) + squared_length(back)
    home: np.ndarray = squared_length(flow + back) < RELATIVE * lengths + ABSOLUTE
    return home


def squared_length(flow: np.ndarray) -> np.ndarray:
    """(H, W, 2) to (H, W)."""
    x, y = cv2.split(flow)
    return x * x + y * y


def looks_alike(current: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels of the current frame that hardly differ from what was carried there.

    Args:
        current, carried: (H, W, 3) uint8.
    """
    off = cv2.transform(cv2.absdiff(current, carried), np.full((1, 3), 1 / 3, np.float32))
    alike: np.ndarray = cv2.blur(off, (3, 3)) < 255 * BRIGHTER
    return alike


def feathered(confidence: np.ndarray) -> np.ndarray:
    """A mask, (H, W) bool, as (H, W) float32 in [0, 1] that is 0 near what is 0, and rises softly.

    Flow is least exact beside what it got wrong (Ruder et al. 2018, https://arxiv.org/abs/1708.04538,
    shrink the mask likewise).
    """
    safe = cv2.erode(confidence.astype(np.uint8), np.ones((ERODED, ERODED), np.uint8))
    soft: np.ndarray = cv2.blur(safe.astype(np.float32), (FEATHERED, FEATHERED)) * confidence
    return soft
