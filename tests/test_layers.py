"""The house holds: imports go down only, and heavy or dangerous modules are named in their one place.

Read with `ast` from whatever modules there are, so that a module still to come is bound as well.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [  # highest first; a module may import its own layer and those below
    {"__main__"},
    {"apps"},
    {"batch"},
    {"preview"},
    {"jobs"},
    {"pipeline", "training", "evaluation"},
    {"effects"},
    {"optical_flow", "losses", "styles", "arbitrary_styles", "inference"},
    {"networks", "weights", "device", "cuda_graphs", "transfers", "options"},
    {"keyframes", "contact_sheet", "paintings"},
    {"part_folder"},
    {"images", "image_recognition", "arrays"},
    {"pictures"},
    {"planes_opencv", "planes_torch"},
    {"grids", "constants", "noise"},
    {"frames", "files", "errors", "cores"},
]
APPS = ["cli", "web", "live"]  # highest first, too
EDGES = {"sources", "sinks", "video"}  # beside the layers, built on the lowest of them
MAY_BUILD_EDGES = {
    *("__main__", "apps", "batch", "preview", "jobs", "pipeline", "training", "evaluation", "effects")
}
LOWEST = {"images", "image_recognition", "pictures", "frames", "files", "errors"}
EDGES_MAY_IMPORT = {
    "sources": {"sources", "video"} | LOWEST,
    "sinks": {"sinks", "video"} | LOWEST,
    "video": {"video", "part_folder", "cores"} | LOWEST,
}
THIRD_PARTY = {  # what these may import from elsewhere; "video" may import all but torch
    "sources": {"cv2", "numpy", "PIL"},
    "sinks": {"cv2", "numpy", "PIL", "pyvirtualcam"},
    "images": {"cv2", "numpy", "PIL"},
    "image_recognition": {"PIL"},
    "files": set(),
    "errors": set(),
}
FORBIDDEN_NAMES = {
    *("util", "utils", "helper", "helpers", "manager", "common", "misc"),
    *("core", "engine", "handler", "handlers"),
}
NAME_TORCH_CUDA = {"streamstyle.device", "streamstyle.cuda_graphs", "streamstyle.transfers"}
MAX_LINES = 400


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "streamstyle").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
EVERY_MODULE = pytest.mark.parametrize("module", MODULES)


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes that exist when the program runs: not those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from nodes(child)


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports, anywhere in it; `from a import b` is a.b if that is one."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")
            if module not in MODULES or MODULES[module].name != "__init__.py":
                above = above[:-1]
            start = ".".join(above[: len(above) - node.level + 1]) + "." if node.level else ""
            source = (start + (node.module or "")).rstrip(".")
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source


def third_party(module: str, tree: ast.AST) -> set[str]:
    tops = {name.partition(".")[0] for name in imports(module, tree)}
    return tops - set(sys.stdlib_module_names) - {"streamstyle"}


def house_parts(module: str, tree: ast.AST) -> set[str]:
    """Which parts of the house (second words: "video", "pipeline") a module imports."""
    names = [name.split(".") for name in imports(module, tree)]
    return {name[1] for name in names if name[0] == "streamstyle" and len(name) > 1}


def layer_faults(module: str, tree: ast.AST) -> list[str]:
    """What a module imports against the rule."""
    _, _, below = module.partition(".")
    part = below.partition(".")[0]
    if not part:  # streamstyle/__init__.py
        return sorted(house_parts(module, tree) | third_party(module, tree))
    foreign = third_party(module, tree)
    if part in THIRD_PARTY:
        foreign -= THIRD_PARTY[part]
    else:
        foreign &= {"torch", "torchvision"} if part in EDGES else set()
    if part in EDGES:
        return sorted((house_parts(module, tree) - EDGES_MAY_IMPORT[part]) | foreign)
    level = next((number for number, layer in enumerate(LAYERS) if part in layer), None)
    if level is None:
        return [f"{part} stands in no layer: give it one in tests/test_layers.py"]
    allowed = set().union(*LAYERS[level:]) | (EDGES if part in MAY_BUILD_EDGES else set())
    faults = (house_parts(module, tree) - allowed) | foreign
    if part == "apps" and (app := below.split(".")[1:2]):
        above = {f"streamstyle.apps.{name}" for name in APPS[: APPS.index(app[0])]}
        faults |= {name for name in imports(module, tree) if name.startswith(tuple(above) or ("-",))}
    return sorted(faults)


def names_torch_cuda(tree: ast.AST) -> bool:
    for node in nodes(tree):
        if isinstance(node, ast.Attribute):
            named = {ast.unparse(node)}
        elif isinstance(node, ast.Import):
            named = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named = {f"{node.module}.{alias.name}" for alias in node.names}
        else:
            continue
        if any(f"{name}.".startswith("torch.cuda.") for name in named):
            return True
    return False


def prints(tree: ast.AST) -> list[int]:
    calls = (node for node in nodes(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@EVERY_MODULE
def test_imports_go_down_only(module):
    assert not layer_faults(module, TREES[module])


@pytest.mark.parametrize(
    ("module", "code", "fault"),
    [
        ("streamstyle.effects.dream", "from streamstyle.pipeline import run", "pipeline"),
        ("streamstyle.networks.style_net", "def f():\n    from streamstyle import losses", "losses"),
        ("streamstyle.sources.video", "import torch.nn", "torch"),
        ("streamstyle.sources.video", "import streamstyle.sinks.images", "sinks"),
        ("streamstyle.sinks.video", "from ..sources.images import StillSource", "sources"),
        ("streamstyle.sinks.video", "import av", "av"),
        ("streamstyle.video.opening", "from torch import nn", "torch"),
        ("streamstyle.frames", "from streamstyle.video import opening", "video"),
        ("streamstyle.images", "import torch", "torch"),
        ("streamstyle.images", "from streamstyle.sources import images", "sources"),
        ("streamstyle.files", "import numpy", "numpy"),
        ("streamstyle.files", "from streamstyle import images", "images"),
        ("streamstyle", "import numpy", "numpy"),
        ("streamstyle.apps.live.view", "from streamstyle.apps.web import site", "streamstyle.apps.web"),
        ("streamstyle.things", "import os", "things stands in no layer"),
    ],
)
def test_the_layer_rule_sees_breaches(module, code, fault):
    """The reader itself is tried, for a rule that sees nothing would hold of everything."""
    assert any(found.startswith(fault) for found in layer_faults(module, ast.parse(code)))


def test_the_layer_rule_passes_what_is_allowed():
    code = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nimport cv2, os\n"
    assert not layer_faults("streamstyle.sources.camera", ast.parse(code))
    assert not layer_faults("streamstyle.frames", ast.parse(code))
    assert not layer_faults("streamstyle.pipeline", ast.parse("import torch\nimport streamstyle.sources"))


def test_no_module_imports_itself_by_a_detour():
    graph = {name: set(imports(name, tree)) & set(MODULES) - {name} for name, tree in TREES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@EVERY_MODULE
def test_only_the_video_package_imports_av(module):
    if not module.startswith("streamstyle.video"):
        assert "av" not in third_party(module, TREES[module])


@EVERY_MODULE
def test_few_modules_name_torch_cuda(module):
    assert module in NAME_TORCH_CUDA or not names_torch_cuda(TREES[module])


@pytest.mark.parametrize(
    "code",
    [
        "torch.cuda.is_available()",
        "import torch.cuda",
        "from torch import cuda",
        "from torch.cuda import amp",
    ],
)
def test_every_way_to_name_torch_cuda_is_seen(code):
    assert names_torch_cuda(ast.parse(code))
    assert not names_torch_cuda(ast.parse("from torch import nn\ndevice = 'cuda'\ntensor.is_cuda"))


@EVERY_MODULE
def test_nothing_below_the_command_line_prints(module):
    allowed = module.startswith(("streamstyle.apps.cli", "streamstyle.__main__"))
    assert allowed or not prints(TREES[module])


def test_a_print_is_seen():
    assert prints(ast.parse("def f():\n    print('here')")) == [2]


def test_cv2_is_imported_before_av():
    """In the other order the first cv2.imshow hangs. The package's own file runs before any module of it."""
    order = [
        name for name in imports("streamstyle.video", TREES["streamstyle.video"]) if name in ("cv2", "av")
    ]
    assert order == ["cv2", "av"]
    loaded = modules_loaded_by("streamstyle.video.opening")
    assert loaded.index("cv2") < loaded.index("av")


def modules_loaded_by(module: str) -> list[str]:
    """Names of all modules, in the order of their import, once `module` is imported in a new process."""
    code = f"import sys, {module}; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", ["streamstyle", "streamstyle.apps.cli"])
def test_importing_is_light(module):
    """`streamstyle --help` answers at once, for what is heavy is imported where it is needed."""
    if module not in MODULES:
        pytest.skip(f"{module} is not there yet")
    assert not {"torch", "torchvision", "av", "cv2", "openvino"} & set(modules_loaded_by(module))


@pytest.mark.parametrize("module", ["streamstyle.sources", "streamstyle.sinks"])
def test_sources_and_sinks_do_without_torch(module):
    assert "torch" not in modules_loaded_by(module)


@pytest.mark.parametrize("folder", ["streamstyle", "tests", "benchmarks", "samples"])
def test_files_are_short_and_well_named(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines < MAX_LINES, f"{path.name} has {lines} lines"
        words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
        assert not words & FORBIDDEN_NAMES, f"{path.name}: a name says what it is"


def test_the_modules_were_found():
    assert {"streamstyle", "streamstyle.frames", "streamstyle.sources.images"} <= set(MODULES)
