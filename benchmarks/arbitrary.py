"""How well networks predicted for paintings stylize, on painters that the predictor has not seen.

    python benchmarks/arbitrary.py PAINTINGS PHOTOS JUDGE [--most 120] [--train 6]

PAINTINGS and PHOTOS are the folders of the training; what it holds out is used. JUDGE has the weights of
VGG-16. In its eyes (relu1_2, 2_2, 3_3, 4_3) the style loss is that of `streamstyle/losses.py`, of all
photographs together; with `--gram` it is the squared distance of Gram matrices (Gatys et al. 2016), each
layer divided by its mean square on the painting, which depends mostly on brightness and contrast. The
content loss is `losses.content_loss` at relu3_3.

For each painting: the share of the way in style loss from the photograph to the painting; and the rank of its
own painting among all, by the style loss of the result. The last lines are medians, the 10th percentile, and
the shares of paintings found first and among five.

trained_networks.json, beside this program, has the losses of networks that were trained for single paintings
(STEPS from the base, some 12 minutes of a core each). For these paintings: the share of the way from the
photograph to the trained network, and how many are under- (below 0.5) and over-painted (content loss above
1.25 times its). `--train N` first trains networks for N more paintings, and adds their losses.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from streamstyle.arbitrary_styles import predicted_network
from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import download, low_precision, name_of
from streamstyle.losses import content_loss
from streamstyle.networks import FeatureNetwork, StyleNetwork
from streamstyle.networks.style_predictor import Moments, raw_moments
from streamstyle.paintings import read_painting
from streamstyle.styles import load_style
from streamstyle.training import Recipe, TrainingJob, train
from streamstyle.training.data import photograph_files, read_rgb, split, to_tensor
from streamstyle.training.prediction import HELD_BACK
from streamstyle.training.prediction_data import painter_of
from streamstyle.training.prediction_loss import style_difference
from streamstyle.training.prediction_recipe import read_prediction_recipe
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT = "relu3_3"
SIDE = 256  # pixels, shorter side of the photographs
COUNT = 3  # photographs
UNDER, OVER = 0.5, 1.25
STEPS = 3500  # five minutes on two cores with AVX-512
LOSSES = Path(__file__).with_name("trained_networks.json")


class Judge:
    """VGG-16, and what it sees of images.

    Args:
        features: the network.
        gram: compare Gram matrices instead of what a training compares.
    """

    def __init__(self, features: FeatureNetwork, gram: bool = False) -> None:
        self.features, self.gram = features.requires_grad_(False), gram

    @torch.no_grad()
    def features_of(self, image: Tensor) -> dict[str, Tensor]:
        with low_precision(image.device):
            found = self.features(image, LAYERS)
        return {name: value.float() for name, value in found.items()}

    def style_of(self, images: Sequence[Tensor]) -> Moments:
        """The moments of the features of all pixels of the images."""
        found = [
            {f"0/{name}": raw_moments(value) for name, value in self.features_of(image).items()}
            for image in images
        ]
        return {name: torch.stack([each[name] for each in found]).mean(dim=0) for name in found[0]}

    def style_loss(self, found: Moments, wanted: Moments) -> float:
        """Distance to a painting: 0 = its style, about 1 = an image without any."""
        if not self.gram:
            return float(style_difference(found, wanted, 0, LAYERS))
        pairs = [(found[f"0/{layer}"], wanted[f"0/{layer}"]) for layer in LAYERS]
        terms = [(own - its)[..., 1:].square().mean() / its[..., 1:].square().mean() for own, its in pairs]
        return float(torch.stack(terms).mean())


@torch.no_grad()
def stylized(network: StyleNetwork, photos: Sequence[Tensor]) -> list[Tensor]:
    return [network(photo) for photo in photos]


def content(judge: Judge, images: Sequence[Tensor], photos: Sequence[Tensor]) -> float:
    losses = [
        content_loss(judge.features_of(image), judge.features_of(photo), {CONTENT: 1.0}).item()
        for image, photo in zip(images, photos, strict=True)
    ]
    return float(np.mean(losses))


def read_photos(folder: Path, count: int) -> list[Tensor]:
    """Held-out photographs, (1, 3, H, W) with sides that are multiples of 8."""
    photos = []
    for path in split(photograph_files(folder), HELD_BACK)[1][:count]:
        image = to_tensor(read_rgb(path))
        scale = SIDE / min(image.shape[-2:])
        size = [max(round(side * scale / 8) * 8, 16) for side in image.shape[-2:]]
        photos.append(F.interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1))
    return photos


def read_losses() -> dict[str, dict[str, float]]:
    """The style and content losses of trained networks, by the name of the painting's file."""
    found: dict[str, dict[str, float]] = json.loads(LOSSES.read_text()) if LOSSES.exists() else {}
    return found


def train_networks(options: argparse.Namespace, files: Sequence[Path], judge: Judge) -> None:
    """Trains networks for paintings that have none, painters in turn, and writes down their losses."""
    photos, painters = read_photos(options.photos, COUNT), [painter_of(path) for path in files]
    turns = [painters[:number].count(painter) for number, painter in enumerate(painters)]
    order = [files[number] for number in np.argsort(turns, kind="stable")]
    for path in [path for path in order if path.stem not in read_losses()][: options.train]:
        output = options.networks / f"{path.stem}.safetensors"
        if not output.exists():
            options.networks.mkdir(parents=True, exist_ok=True)
            job = TrainingJob(painting=str(path), photos=str(options.photos), start="base", device="cpu")
            train(job, output, Recipe(steps=STEPS))
        results = stylized(load_style(output).network, photos)
        style = judge.style_loss(judge.style_of(results), judge.style_of([read_painting(path)]))
        losses = {"style": round(style, 4), "content": round(content(judge, results, photos), 4)}
        known = dict(sorted({**read_losses(), path.stem: losses}.items()))
        LOSSES.write_text(json.dumps(known, indent=1) + "\n")


def write_sheet(path: Path, paintings: Sequence[Path], photos: Sequence[Tensor]) -> None:
    """Photographs at the top, then a row for each painting: itself, and the photographs in its style."""
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    cells = [Cell(blank, ""), *(Cell(download(photo[0]), "photograph") for photo in photos)]
    for painting in paintings:
        image = read_painting(painting)
        cells.append(Cell(download(image[0]), painting.stem))
        results = stylized(predicted_network(image), photos)
        cells += [Cell(download(result[0]), "") for result in results]
    Image.fromarray(sheet(cells, len(photos) + 1, side=SIDE)).save(path)


def report(name: str, values: Sequence[float]) -> None:
    print(f"{name}_median: {np.median(values):.3f}")
    print(f"{name}_10th_percentile: {np.percentile(values, 10):.3f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paintings", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("judge", type=Path)
    parser.add_argument("--recipe", type=Path, default=ROOT / "configs" / "prediction" / "cpu.toml")
    parser.add_argument("--most", type=int, default=120, help="number of paintings")
    parser.add_argument("--train", type=int, default=0, help="for how many more networks are trained")
    parser.add_argument("--networks", type=Path, default=Path("networks"), help="folder of these networks")
    parser.add_argument("--gram", action="store_true", help="compare Gram matrices")
    parser.add_argument("--sheet", type=Path, help="image to write, of 12 paintings and 5 photographs")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    print(name_of(torch.device("cpu")))
    held_out = read_prediction_recipe(options.recipe).held_out
    files = [path for path in photograph_files(options.paintings) if painter_of(path) in held_out]
    files = [files[number * len(files) // options.most] for number in range(min(options.most, len(files)))]
    if options.sheet:
        chosen = [files[number * len(files) // 12] for number in range(12)]
        write_sheet(options.sheet, chosen, read_photos(options.photos, 5))
    judge, photos = Judge(load_features(options.judge), options.gram), read_photos(options.photos, COUNT)
    if options.train:
        train_networks(options, files, judge)
    plain, trained = judge.style_of(photos), {} if options.gram else read_losses()
    wanted = [judge.style_of([read_painting(path)]) for path in files]
    ways, ranks, shares, contents = [], [], [], []
    for number, path in enumerate(files):
        results = stylized(predicted_network(read_painting(path)), photos)
        found = judge.style_of(results)
        losses = [judge.style_loss(found, each) for each in wanted]
        before = judge.style_loss(plain, wanted[number])
        ways.append(1 - losses[number] / before)
        ranks.append(sum(loss < losses[number] for loss in losses))
        line = f"{path.stem}: photograph {before:.3f}, predicted {losses[number]:.3f}, rank {ranks[-1] + 1}"
        if path.stem in trained:
            after = trained[path.stem]["style"]
            shares.append((before - losses[number]) / (before - after))
            contents.append(content(judge, results, photos) / trained[path.stem]["content"])
            line += f", trained {after:.3f}, share {shares[-1]:.3f}, content {contents[-1]:.2f} of its"
        print(line, flush=True)
    report("way_to_the_painting", ways)
    print(f"found_first: {np.mean(np.array(ranks) == 0):.3f}")
    print(f"found_among_five: {np.mean(np.array(ranks) < 5):.3f}")
    if shares:
        print(f"trained: {len(shares)}")
        report("share_of_the_trained", shares)
        print(f"under_painted: {np.mean(np.array(shares) < UNDER):.3f}")
        print(f"over_painted: {np.mean(np.array(contents) > OVER):.3f}")


if __name__ == "__main__":
    main()
