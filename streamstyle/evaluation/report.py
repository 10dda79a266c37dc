"""What was measured, to be looked at."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.evaluation.videos import Evaluation, Shown

HOTTEST = 0.2  # root mean square change along the motion, of the full range, that is shown white
FASTEST = 0.02  # motion as a share of the image's width from which on colors are full
SIDE = 400  # pixels, of each image


def evaluation_sheet(evaluation: Evaluation) -> np.ndarray | None:
    """(H, W, 3) uint8: source, result, flow, mask and error of the frames with the largest errors; or None
    where no frame has one before it."""
    if not evaluation.shown:
        return None
    cells = [cell for shown in evaluation.shown for cell in cells_of(shown)]
    return sheet(cells, len(cells) // len(evaluation.shown), SIDE)


def cells_of(shown: Shown) -> list[Cell]:
    """One row of the sheet."""
    mask = (255 * shown.motion.confidence[0]).byte().numpy()
    return [
        Cell(shown.source, f"frame {shown.frame}"),
        Cell(shown.result, "result"),
        Cell(flow_colors(shown.motion.flow), "motion: hue its direction"),
        Cell(np.repeat(mask[..., None], 3, axis=2), "white: the flow holds"),
        Cell(heat(shown.error), f"change along it, white from {HOTTEST:.0%}"),
    ]


def flow_colors(flow: Tensor) -> np.ndarray:
    """(2, H, W) as (H, W, 3) uint8: the hue is the direction, the fuller the faster, white is still.

    Reference: the color code of Baker et al. (2011), A database and evaluation methodology for optical flow.
    """
    x, y = flow.numpy()
    angle = (np.degrees(np.arctan2(y, x)) % 360) / 2  # OpenCV's hues of bytes go to 180
    speed = np.hypot(x, y) / (FASTEST * x.shape[1])
    hsv = np.stack((angle, 255 * np.minimum(speed, 1), np.full_like(x, 255)), axis=2)
    colors: np.ndarray = cv2.cvtColor(hsv.round().astype(np.uint8), cv2.COLOR_HSV2RGB)
    return colors


def heat(error: np.ndarray) -> np.ndarray:
    """(H, W) mean squares as (H, W, 3) uint8, from black over red and yellow to white."""
    level = np.minimum(np.sqrt(error) / HOTTEST, 1)
    colors: np.ndarray = cv2.applyColorMap((255 * level).astype(np.uint8), cv2.COLORMAP_HOT)
    return np.ascontiguousarray(colors[..., ::-1])
