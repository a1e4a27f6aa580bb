"""Helpers that wait inside compiled code: a loop of 50 microseconds can be shared, which Python threads cannot.

A crew is an array of int64 words. Its helpers are Python threads that never come back from `serve`: they look for an
open job, join it if there is a seat left, and sleep on a semaphore when none has come for a while. One job runs at a
time; whoever finds the crew busy works alone.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from diffuseconv._jit.atomic import add, claim, publish, published, swap

WORDS = 32
BUSY, DISMISSED, LAYOUT = 0, 1, 2  # words of a crew, and more on another cache line
SEATS, INSIDE, SLEEPERS, FUNCTION, ARGUMENTS = 8, 9, 10, 11, 12
SEMAPHORE = 16  # where its 32 bytes begin
LOOKS = 1 << 16  # for work before going to sleep: about 0.1 milliseconds
VERSION = zlib.crc32(Path(__file__).read_bytes())  # of this file: compiled loops are kept that know another one

_semaphore_wait = types.ExternalFunction("sem_wait", types.int32(types.uintp))
_semaphore_post = types.ExternalFunction("sem_post", types.int32(types.uintp))
_give_way = types.ExternalFunction("sched_yield", types.int32())
_semaphore_init = types.ExternalFunction("sem_init", types.int32(types.uintp, types.int32, types.uint32))


@intrinsic
def _address(typing, words, index):
    """Return the address of a word."""

    def generate(context, builder, signature, values):
        place = builder.gep(context.make_array(words)(context, builder, values[0]).data, [values[1]])
        return builder.ptrtoint(place, ir.IntType(64))

    return types.uintp(words, types.intp), generate


@intrinsic
def _call(typing, function, arguments):
    """Call the function at an address with the address of its arguments."""

    def generate(context, builder, signature, values):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@njit(nogil=True, cache=True)
def found(crew):
    """Set the semaphore up; say whether the system has any."""
    return _semaphore_init(_address(crew, SEMAPHORE), 0, 0) == 0


@njit(nogil=True, cache=True)
def rouse(crew):
    """Wake all who sleep."""
    for _ in range(swap(crew, SLEEPERS, 0)):
        _semaphore_post(_address(crew, SEMAPHORE))


@njit(nogil=True, cache=True)
def serve(crew):
    """Join one job after the other until the crew is dismissed (it never is, but compiled functions have an end)."""
    looks = 0
    while published(crew, DISMISSED) == 0:
        looks += 1
        if published(crew, SEATS) > 0:
            add(crew, INSIDE, 1)  # before taking a seat: who closes the job sees either the seat left or us inside
            if add(crew, SEATS, -1) > 0:
                _call(published(crew, FUNCTION), published(crew, ARGUMENTS))
            add(crew, INSIDE, -1)
            looks = 0
        elif looks > LOOKS:
            add(crew, SLEEPERS, 1)
            if published(crew, SEATS) <= 0:  # a job that was opened meanwhile has not seen us
                _semaphore_wait(_address(crew, SEMAPHORE))
            looks = 0


@njit(nogil=True, cache=True)
def give_way():
    """Let other threads have the processor."""
    _give_way()


def shared(function):
    """Make a compiled ``share(crew, seats, arguments)`` that calls ``function(*arguments)``.

    It does so here and, if the crew is free, in as many helpers as find one of the `seats` before the work is done. The
    function must share its work out by itself and raise nothing, so that it may not even allocate.
    """

    @intrinsic
    def packed(typing, arguments):
        """Keep arguments on the stack; give the addresses of a function that takes them there, and of themselves."""
        called = types.Dispatcher(function).get_call_type(typing, arguments.types, {})

        def generate(context, builder, signature, values):
            word = ir.IntType(64)
            kept = cgutils.alloca_once_value(builder, values[0])
            name = builder.module.get_unique_name("job")
            job = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [word]), name)
            job.linkage = "internal"
            inner = ir.IRBuilder(job.append_basic_block())
            given = cgutils.unpack_tuple(inner, inner.load(inner.inttoptr(job.args[0], kept.type)))
            compiled = function.get_compile_result(called)
            context.active_code_library.add_linking_library(compiled.library)
            context.call_internal_no_propagate(inner, compiled.fndesc, called, given)
            inner.ret_void()
            addresses = [builder.ptrtoint(each, word) for each in (job, kept)]
            return context.make_tuple(builder, signature.return_type, addresses)

        return types.UniTuple(types.int64, 2)(arguments), generate

    @njit(nogil=True)
    def share(crew, seats, arguments):
        if seats > 0 and crew[LAYOUT] == VERSION and claim(crew, BUSY):
            job, kept = packed(arguments)
            publish(crew, FUNCTION, job)
            publish(crew, ARGUMENTS, kept)
            publish(crew, SEATS, seats)
            rouse(crew)
            function(*arguments)
            swap(crew, SEATS, 0)
            looks = 0
            while published(crew, INSIDE) > 0:
                looks += 1
                if looks > LOOKS:
                    _give_way()
            publish(crew, BUSY, 0)
        else:
            function(*arguments)

    return share
