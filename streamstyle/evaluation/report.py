"""Reports of an evaluation: text, JSON, a table, a contact sheet of the worst frames."""

from __future__ import annotations

import csv
import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.errors import OutputError
from streamstyle.evaluation.videos import MEANS, Evaluation, WorstFrame, columns, rows
from streamstyle.frames import Frame
from streamstyle.sinks.images import StillSink

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


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """`summary`, `cuts` and `frames`; unknown values are null."""
    frames = [dict(zip(columns(), map(json_value, row), strict=True)) for row in rows(evaluation)]
    summary = {name: json_value(value) for name, value in evaluation.summary.items()}
    return {"summary": summary, "cuts": evaluation.cuts, "frames": frames}


def json_value(value: object) -> object:
    """A value for JSON, which has no nan."""
    return None if isinstance(value, float) and math.isnan(value) else value


def write_table(path: Path, evaluation: Evaluation) -> None:
    """Write a CSV table with a row per frame.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns())
            writer.writerows(rows(evaluation))
    except OSError as exc:
        raise OutputError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def write_sheet(path: Path, evaluation: Evaluation) -> bool:
    """Writes the contact sheet of the worst frames; False where no two frames follow each other.

    Raises:
        OutputError: it cannot be written.
    """
    pixels = evaluation_sheet(evaluation)
    if pixels is None:
        return False
    with StillSink(path) as sink:
        sink.write(Frame(pixels, 0, Fraction(1)))
    return True


def as_text(evaluation: Evaluation) -> str:
    """A summary for people: mean squared errors as their roots, in units of 1/255."""
    summary = evaluation.summary
    roots = {name: 255 * max(summary[name], 0.0) ** 0.5 for name in MEANS[:2]}
    excess = 255 * max(summary["excess_warp_error"], 0.0) ** 0.5
    style = summary["style_loss"]
    lines = [
        f"frames       {summary['frames']}, cuts before {', '.join(map(str, evaluation.cuts)) or 'none'}",
        f"warp error   {roots['warp_error']:.2f}, source {roots['source_warp_error']:.2f}, "
        f"excess {excess:.2f} (in 1/255, on {summary['reliable']:.0%} of the pixels)",
        f"flicker      {255 * summary['flicker']:.2f} (in 1/255, where the source is static)",
        f"sharpness    {255 * summary['sharpness']:.2f} (in 1/255, of persistent detail)",
        f"drift        luma {255 * summary['drift']:+.2f}, color {255 * summary['color_drift']:.2f} "
        "(in 1/255, first to last tenth)",
    ]
    if not math.isnan(style):
        lines.append(f"style        {style:.3f} from frames stylized on their own (0 = the same)")
    return "\n".join(lines)
