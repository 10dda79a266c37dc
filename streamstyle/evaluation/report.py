"""A contact sheet of an evaluation's worst frames."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.evaluation.videos import Evaluation, WorstFrame

WHITE_ERROR = 0.2  # root mean square warp error, as a share of the full range, that is shown white
FULL_SPEED = 0.02  # motion, as a share of the image width, that is shown fully saturated
SIDE = 400  # pixels, of each image


def evaluation_sheet(evaluation: Evaluation) -> np.ndarray | None:
    """Source, result, flow, mask and error of the worst frames, (H, W, 3) uint8; None without any pair."""
    if not evaluation.worst:
        return None
    cells = [cell for worst in evaluation.worst for cell in cells_of(worst)]
    return sheet(cells, len(cells) // len(evaluation.worst), SIDE)


def cells_of(worst: WorstFrame) -> list[Cell]:
    """One row of the sheet."""
    mask = (255 * worst.motion.confidence[0]).byte().numpy()
    return [
        Cell(worst.source, f"frame {worst.frame}"),
        Cell(worst.result, "result"),
        Cell(flow_colors(worst.motion.flow), "flow: hue = direction"),
        Cell(np.repeat(mask[..., None], 3, axis=2), "white: flow is reliable"),
        Cell(heat(worst.error), f"warp error, white from {WHITE_ERROR:.0%}"),
    ]


def flow_colors(flow: Tensor) -> np.ndarray:
    """Flow, (2, H, W), as (H, W, 3) uint8: hue = direction, saturation = speed, white = no motion.

    Reference: the color code of Baker et al. (2011), A database and evaluation methodology for optical flow.
    """
    x, y = flow.numpy()
    angle = (np.degrees(np.arctan2(y, x)) % 360) / 2  # OpenCV's 8-bit hues go to 180
    speed = np.hypot(x, y) / (FULL_SPEED * x.shape[1])
    hsv = np.stack((angle, 255 * np.minimum(speed, 1), np.full_like(x, 255)), axis=2)
    colors: np.ndarray = cv2.cvtColor(hsv.round().astype(np.uint8), cv2.COLOR_HSV2RGB)
    return colors


def heat(error: np.ndarray) -> np.ndarray:
    """Squared errors, (H, W), as (H, W, 3) uint8, from black through red and yellow to white."""
    level = np.minimum(np.sqrt(error) / WHITE_ERROR, 1)
    colors: np.ndarray = cv2.applyColorMap((255 * level).astype(np.uint8), cv2.COLORMAP_HOT)
    return np.ascontiguousarray(colors[..., ::-1])
