"""Confidence of optical flow: the pixel was inside the image, was not occluded, and has the same color.

Arrays have OpenCV's layout, (H, W) and (H, W, 2): OpenCV takes a twentieth of the time of torch's pooling,
and the maps are small.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamstyle.optical_flow.warping import warped_pixels

RELATIVE, ABSOLUTE = 0.01, 0.5  # forward-backward tolerance: share of the squared lengths, square pixels
COLOR_TOLERANCE = 0.10  # mean difference between a pixel and its origin, as a share of the full range
ERODED, FEATHERED = 5, 5  # window sides in pixels


def in_bounds(flow: np.ndarray) -> np.ndarray:
    """(H, W) bool: the flow points into the previous frame."""
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    within: np.ndarray = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return within


def flow_consistent(flow: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    """Forward-backward consistency: True where following both flows returns close to the start.

    Newly exposed pixels have no position in the previous frame: their flow points to whatever occluded them,
    and that moves elsewhere.

    Reference: Sundaram et al. (2010), Dense point trajectories by GPU-accelerated large displacement optical
    flow, equation 5; as used by Ruder et al. (2016), https://arxiv.org/abs/1604.08610, equation 8.

    Args:
        flow: (H, W, 2), from the current frame into the previous one.
        reverse: (H, W, 2), from the previous frame into the current one.

    Returns:
        (H, W) bool.
    """
    back = warped_pixels(reverse, flow)  # the reverse flow must be sampled at the end of the flow
    lengths = squared_length(flow) + squared_length(back)
    consistent: np.ndarray = squared_length(flow + back) < RELATIVE * lengths + ABSOLUTE
    return consistent


def squared_length(flow: np.ndarray) -> np.ndarray:
    """Squared length of each vector, (H, W, 2) to (H, W)."""
    x, y = flow[..., 0], flow[..., 1]
    lengths: np.ndarray = x * x + y * y
    return lengths


def color_consistent(current: np.ndarray, warped: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels of the current frame that hardly differ from the warped previous frame.

    Args:
        current, warped: (H, W, 3) uint8.
    """
    difference = cv2.transform(cv2.absdiff(current, warped), np.full((1, 3), 1 / 3, np.float32))
    consistent: np.ndarray = cv2.blur(difference, (3, 3)) < 255 * COLOR_TOLERANCE
    return consistent


def soft_confidence(confidence: np.ndarray) -> np.ndarray:
    """A soft mask, (H, W) float32 in [0, 1], from an (H, W) bool mask: eroded, then blurred.

    Flow is least exact next to where it is wrong (Ruder et al. 2018, https://arxiv.org/abs/1708.04538,
    shrink the mask likewise).
    """
    safe = cv2.erode(confidence.astype(np.uint8), np.ones((ERODED, ERODED), np.uint8))
    soft: np.ndarray = cv2.blur(safe.astype(np.float32), (FEATHERED, FEATHERED)) * confidence
    return soft
