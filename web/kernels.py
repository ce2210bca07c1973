"""Compiles the engine's kernels to WebAssembly, so that a page trains with the code Python does.

    python web/kernels.py            write kernels-float32.wasm, kernels-float64.wasm, kernels.json
                                     and the lesson's data sets (`web/data.py`) into the package, if
                                     they are missing or old
    python web/kernels.py FOLDER     write them there
    python web/kernels.py --wants    name the packages to install before, if any are missing

Numba lowers the kernels for a processor without features, whose registers are WebAssembly's; their
IR is kept as Numba writes it, before any pass of LLVM, so nothing of this machine is in it. All
that an entry calls is linked to one module, LLVM optimizes that for wasm32 with simd128, and
wasm-ld makes the file of it. It imports nothing, neither Python nor a C library, and takes no
memory of its own: where Numba's loop copies the operands of large products, this one reads them
where they lie, which gives the same bits.

An entry takes a table of 64-bit words. An array is four of them: its address and up to three
sizes; a number is one. kernels.json has their order and types, and what the whole numbers in them
mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PINNED = {"numba": "0.68.1", "llvmlite": "0.50.0", "ziglang": "0.17.1"}
"""What it is built with. It stands on Numba's insides, and other versions give other bytes."""
WEB = Path(__file__).resolve().parent
PACKAGE = WEB.parent / "src" / "evenbatch"
SHIPPED = PACKAGE / "lesson" / "wasm"
STAMP = SHIPPED / ".built"
TYPES = ("float32", "float64")
DATA = ("cookies", "digits", "stories")
MODULES = tuple(f"kernels-{name}.wasm" for name in TYPES)
FILES = (*MODULES, "kernels.json", *(f"{name}.bin.gz" for name in DATA))
TRIPLE = "wasm32-unknown-unknown"
SIMD = "+simd128,+bulk-memory,+bulk-memory-opt,+sign-ext,+nontrapping-fptoint,+mutable-globals"
WORDS = 4  # of an array in a table
STACK = 131072
PLAIN = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_OPT": "0",  # machine code for this machine is thrown away
    "EVENBATCH_CACHE_DIR": "off",  # what comes from the cache has no IR
    "PYTHONHASHSEED": "0",
}


class BuildError(RuntimeError):
    """The kernels cannot be built; the message says what is missing."""


def stamp() -> str:
    """A hash of everything the modules are built from."""
    sources = [WEB / "kernels.py", WEB / "draws.py", WEB / "data.py", PACKAGE / "data/digits.npz"]
    for room in ("kernels", "engine", "data"):
        sources += sorted((PACKAGE / room).rglob("*.py"))
    digest = hashlib.sha256()
    for path in sources:
        name = path.relative_to(WEB.parent).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def up_to_date() -> bool:
    """True if the package has modules that were built from these very sources."""
    there = STAMP.is_file() and all((SHIPPED / name).is_file() for name in FILES)
    return there and STAMP.read_text() == stamp()


def wants() -> list[str]:
    """The packages that must be installed before, as pip takes them."""
    found = []
    for package, wanted in PINNED.items():
        try:
            there = version(package)
        except PackageNotFoundError:
            there = ""
        if there != wanted:
            found.append(f"{package}=={wanted}")
    return found


def build(folder: Path) -> None:
    """Write `FILES` into the folder.

    Raises:
        BuildError: a tool is missing or of another version, or failed.
    """
    if missing := wants():
        raise BuildError(f"the kernels need other tools: pip install {' '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--here", str(folder)]
    done = subprocess.run(command, env=os.environ | PLAIN, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} ended with {done.returncode}; see above")


# ---- in a process of its own ---------------------------------------------------------------------


def capture() -> None:
    """Keep the IR of every library that Numba makes from now on."""
    from numba.core import cgutils, codegen

    add = codegen.CPUCodeLibrary.add_ir_module

    def keeping(self: Any, module: Any) -> None:
        self.__dict__.setdefault("kept", []).append(cgutils.normalize_ir_text(str(module)))
        add(self, module)

    codegen.CPUCodeLibrary.add_ir_module = keeping


def without_copies() -> None:
    """Make large products as small ones are."""
    import numpy as np

    from evenbatch.kernels._jit import kernel
    from evenbatch.kernels.engine import matmul

    tiled = matmul._tiled

    @kernel
    def by_tiles(a, a0, a_row, b, b0, out, o0, rows, cols, depth, transposed):
        if transposed:
            tiled(a, b, out, a0, np.int64(1), a_row, b0, cols, o0, cols, rows, cols, depth)
        else:
            tiled(a, b, out, a0, a_row, np.int64(1), b0, cols, o0, cols, rows, cols, depth)

    matmul._packed = by_tiles


def without_convolutions() -> None:
    """A page has no networks with convolutions, so their operations do nothing."""
    from evenbatch.engine import convolving
    from evenbatch.kernels._jit import kernel

    @kernel
    def forward(ops, slopes, i, theta, ws, examples, eps):
        pass

    @kernel
    def backward(ops, slopes, i, theta, grad, ws, examples, d, dx, scratch):
        return False

    convolving.forward, convolving.backward = forward, backward


def entries(name: str) -> dict[str, tuple[Any, list[Any], list[str]]]:
    """By export: its kernel, the types of its arguments and their names."""
    import draws
    from numba import types

    from evenbatch.engine import layout, loop

    kinds = {"own": getattr(types, name), "int64": types.int64, "float64": types.float64,
             "float32": types.float32}  # fmt: skip
    groups = [
        types.NamedTuple(
            [types.Array(kinds[kind], n, "C") for _, kind, n in layout.arrays(group)], group
        )
        for group in layout.GROUPS
    ]
    i8 = types.int64
    found = {
        "advance": (
            loop.advance, [*groups, i8], [*(g.__name__.lower() for g in layout.GROUPS), "until"],
        ),
        "shuffle": (
            loop.shuffle, [i8[::1], i8, i8, i8], ["order", "seed_low", "seed_high", "epoch"],
        ),
    }  # fmt: skip
    if name == "float32":  # weights are drawn in float64, whatever the type they are rounded to
        real = types.float64[::1]
        found["draw"] = (
            draws.draw, [types.uint64[::1], i8, real, real], ["state", "normal", "scale", "out"],
        )  # fmt: skip
    return found


def arguments(kinds: list[Any], names: list[str]) -> Iterator[tuple[str, Any]]:
    """(name, type) of each array and number, groups taken apart."""
    from numba import types

    for kind, name in zip(kinds, names, strict=True):
        if isinstance(kind, types.NamedTuple):
            for field, inner in zip(kind.fields, kind.types, strict=True):
                yield f"{name}.{field}", inner
        else:
            yield name, kind


def shim(export: str, function: str, kinds: list[Any]) -> str:
    """`i32 export(ptr table)`: calls the function with what Numba makes of the table's entries."""
    from numba import types

    lines: list[str] = []
    passed: list[str] = []
    at = 0

    def word(k: int) -> str:
        lines.append(f"  %p{k} = getelementptr i64, ptr %table, i32 {k}")
        lines.append(f"  %w{k} = load i64, ptr %p{k}, align 8")
        return f"%w{k}"

    for n, kind in enumerate(kinds):
        if not isinstance(kind, types.Array):
            passed.append(f"i64 {word(at)}")
            at += 1
            continue
        size = kind.dtype.bitwidth // 8
        lines.append(f"  %a{n} = inttoptr i64 {word(at)} to ptr")
        shape = [word(at + 1 + k) for k in range(kind.ndim)]
        strides, step = [], str(size)
        for k in range(kind.ndim - 1, -1, -1):
            strides.insert(0, step)
            lines.append(f"  %s{n}.{k} = mul i64 {step}, {shape[k]}")
            step = f"%s{n}.{k}"
        lines.append(f"  %n{n} = udiv i64 {step}, {size}")
        passed += ["ptr null", "ptr null", f"i64 %n{n}", f"i64 {size}", f"ptr %a{n}"]
        passed += [f"i64 {x}" for x in (*shape, *strides)]
        at += WORDS
    taken = ", ".join(argument.split()[0] for argument in passed)
    body = "\n".join(lines)
    return f"""
declare i32 @"{function}"(ptr, ptr, {taken})
define i32 @{export}(ptr %table) {{
  %result = alloca i64, align 8
  %error = alloca ptr, align 8
{body}
  %status = call i32 @"{function}"(ptr %result, ptr %error, {", ".join(passed)})
  ret i32 %status
}}
"""


# Numba calls the C library's; WebAssembly has an instruction.
ROOTS = """
declare double @llvm.sqrt.f64(double)
declare float @llvm.sqrt.f32(float)
define double @sqrt(double %x) alwaysinline {
  %y = call double @llvm.sqrt.f64(double %x)
  ret double %y
}
define float @sqrtf(float %x) alwaysinline {
  %y = call float @llvm.sqrt.f32(float %x)
  ret float %y
}
"""


def libraries(root: Any, found: list[Any]) -> list[Any]:
    """The library and all it links, callees first, each once, after those `found` before."""
    if root not in found:
        for other in root._linking_libraries:
            libraries(other, found)
        found.append(root)
    return found


def linked(roots: list[Any], extra: str, target: str) -> Any:
    """One module of everything that the compiled entries need."""
    import llvmlite.binding as llvm

    whole = llvm.parse_assembly(target)
    every: list[Any] = []
    for root in roots:
        libraries(root, every)
    for text in [*(text for library in every for text in getattr(library, "kept", ())), extra]:
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = whole.triple, whole.data_layout
        defined = {f.name for f in whole.functions if not f.is_declaration}
        for function in module.functions:
            if not function.is_declaration and function.name in defined:
                function.linkage = "linkonce_odr"
        whole.link_in(module)
    # Slots for environments, which only wrappers for Python fill: wasm has no common symbols.
    text = re.sub(r"^(@\S+ = )common ", r"\1internal ", str(whole), flags=re.MULTILINE)
    return llvm.parse_assembly(text)


def compiled(name: str) -> bytes:
    """The object file of the entries, for trials of that precision."""
    import llvmlite.binding as llvm

    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu="generic", features=SIMD, opt=3, reloc="static"
    )
    target = f'target triple = "{TRIPLE}"\ntarget datalayout = "{machine.target_data}"\n'
    roots, extra, exports = [], ROOTS, entries(name)
    for export, (kernel, kinds, names) in exports.items():
        kernel.compile(tuple(kinds))
        result = kernel.overloads[tuple(kinds)]
        roots.append(result.library)
        flat = [kind for _, kind in arguments(kinds, names)]
        extra += shim(export, result.fndesc.llvm_func_name, flat)
    module = linked(roots, extra, target)
    for function in module.functions:
        if not function.is_declaration and function.name not in exports:
            # Not "internal": called once, a loop would be inlined, and kernels are slower so. What
            # nobody calls goes all the same.
            function.linkage = "linkonce_odr"
    optimize(module, machine)
    outside = [f.name for f in module.functions if f.is_declaration and "llvm." not in f.name]
    if outside:
        raise BuildError(f"kernels call what WebAssembly has not: {', '.join(outside)}")
    return bytes(machine.emit_object(module))


def optimize(module: Any, machine: Any) -> None:
    """LLVM's -O3, and nothing left that is not called."""
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    for full in (False, True):
        manager = llvm.create_new_module_pass_manager()
        manager.add_global_dead_code_eliminate_pass()
        if full:
            builder.getModulePassManager().run(module, builder)
            manager.add_strip_symbols_pass()
        manager.run(module, builder)


def link(code: bytes, out: Path, exports: list[str]) -> None:
    """Make the module of the object file."""
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder) / "kernels.o"
        objects.write_bytes(code)
        done = subprocess.run(
            [
                sys.executable, "-m", "ziglang", "wasm-ld", str(objects), "-o", str(out),
                "--no-entry", "--strip-all", "--gc-sections", "-O2", "--stack-first",
                "-z", f"stack-size={STACK}", "--export=__heap_base",
                *(f"--export={export}" for export in exports),
            ],
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise BuildError(f"wasm-ld ended with {done.returncode}; see above")


def described() -> dict[str, Any]:
    """What whoever calls the module must know, as data."""
    import draws

    from evenbatch.engine import landscape, layout, operations, state, tape, trial
    from evenbatch.kernels import _lanes
    from evenbatch.kernels.engine import dense, losses, recurrence

    return {
        "engine": trial.ENGINE_VERSION,
        "words": WORDS,
        "tables": {
            export: [
                [name, str(getattr(kind, "dtype", kind)), getattr(kind, "ndim", 0)]
                for name, kind in arguments(kinds, names)
            ]
            for export, (_, kinds, names) in entries("float32").items()
        },
        "codes": {e.__name__: {m.name: int(m) for m in e} for e in layout.ENUMERATIONS},
        "optimizers": list(trial.OPTIMIZERS),
        "activations": operations.ACTIVATIONS,
        "sharing": {
            name: getattr(recurrence, name) for name in ("CLEAR", "ADD", "FINISH", "ONLY_SUM")
        },
        "constants": {
            "PAD": _lanes.PAD,
            "EVALUATION_ROWS": state.EVALUATION_ROWS,
            "KEPT_BYTES": tape.KEPT_BYTES,
            "LOGIT_PADDING": losses.LOGIT_PADDING,
            "LEAKY_SLOPE": dense.LEAKY_SLOPE,
            "DRIFT_KEYS": operations.DRIFT_KEYS,
            "LANDSCAPE_STEPS": list(landscape.LANDSCAPE_STEPS),
            **{name: getattr(draws, name) for name in ("KEY", "PLACE", "STATE")},
        },
    }


def build_here(folder: Path) -> None:
    """What `build` does, in a process that has `PLAIN` in its environment."""
    sys.path[:0] = [str(WEB), str(PACKAGE.parent)]  # what they are stamped with
    import llvmlite.binding as llvm

    import data
    from evenbatch.data.errors import DataError

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    capture()
    without_copies()
    without_convolutions()
    for name in TYPES:
        code = compiled(name)
        link(code, folder / f"kernels-{name}.wasm", list(entries(name)))
    text = json.dumps(described(), indent=1, ensure_ascii=False) + "\n"
    (folder / "kernels.json").write_text(text, "utf-8")
    data.write(folder, DATA)
    with contextlib.suppress(DataError):  # its generator may not be installed
        data.write(folder, ["mnist1d"])


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["--here", folder]:
                build_here(Path(folder))
            case ["--wants"]:
                sys.stdout.write("" if up_to_date() else " ".join(wants()))
            case [folder]:
                build(Path(folder))
            case _ if up_to_date():
                sys.stdout.write("The kernels are up to date.\n")
            case _:
                build(SHIPPED)
                STAMP.write_text(stamp())
                sys.stdout.write("The kernels are built.\n")
    except BuildError as error:
        sys.exit(f"web/kernels.py: {error}")
