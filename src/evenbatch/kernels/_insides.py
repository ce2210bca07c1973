"""What is built on Numba's insides: how a kernel is linked, and where its machine code is kept.

Importing this fails where a release of Numba has other insides; `_jit` then does without it.
"""

from __future__ import annotations

from typing import Any

from llvmlite.binding import Linkage
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.options import DefaultOptions
from numba.core.typed_passes import NopythonTypeInference

from evenbatch.kernels._folder import cache_folder, source_hash

for _thing, _name in (
    (JITCodeLibrary, "_finalize_final_module"),
    (JITCodeLibrary, "_finalize_dynamic_globals"),
    (JITCodeLibrary, "_optimize_final_module"),
    (JITCodeLibrary, "enable_object_caching"),
    (DefaultOptions, "_nrt"),
):
    if not hasattr(_thing, _name):
        raise ImportError(f"this Numba's {_thing.__name__} has no {_name}")


class Library(JITCodeLibrary):
    """The machine code of a kernel, which calls nobody's copy of a kernel but its own.

    Numba links copies of all callees into a kernel and leaves them exported and weak, so a call
    goes to whichever copy of that name this process has loaded first: another kernel's, compiled
    among other code, with its sums in another order. A kernel just compiled then differed in the
    last bit from the same kernel read from the cache. Here the copies are made private before
    machine code is made of them; what other kernels link is kept as it was.
    """

    def _finalize_final_module(self) -> None:
        module = self._final_module
        defined = [f for f in module.functions if not f.is_declaration]
        own = [f.name for f in defined if f.linkage == Linkage.external]
        copies = [f.name for f in defined if f.linkage == Linkage.linkonce_odr]
        if own and copies:
            self._shared_module = module.clone()
            for name in own:
                self._shared_module.get_function(name).linkage = "linkonce_odr"
            for name in copies:
                module.get_function(name).linkage = "internal"
        super()._finalize_final_module()


class _Part(JITCodeLibrary):
    """The code of a kernel that only kernels call: they link it, and optimize it with their own.

    Numba would optimize it, make machine code of it and so on with each kernel that calls it, once
    for every level of calls: half of the time to compile the engine's loop.
    """

    class _Codegen:
        """The code generator, but for the environment, which only machine code has."""

        def __init__(self, codegen: Any) -> None:
            self._codegen = codegen

        def __getattr__(self, name: str) -> Any:
            return getattr(self._codegen, name)

        def set_env(self, name: str, env: Any) -> None:
            pass

    @property
    def codegen(self) -> Any:
        return self._Codegen(self._codegen)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


def _compiler(library_class: type[JITCodeLibrary]) -> type[CompilerBase]:
    """Numba's compiler, but that its output goes into a library of that class."""

    @register_pass(mutates_CFG=False, analysis_only=False)
    class GiveLibrary(FunctionPass):
        _name = f"give{library_class.__name__}"

        def __init__(self) -> None:
            super().__init__()

        def run_pass(self, state: Any) -> bool:
            library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
            library.__class__ = library_class
            library.enable_object_caching()
            state.library = library
            return True

    class Compiler(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            manager.add_pass_after(GiveLibrary, NopythonTypeInference)
            manager.finalize()
            return [manager]

    return Compiler


WholeCompiler, PartCompiler = _compiler(Library), _compiler(_Part)


def hide(dispatcher: Any) -> None:
    """Keep Python from calling a kernel of the `PartCompiler`, which has no machine code."""

    def add_overload(result: Any) -> None:
        dispatcher.overloads[tuple(result.signature.args)] = result

    def refuse(*args: Any, **words: Any) -> None:
        raise TypeError(
            f"{dispatcher.py_func.__qualname__} is a kernel that kernels call; one that Python "
            "calls is marked @kernel(entry=True)"
        )

    dispatcher.add_overload, dispatcher._compile_for_args = add_overload, refuse


class _Locator(_CacheLocator):
    """Puts a function's cache into `cache_folder()`, under the hash of its sources."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return source_hash(self._py_file)

    def get_disambiguator(self) -> str:
        return f"{self._lineno}-{source_hash(self._py_file)}"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_func, py_file)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class KernelCache(FunctionCache):
    """Numba's own, but for the folder and for when a kept kernel is stale."""

    _impl_class = _CacheImpl
