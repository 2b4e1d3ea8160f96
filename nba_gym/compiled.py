"""Typed decorators around Numba, so that compiled code keeps its Python types for pyright.

Four kinds of compiled function exist in nba_gym:

* ``scalar``: a small pure function of numbers (one equation). It is always inlined into its
  caller, so a loop over customers around it can be vectorised by LLVM. Write it without early
  returns and choose between values with ``a if condition else b``: that becomes a select
  instruction instead of a branch.
* ``stage``: a loop over the customers of a tile (one part of one step).
* ``sequence``: calls stages one after the other, and nothing else.
* ``entry``: a function that Python calls with arrays. It releases the interpreter lock and is
  cached on disk.

``fastmath`` stays off everywhere: no reassociation and no fused multiply-add, so results are the
same to the bit on every IEEE-754 machine. With ``NUMBA_DISABLE_JIT=1`` both run as plain Python,
for coverage and debugging.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from functools import cache, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba import types  # pyright: ignore[reportMissingTypeStubs]
from numba.core import compiler  # pyright: ignore[reportMissingTypeStubs]
from numba.core.typing.npydecl import (  # pyright: ignore[reportMissingTypeStubs]
    parse_dtype,  # pyright: ignore[reportUnknownVariableType]
)
from numba.extending import intrinsic, overload  # pyright: ignore[reportMissingTypeStubs]
from numba.np.arrayobj import (  # pyright: ignore[reportMissingTypeStubs]
    populate_array,  # pyright: ignore[reportUnknownVariableType]
)

_carray = cast(Any, numba).carray
COMPILED: bool = not cast(Any, numba).config.DISABLE_JIT
"""Whether anything is compiled: not with ``NUMBA_DISABLE_JIT=1``."""
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def _weak(constant: Any) -> Any:
    """A literal in the lowest precision that holds it exactly."""
    if type(constant) is not float:
        return constant
    single = np.float32(constant)
    return single if float(single) == constant else np.float64(constant)


def _with_weak_literals(function: F) -> F:
    """The function with literals such as 1.0 or 0.5 that take the precision of what they meet.

    To Numba a literal is double precision, so a single ``1.0 - x`` would turn all that follows into
    it. Literals that single precision holds exactly are therefore stored in it: next to a double
    they are the same number, next to a single they leave it one. Equations stay free of casts and
    run in the precision of what they are given. Other literals (0.1) stay double; where numbers in
    single precision meet one, name it: ``np.float32(0.1)``. Plain Python needs none of this, for
    NumPy takes literals that way.
    """
    if not COMPILED:
        return function
    plain = cast(FunctionType, function)
    code = plain.__code__.replace(co_consts=tuple(map(_weak, plain.__code__.co_consts)))
    copy = FunctionType(
        code, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    return cast(F, update_wrapper(copy, plain))


def scalar(function: F) -> F:
    """Compile a pure function of numbers and inline it into every caller."""
    compile_ = cast(Any, numba).njit(inline="always", error_model="numpy", fastmath=False)
    return cast(F, compile_(_with_weak_literals(function)))


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled equation as plain Python; one without a choice in it takes whole arrays, too."""
    python = getattr(function, "py_func", function)
    return getattr(python, "__wrapped__", python)


class _WithoutAliases(cast(Any, compiler.Compiler)):
    """Numba's own compiler, told that no two array arguments of the function share memory."""

    def __init__(self, *parts: Any) -> None:
        *others, flags, locals_ = parts
        flags = flags.copy()
        flags.noalias = True
        super().__init__(*others, flags, locals_)  # pyright: ignore[reportUnknownMemberType]


def stage(function: F) -> F:
    """Compile a loop over the lanes of a tile, as a function of its own.

    The arrays it is given must not overlap. Then the compiler need not check at every loop whether
    what it writes changes what it reads, and may work on several lanes at a time. Pass the block of
    a need or channel in from outside (``need_block``): cut out inside, it counts as an overlap.
    """
    compile_ = cast(Any, numba).njit(
        error_model="numpy", fastmath=False, pipeline_class=_WithoutAliases
    )
    return cast(F, compile_(_with_weak_literals(function)))


def sequence(function: F) -> F:
    """Copy a function that only calls stages into its caller, so that it costs nothing."""
    compile_ = cast(Any, numba).njit(inline="always", error_model="numpy", fastmath=False)
    return cast(F, compile_(_with_weak_literals(function)))


def single(number: float) -> float:
    """A constant in single precision."""
    return cast(float, np.float32(number))


def by_precision(of_single: Callable[[Any], Any], of_double: Callable[[Any], Any]) -> Any:
    """One function of a number that has a form for each precision.

    Args:
        of_single: What to do with a number in single precision; compiled as ``scalar``.
        of_double: What to do with any other.
    """

    def in_python(x: Any) -> Any:
        return of_single(x) if type(x) is np.float32 else of_double(x)

    def when_compiled(x: Any) -> Any:
        form = of_single if x == types.float32 else of_double

        def chosen(x: Any) -> Any:
            return form(x)

        return chosen

    options = {"forceinline": True, "error_model": "numpy"}
    cast(Any, overload)(in_python, strict=False, jit_options=options)(when_compiled)
    return in_python


def entry(make: Callable[[str], F]) -> F:
    """Compile what ``make`` returns, callable from Python, without the lock, cached on disk.

    Numba's cache looks only at the file of the function itself, not at the files of the functions
    it calls, so an edited equation would go on running in its old form. ``make`` is therefore a
    factory that takes the digest of all compiled sources and mentions it in the function it
    returns: closure variables are part of Numba's cache key.

    Args:
        make: Takes ``source_digest()`` and returns the Python function to compile. The function
            must refer to the digest.
    """
    function = make(source_digest())
    if not COMPILED:  # idle lanes hold zeros, and compiled code divides them silently
        return np.errstate(all="ignore")(function)
    compile_ = cast(Any, numba).njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
    compiled = compile_(function)
    by_numba = compiled.compile

    def load(signature: Any) -> Any:
        return _undisturbed(lambda: by_numba(signature))

    compiled.compile = load
    return cast(F, compiled)


def _undisturbed(work: Callable[[], T]) -> T:
    """Do it where Ctrl-C does not reach: signals come to the main thread only.

    Numba and llvmlite load code under locks of Python's own. Ctrl-C in the midst of it may leave
    one of them locked, and whoever loads code next would wait for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome: list[T] = []
    failure: list[BaseException] = []

    def elsewhere() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            failure.append(error)

    thread = threading.Thread(target=elsewhere, name="compile")
    try:
        thread.start()
    except RuntimeError:  # the system gives no more threads
        return work()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def address_of(function: Any, *arguments: Any) -> Any:
    """Where the machine code of an ``entry`` lies, for arguments like these; see ``call_at``.

    Compiled code may call it there without having it compiled into itself once more.
    """
    if not COMPILED:
        return function
    kinds = tuple(cast(Any, numba).typeof(argument) for argument in arguments)

    def find() -> Any:
        function.compile(kinds)
        made = function.overloads[kinds]
        return made.library.get_pointer_to_function(made.fndesc.llvm_func_name)

    return _undisturbed(find)


@intrinsic
def _call_at(context: Any, address: Any, arguments: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds, convention = list(arguments), context.call_conv
        code = convention.get_function_type(types.void, kinds).as_pointer()
        convention.call_function(
            builder,
            builder.inttoptr(values[0], code),
            types.void,
            kinds,
            [builder.extract_value(values[1], i) for i in range(len(kinds))],
        )
        return context.get_dummy_value()

    return types.void(types.int64, arguments), build


def _call_in_python(function: Any, arguments: Any) -> None:
    function(*arguments)


call_at: Any = _call_at if COMPILED else _call_in_python
"""Call what lies at an ``address_of``, with a tuple of arguments; it must return nothing."""


SLOT = 4
"""Numbers that describe one array on a desk: its address and up to three sizes."""


def _array_on(dimensions: int) -> Any:
    """What finds an array of so many dimensions on a desk; see ``line_on``."""

    def on(context: Any, desk: Any, slot: Any, dtype: Any) -> Any:
        found = types.Array(parse_dtype(dtype), dimensions, "C")

        def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            numbers = context.make_array(desk)(context, builder, values[0]).data
            first = builder.mul(values[1], values[1].type(SLOT))
            at = [builder.add(first, first.type(i)) for i in range(dimensions + 1)]
            address, *shape = [builder.load(builder.gep(numbers, [i])) for i in at]
            array = context.make_array(found)(context, builder)
            itemsize = context.get_constant(types.intp, _size_of(context, found.dtype))
            strides = [itemsize]
            for size in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], size))
            populate_array(
                array,
                data=builder.inttoptr(address, array.data.type),
                shape=shape,
                strides=strides,
                itemsize=itemsize,
                meminfo=None,
            )
            return array._getvalue()

        return found(desk, types.intp, dtype), build

    def on_in_python(desk: Any, slot: int, dtype: Any) -> Any:
        address, *sizes = desk[SLOT * slot : SLOT * slot + dimensions + 1].tolist()
        array = _carray(ctypes.c_void_p(address), tuple(sizes), dtype)
        # fields of a record are attributes in compiled code
        return array.view(np.recarray) if array.dtype.names else array

    return intrinsic(on) if COMPILED else on_in_python


def _size_of(context: Any, dtype: Any) -> int:
    return context.get_abi_sizeof(context.get_data_type(dtype))


line_on, sheet_on, cube_on = _array_on(1), _array_on(2), _array_on(3)
"""The array of one, two or three dimensions that slot ``slot`` of a desk tells of.

A desk is an array of integers: for every array its address and three sizes. ``line_on(desk, slot,
dtype)`` is the array itself; it is not kept alive by this.
"""


@intrinsic
def _fetch_to_write(context: Any, address: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        write, near, data = flag(1), flag(2), flag(1)
        builder.call(function, [builder.inttoptr(values[0], byte), write, near, data])
        return context.get_dummy_value()

    return types.void(types.int64), build


def _fetch_nothing(address: int) -> None:
    """Plain Python leaves memory to itself."""


fetch_to_write: Any = _fetch_to_write if COMPILED else _fetch_nothing
"""Ask for a line of memory that will soon be written; the processor need not listen."""


@intrinsic
def _set_bits(context: Any, word: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return word(word), build


def _set_bits_in_python(word: Any) -> Any:
    return type(word)(int(word).bit_count())


set_bits: Any = _set_bits if COMPILED else _set_bits_in_python
"""Number of set bits in an unsigned word, as a word of the same kind."""


@cache
def source_digest() -> str:
    """SHA-256 over every source file of the package that holds compiled functions."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    folders = ("customer", "records", "engagement", "scenario", "policies", "truth")
    files = [*package.glob("*.py"), *(f for d in folders for f in (package / d).glob("*.py"))]
    for file in sorted(files):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
