"""The bundled weights, and the errors for other weights files."""

import hashlib
import json
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from streamstyle import styles, weights
from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.networks import PRETRAINED, Johnson, MobileNet, Pretrained, StyleNet
from streamstyle.weights import weights_files as files
from streamstyle.weights.table import FOLDER


class Trap:
    """Makes a file when it is unpickled, as an attacker's checkpoint would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def small() -> StyleNet:
    torch.manual_seed(0)
    return StyleNet(width=8, depth=8, blocks=1, detail=8).eval()


@pytest.mark.parametrize("name", [*weights.STYLES, "base"])
def test_bundled_weights_are_what_the_table_says(name):
    entry = weights.WEIGHTS[name]
    loaded = styles.load_style(name)
    assert weights.parameters_of(loaded.network) == entry.parameters
    assert entry.path.stat().st_size == entry.bytes < 1_000_000
    assert (loaded.metadata["painting"], loaded.metadata["painter"]) == (entry.painting, entry.painter)
    assert not loaded.network.training


@pytest.mark.parametrize("name", weights.STYLES)
def test_a_bundled_style_says_how_it_was_made(name):
    metadata = styles.load_style(name).metadata
    assert metadata["year"] == str(weights.STYLES[name].year)
    assert len(metadata["painting_sha256"]) == 64
    assert json.loads(metadata["recipe"])["steps"] > 0
    assert "MIT" in metadata["licence"]


def test_every_file_is_in_the_table_and_the_default_is_a_style():
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == set(weights.WEIGHTS)
    assert styles.DEFAULT_STYLE in weights.STYLES


def test_every_style_has_a_model_card():
    cards = (FOLDER / "README.md").read_text()
    assert all(f"## {name}\n" in cards for name in weights.WEIGHTS)


def test_an_unknown_style_is_refused_with_the_known_ones():
    with pytest.raises(
        UsageError, match=r"unknown style 'stary_night' \(did you mean starry_night\?\); known: "
    ):
        styles.load_style("stary_night")


def test_a_changed_bundled_file_is_noticed(tmp_path):
    path = tmp_path / "style.safetensors"
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="is not the file that was shipped"):
        files.check_sha256(path, hashlib.sha256(b"shipped").hexdigest())


def test_what_is_saved_is_loaded(tmp_path, small):
    path = tmp_path / "mine.safetensors"
    styles.save_style(path, small, {"painting": "Mine"})
    loaded = styles.load_style(path)
    assert (loaded.name, loaded.metadata["painting"]) == ("mine", "Mine")
    for key, value in small.state_dict().items():
        torch.testing.assert_close(loaded.network.state_dict()[key], value, atol=1e-3, rtol=1e-3)
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, small):
    with torch.no_grad():
        small.enter.bias[0] = 1e9  # infinite in half precision
    with pytest.raises(ValueError, match=r"not finite: enter\.bias"):
        styles.save_style(tmp_path / "mine.safetensors", small, {})
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_named(tmp_path, small):
    with pytest.raises(OutputError, match=r"absent.mine\.safetensors: cannot be written"):
        styles.save_style(tmp_path / "absent" / "mine.safetensors", small, {})


def test_johnson_in_safetensors_is_loaded(tmp_path):
    styles.save_style(tmp_path / "j.safetensors", Johnson(width=4, blocks=2), {})
    network = styles.load_style(tmp_path / "j.safetensors").network
    assert isinstance(network, Johnson)
    assert (network.width, network.blocks) == (4, 2)


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_of_pytorch_examples_is_loaded(tmp_path, old):
    network = Johnson(width=4, blocks=3).eval()
    state = dict(network.state_dict())
    if old:
        state |= {"in1.running_mean": torch.zeros(4), "in1.running_var": torch.ones(4)}
    torch.save(state, tmp_path / "candy.pth")
    loaded = styles.load_style(tmp_path / "candy.pth")
    image = torch.rand(1, 3, 16, 16)
    assert loaded.name == "candy"
    torch.testing.assert_close(loaded.network(image), network(image))


def test_a_checkpoint_cannot_run_code(tmp_path):
    torch.save({"conv1.conv2d.weight": Trap(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(
        InputError, match=r"evil\.pth: damaged, or not a checkpoint of tensors alone; expected"
    ):
        styles.load_style(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x02]q\x00.", b"a" * 100])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_named_in_one_line(tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.") as caught:
        styles.load_style(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.safetensors: cannot be read: No such file"):
        styles.load_style(tmp_path / "absent.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        styles.load_style(tmp_path / "folder.safetensors")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.truncate(files.LARGEST_FILE + 1)  # sparse: takes no space
    with pytest.raises(InputError, match="expected at most"):
        styles.load_style(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("enter.bias"), r"lacks enter\.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "unknown tensors extra"),
        (lambda state: state.update({"enter.bias": torch.zeros(9)}), r"shape \(9,\), expected \(8,\)"),
        (lambda state: state["enter.bias"].fill_(float("nan")), r"enter\.bias contains values that are not"),
        (lambda state: state.update({"enter.bias": torch.zeros(8, dtype=torch.int64)}), "not finite numbers"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, small, change, message):
    state = {key: value.clone() for key, value in small.state_dict().items()}
    change(state)
    sizes = {"architecture": "style_net", "width": "8", "depth": "8", "blocks": "1", "detail": "8"}
    save_file(state, tmp_path / "odd.safetensors", metadata=sizes)
    with pytest.raises(InputError, match=message):
        styles.load_style(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "architecture ''"),
        ({"architecture": "gan"}, "expected style_net or johnson"),
        ({"architecture": "style_net", "width": "8"}, "not a style network: 'depth'"),
        ({"architecture": "johnson", "width": "99999999", "blocks": "1"}, "expected 1 to 512"),
        ({"architecture": "johnson", "width": "x", "blocks": "1"}, "invalid literal"),
    ],
)
def test_metadata_is_checked_before_anything_is_built(tmp_path, metadata, message):
    save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata=metadata)
    with pytest.raises(InputError, match=message):
        styles.load_style(tmp_path / "odd.safetensors")


def test_the_bundled_features_are_what_the_table_says():
    entry = weights.WEIGHTS["features"]
    network = weights.load_features()
    assert weights.parameters_of(network) == entry.parameters
    assert entry.path.stat().st_size == entry.bytes < 6_000_000


def test_features_come_from_a_file(tmp_path):
    network = MobileNet()
    save_file({key: value.half() for key, value in network.state_dict().items()}, tmp_path / "m.safetensors")
    loaded = weights.load_features(tmp_path / "m.safetensors")
    assert isinstance(loaded, MobileNet)
    assert loaded.get_submodule("3").weight.dtype == torch.float32


def ones_of(name: str) -> dict[str, torch.Tensor]:
    """Tensors with the names and shapes of torchvision's network, without its largest, the head's."""
    with torch.device("meta"):
        state = PRETRAINED[name].build().state_dict()
    return {
        key: torch.ones(value.shape, dtype=torch.half if value.is_floating_point() else value.dtype)
        for key, value in state.items()
        if not key.startswith(("classifier.0", "classifier.3"))
    }


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_known_network_is_recognised_by_its_tensors(name, tmp_path):
    torch.save(ones_of(name), tmp_path / "mine.pth")
    loaded = weights.load_features(tmp_path / "mine.pth")
    assert isinstance(loaded, Pretrained)
    assert loaded.layers == Pretrained(name).layers
    assert all((value == 1).all() for key, value in loaded.state_dict().items() if "num_batches" not in key)


def test_features_by_name_come_from_torchvisions_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(ones_of("squeezenet"), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    assert isinstance(weights.load_features("squeezenet"), Pretrained)


def test_features_that_cannot_be_fetched_say_where_to_put_them(server, tmp_path, monkeypatch):
    url, _ = server
    known = replace(PRETRAINED["vgg16"], url=f"{url}/absent/vgg16-397923af.pth")
    monkeypatch.setitem(PRETRAINED, "vgg16", known)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match=f"put it at {tmp_path}/checkpoints/vgg16-397923af.pth"):
        weights.load_features("vgg16")


def test_features_that_do_not_fit_are_named(tmp_path):
    state = ones_of("squeezenet")
    del state["features.3.squeeze.bias"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(InputError, match=r"less\.pth: lacks features\.3\.squeeze\.bias"):
        weights.load_features(tmp_path / "less.pth")
    state["features.3.squeeze.bias"] = torch.ones(7)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=r"squeeze\.bias has shape \(7,\), expected \(16,\)"):
        weights.load_features(tmp_path / "odd.pth")
    save_file({"other": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not the weights of a known feature network"):
        weights.load_features(tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="known: distilled, vgg16, vgg19"):
        weights.load_features("vgg61")


@pytest.fixture
def server():
    """A local web server that offers b"weights" and counts how often it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404 if "absent" in self.path else 200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"weights")

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=partial(http.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
        thread.join()


HASH = hashlib.sha256(b"weights").hexdigest()


def test_a_file_is_fetched_once(server, tmp_path):
    url, asked = server
    for _ in range(2):
        path = files.fetch(f"{url}/style.safetensors", tmp_path / "fetched", sha256=HASH)
    assert path.read_bytes() == b"weights"
    assert path.parent == tmp_path / "fetched"
    assert asked == ["/style.safetensors"]


def test_the_hash_may_stand_in_the_name(server, tmp_path):
    url, _ = server
    assert files.fetch(f"{url}/vgg-{HASH[:8]}.pth", tmp_path).is_file()


@pytest.mark.parametrize("name", ["style.safetensors", "absent.safetensors"])
def test_what_cannot_be_fetched_leaves_nothing_and_says_where_to_put_it(server, tmp_path, name):
    url, _ = server
    with pytest.raises(InputError, match=f"cannot be downloaded: .*put it at {tmp_path / name}"):
        files.fetch(f"{url}/{name}", tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())
