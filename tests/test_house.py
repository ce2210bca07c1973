"""The house keeps its rules: floors, light imports, sizes, docstrings, how kernels are compiled.

Everything here reads the source as text (`ast`), so a file that nothing imports is checked too.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import evenbatch

ROOT = Path(evenbatch.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}

# The plan of the house is the table in CONTRIBUTING.md: nothing imports upward, nor sideways
# between two parts of one floor.
PLAN = (ROOT.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
FLOORS = {
    folder: int(floor) for floor, folder in re.findall(r"^\| (\d+) \| `(\w+)/` \|", PLAN, re.M)
} | {"_shown": 0, "table_options": 0, "__main__": 10}
TORCH_MAY = {"_shown", "kernels", "norms"}
# Comparing trains by the same protocol as the claims, and reports in the same way.
COMPARING_MAY = TORCH_MAY | {"data", "engine", "store", "protocol", "report"}
MAY_TORCH = {"cli"}
ROOMS = re.findall(
    r"`(\w+)`", PLAN.partition("its rooms, each on those before it:")[2].split("|")[0]
)

# Imported where they are used, in functions: they take from 0.1 to 3 seconds, or may be missing.
HEAVY = {"sklearn", "matplotlib", "pandas", "pyarrow", "torch", "jax", "mnist1d", "onnx", "ray"}

FILE_LINES, CLAIM_LINES = 350, 150
FUNCTION_LINES = 60  # of the body, without the docstring


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(path: Path) -> str:
    """The floor a file stands on: its folder, or its own name beside `__init__.py`."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    """Parts of evenbatch that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the floor"
            parts = (node.module or "").split(".")
            if parts[0] == "evenbatch":
                yield from parts[1:2] or (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "evenbatch":
                    assert len(parts) > 1, f"line {node.lineno}: import a part, not the house"
                    yield parts[1]


def at_import_time(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run when the file is imported: not in functions, nor for type checkers only."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                waiting.extend(node.orelse)
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield node
            waiting.append(node)


def modules(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {alias.name.split(".")[0] for alias in node.names}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def has_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> bool:
    return ast.get_docstring(node) is not None


# ---- floors --------------------------------------------------------------------------------------


def allowed(part: str, other: str) -> bool:
    if other in (part, "__version__"):
        return True
    if part == "torch":
        return other in TORCH_MAY
    if other == "torch":
        return part in MAY_TORCH
    return FLOORS.get(other, 99) < FLOORS[part]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_imports_upward(path: Path) -> None:
    part = part_of(path)
    found = set(imported(TREES[path]))
    if part == "__init__":  # the front door names the floors, and opens them lazily
        assert not [n for n in at_import_time(TREES[path]) if "evenbatch" in modules(n)]
        return
    assert part in FLOORS or part == "torch", f"{part} stands on no floor; give it one in FLOORS"
    more = COMPARING_MAY if name(path).startswith("torch/comparing/") else set()
    wrong = sorted(other for other in found - more if not allowed(part, other))
    assert not wrong, f"{part} is below or beside {', '.join(wrong)}"


def test_the_floor_check_sees_an_upward_import() -> None:
    for text, wrong in (
        ("from evenbatch.engine import Trial", "engine"),
        ("from evenbatch import cli", "cli"),
        ("import evenbatch.report.table", "report"),
        ("def late():\n    from evenbatch.protocol.race import Race", "protocol"),
    ):
        assert list(imported(ast.parse(text))) == [wrong]
        assert not allowed("data", wrong)
        assert not allowed("torch", wrong)
    assert not allowed("norms", "data"), "sideways"
    assert allowed("norms", "kernels")
    assert allowed("torch", "norms")


def test_no_files_import_each_other() -> None:
    """Not in a circle either, wherever in a file the imports stand (those for types do not run)."""
    house = {".".join(("evenbatch", *where(path))): path for path in FILES}
    graph = {
        own: {other for other in files_imported(TREES[path], house) if other != own}
        for own, path in house.items()
        if own != "evenbatch"
    }
    while leaves := [own for own, others in graph.items() if not others & graph.keys()]:
        for own in leaves:
            del graph[own]
    assert not graph, f"a circle among {', '.join(sorted(graph))}"


def where(path: Path) -> tuple[str, ...]:
    """A file's place in the house: the names that lead to it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def files_imported(tree: ast.Module, house: Mapping[str, Path]) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            waiting.append(node)
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in house else node.module for name in names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_torch_stands_on_those_before_it(room: str) -> None:
    above = {f"evenbatch.torch.{other}" for other in ROOMS[ROOMS.index(room) + 1 :]}
    house = {".".join(("evenbatch", *where(path))): path for path in FILES}
    for path in (ROOT / "torch" / room).rglob("*.py"):
        found = {".".join(n.split(".")[:3]) for n in files_imported(TREES[path], house)}
        assert not found & above, f"{name(path)} imports {', '.join(sorted(found & above))}"


def test_every_room_of_torch_is_in_the_plan() -> None:
    assert {path.parent.name for path in (ROOT / "torch").glob("*/__init__.py")} == set(ROOMS)


# ---- light imports -------------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a new process after the statement."""
    code = f"import sys\n{statement}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    return {module.split(".")[0] for module in json.loads(done.stdout)}


def test_importing_evenbatch_imports_nothing_heavy() -> None:
    found = loaded_by("import evenbatch")
    assert "evenbatch" in found
    assert not found & (HEAVY | {"numpy", "numba", "scipy", "rich", "typer"})


def test_importing_the_engine_imports_no_more_than_it_needs() -> None:
    found = loaded_by("import evenbatch.engine, evenbatch.data, evenbatch.norms")
    assert "numba" in found
    assert not found & HEAVY


@pytest.mark.parametrize("path", FILES, ids=name)
def test_heavy_modules_are_imported_in_functions(path: Path) -> None:
    forbidden = HEAVY - ({"torch"} if part_of(path) == "torch" else set())
    if part_of(path) != "kernels":
        forbidden |= {"numba", "llvmlite"}
    for node in at_import_time(TREES[path]):
        wrong = modules(node) & forbidden
        assert not wrong, f"line {node.lineno} imports {wrong} for everyone; do it where it is used"


# ---- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    most = CLAIM_LINES if part_of(path) == "claims" else FILE_LINES
    assert lines <= most, f"{lines} lines; split it along a seam"
    for function in functions(TREES[path]):
        size = body_lines(function)
        assert size <= FUNCTION_LINES, f"{function.name} has {size} lines"


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of what it does: without its arguments and its docstring."""
    body = function.body[1:] if has_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


# ---- names and docstrings ------------------------------------------------------------------------

PACKAGES = sorted(
    ".".join(("evenbatch", *path.relative_to(ROOT).parent.parts))
    for path in FILES
    if path.name == "__init__.py" and part_of(path) != "torch"
)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_file_and_public_definition_has_a_docstring(path: Path) -> None:
    tree = TREES[path]
    if path.name != "__init__.py" or tree.body:
        assert has_docstring(tree), "the file says nothing about itself"
    without = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and not has_docstring(node)
        and "overload" not in [ast.unparse(d) for d in node.decorator_list]
    ]
    assert not without, f"no docstring: {', '.join(without)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_offers_is_there_and_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    offered = getattr(module, "__all__", ())
    assert len(set(offered)) == len(offered), "a name stands twice in __all__"
    for public in offered:
        thing = getattr(module, public)
        if not inspect.isroutine(thing) and not inspect.isclass(thing):
            continue  # a constant or a module
        assert inspect.getdoc(thing), f"{package}.{public} has no docstring"
        assert not inspect.isclass(thing) or thing.__doc__ != thing.__base__.__doc__
        if not inspect.isclass(thing) or getattr(thing, "_is_protocol", False):
            continue  # a protocol says in its file what its members are for
        for member, value in vars(thing).items():
            if inspect.isfunction(value) and not member.startswith("_"):
                text = inspect.getdoc(getattr(thing, member))
                assert text, f"{package}.{public}.{member} has no docstring"


def test_the_front_door_opens_every_name() -> None:
    assert sorted(evenbatch.__all__) == evenbatch.__dir__()
    for public in evenbatch.__all__:
        assert getattr(evenbatch, public) is not None
    with pytest.raises(AttributeError, match="module 'evenbatch' has no attribute 'trian'"):
        evenbatch.trian  # noqa: B018


# ---- kernels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=name)
def test_kernels_are_compiled_in_one_way(path: Path) -> None:
    """By `@kernel`, whose flags keep NaN; never by numba's own decorators or `fastmath=True`."""
    if name(path) == "kernels/_jit.py":
        return
    decorators = {"njit", "jit", "vectorize", "guvectorize", "stencil", "prange", "cfunc"}
    for node in ast.walk(TREES[path]):
        used = set()
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
            used = {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"numba", "nb"}:
            used = {node.attr}
        assert not used & decorators, f"{used & decorators}; use @kernel"
        if isinstance(node, ast.keyword) and node.arg == "fastmath":
            flags = ast.literal_eval(node.value)
            assert flags is not True, f"line {node.value.lineno}: fastmath=True"
            assert not {"fast", "nnan", "ninf"} & set(flags), f"line {node.value.lineno}: {flags}"


def test_only_one_place_compiles() -> None:
    text = (ROOT / "kernels" / "_jit.py").read_text("utf-8")
    assert text.count("njit(") == 2, "the decorator, and the sentence about it"


# The loops of one plane, which batch, group and instance normalization are made of, and those of
# two rows; the references stand beside those that use them.
SHARED_LOOPS = {"planes.py", "row_pairs.py"}
KERNEL_FILES = [
    path
    for path in FILES
    if part_of(path) == "kernels"
    and not path.name.startswith("_")
    and path.name not in SHARED_LOOPS
]


@pytest.mark.parametrize("path", KERNEL_FILES, ids=name)
def test_a_reference_stands_beside_the_kernels_and_never_calls_them(path: Path) -> None:
    """Kernels of arithmetic have a float64 reference in their file, above them."""
    tree = TREES[path]
    kernels = [
        f for f in tree.body
        if isinstance(f, ast.FunctionDef)
        and any(ast.unparse(d).startswith("kernel") for d in f.decorator_list)
    ]  # fmt: skip
    if not kernels:
        return
    references = [
        f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name.startswith("reference")
    ]
    assert references, "no reference"
    assert references[0].lineno < kernels[0].lineno, "the reference comes first"
    names = {f.name for f in kernels}
    for reference in references:
        called = {n.id for n in ast.walk(reference) if isinstance(n, ast.Name)}
        assert not called & names, f"{reference.name} calls {called & names}"
