"""LLVM 24's text read by LLVM 22, and the attributes that every function gets."""

from __future__ import annotations

import ctypes
import itertools
import math
import struct
from fractions import Fraction

import pytest

from tcc.lowering.mlir import ir, translate
from tcc.targets.float_syntax import rewrite
from tcc.targets.llvm import Library, assembly, compile_outputs
from tcc.targets.machine import Machine

V3 = Machine("x86_64-unknown-linux-gnu", "x86-64-v3")

# MLIR's type, LLVM's type, integer of its width, exponent bits, mantissa bits.
FORMATS = [
    ("f16", "half", 16, 5, 10),
    ("bf16", "bfloat", 16, 8, 7),
    ("f32", "float", 32, 8, 23),
    ("f64", "double", 64, 11, 52),
]


def patterns(width: int, exponent: int, mantissa: int) -> list[int]:
    """Bit patterns of all classes and corners of a format."""
    top = (1 << exponent) - 1
    fields = [0, 1, 2, top // 2 - 1, top // 2, top // 2 + 1, top - 1, top]
    fractions = [
        0,
        1,
        2,
        3,
        5,
        (1 << mantissa) - 1,
        1 << (mantissa - 1),
        (1 << (mantissa - 1)) + 1,
        0x155555 % (1 << mantissa),
    ]
    fractions += [(i * 0x9E3779B97F4A7C15) % (1 << mantissa) for i in range(1, 12)]
    return [s << (width - 1) | e << mantissa | f for s, e, f in itertools.product((0, 1), fields, fractions)]


@pytest.mark.parametrize(("mlir", "name", "width", "exponent", "mantissa"), FORMATS, ids=lambda v: str(v))
def test_all_constants_keep_their_bits(mlir, name, width, exponent, mantissa):
    """Constants written by the MLIR bindings arrive in memory with the bits they had."""
    all_bits = patterns(width, exponent, mantissa)
    stores = "\n".join(
        f"%c{i} = llvm.mlir.constant(0x{bits:0{width // 4}X} : {mlir}) : {mlir}\n"
        f"%p{i} = llvm.getelementptr %p[{i}] : (!llvm.ptr) -> !llvm.ptr, i{width}\n"
        f"llvm.store %c{i}, %p{i} : {mlir}, !llvm.ptr"
        for i, bits in enumerate(all_bits)
    )
    with ir.Context():
        module = ir.Module.parse(f"llvm.func @f(%p: !llvm.ptr) {{\n{stores}\nllvm.return\n}}")
        text = translate(module.operation)
    memory = (ctypes.c_uint8 * (len(all_bits) * width // 8))()
    library = Library(text)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(library.address("f"))(ctypes.addressof(memory))
    found = struct.unpack(f"<{len(all_bits)}{ {16: 'H', 32: 'I', 64: 'Q'}[width] }", memory)
    assert [hex(b) for b in found] == [hex(b) for b in all_bits]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%1 = fadd float %0, f0x3FB8AA3B", "%1 = fadd float %0, 0x3FF7154760000000"),
        ("ret double +inf", "ret double 0x7FF0000000000000"),
        ("ret float -qnan", "ret float 0xFFF8000000000000"),
        ("ret half +nan(0x1)", "ret half 0xH7E01"),
        ("ret bfloat +snan(0x1)", "ret bfloat 0xR7F81"),
        ("ret float 1.000000e-01", "ret float 0x3FB99999A0000000"),
        (
            "%1 = phi double [ +inf, %a ], [ 1.0, %b ]",
            "%1 = phi double [ 0x7FF0000000000000, %a ], [ 0x3FF0000000000000, %b ]",
        ),
        ("call void @f(float -inf, double +inf)", "call void @f(float 0xFFF0000000000000, double 0x7FF0000000000000)"),
        ("<2 x float> <float 1.5, float +inf>", "<2 x float> <float 0x3FF8000000000000, float 0x7FF0000000000000>"),
        # Strings, names and numbers that are no float constants stay.
        ('@s = constant [9 x i8] c"x = +inf\\00"', '@s = constant [9 x i8] c"x = +inf\\00"'),
        ('!1 = !DIFile(filename: "float 1.5", directory: ".")', '!1 = !DIFile(filename: "float 1.5", directory: ".")'),
        ("%f0x12 = fneg float %a-inf", "%f0x12 = fneg float %a-inf"),
        ('source_filename = "a 1.5 b"', 'source_filename = "a 1.5 b"'),
    ],
)
def test_rewriting(before, after):
    assert rewrite(before) == after


def test_decimals_are_rounded_once():
    """Halfway cases that two roundings, over a double, would get wrong."""
    middle = Fraction(1) + Fraction(1, 1 << 24)
    for nudge, bits in (
        (Fraction(1, 1 << 80), 0x3F800001),
        (-Fraction(1, 1 << 80), 0x3F800000),
        (Fraction(0), 0x3F800000),
    ):
        exact = middle + nudge
        digits = f"{exact.numerator * 10**80 // exact.denominator:0>81}"
        line = rewrite(f"ret float {digits[:-80]}.{digits[-80:]}")
        (double,) = struct.unpack("<d", int(line.split("0x")[1], 16).to_bytes(8, "little"))
        assert struct.unpack("<I", struct.pack("<f", double))[0] == bits


@pytest.mark.parametrize("value", [1e-45, 1.4e-45, 3.4028235e38, 3.5e38, 1e-46, 0.0, 1.17549435e-38])
def test_decimals_at_the_ends_of_the_range(value):
    line = rewrite(f"ret float {value:.20e}")
    (double,) = struct.unpack("<d", int(line.split("0x")[1], 16).to_bytes(8, "little"))
    expected = ctypes.c_float(value).value
    assert double == expected or (math.isinf(double) and math.isinf(expected))


def test_every_function_gets_the_machine_and_unwind_tables():
    text = """
define internal { float, ptr } @"odd (name)"(float %x, ptr align 8 dereferenceable(8) %p) unnamed_addr #0 {
  %r = insertvalue { float, ptr } undef, float %x, 0
  ret { float, ptr } %r
}
define float @g(float %x) !dbg !4 {
  %r = call { float, ptr } @"odd (name)"(float %x, ptr null)
  %y = extractvalue { float, ptr } %r, 0
  ret float %y
}
attributes #0 = { noinline }
!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!3}
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !2, emissionKind: LineTablesOnly)
!2 = !DIFile(filename: "model.py", directory: ".")
!3 = !{i32 2, !"Debug Info Version", i32 3}
!4 = distinct !DISubprogram(name: "g", file: !2, line: 1, type: !5, unit: !1, spFlags: DISPFlagDefinition)
!5 = !DISubroutineType(types: !6)
!6 = !{}
"""
    optimised = compile_outputs(text, V3, ("llvm",))["llvm"].decode()
    groups = [line for line in optimised.splitlines() if line.startswith("attributes #")]
    assert groups
    for group in groups:
        assert '"target-cpu"="x86-64-v3"' in group
        assert "uwtable(sync)" in group
        assert "nounwind" in group
    assert any("noinline" in group for group in groups)
    assert ".cfi_startproc" in assembly(text, V3)


def test_loops_stay_as_they_are():
    """Neither unrolled nor vectorised: the schedule has decided that."""
    text = """
define void @scale(ptr noalias %x, ptr noalias %y, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr float, ptr %x, i64 %i
  %q = getelementptr float, ptr %y, i64 %i
  %v = load float, ptr %p
  %w = fmul float %v, 3.0
  store float %w, ptr %q
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""
    made = assembly(text, V3)
    assert made.count("vmulss") == 1
    assert "vmulps" not in made


def test_fma_is_not_made_up():
    """A product and a sum stay two roundings where the machine could fuse them."""
    text = """
define float @f(float %a, float %b, float %c) {
  %p = fmul float %a, %b
  %s = fadd float %p, %c
  ret float %s
}
"""
    assert "vfmadd" not in assembly(text, V3)
