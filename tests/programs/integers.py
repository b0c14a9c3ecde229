"""Integers and bits: hashes, calendars, quantisation, generators, codes."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()


@PROGRAMS.add(lambda r, n: (r.integers(0, 2**32, n).astype("u4"),), x="u32[n]")
def murmur_finaliser(x):
    """The finaliser of MurmurHash3; products wrap."""
    x = x ^ (x >> 16)
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> 13)
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16), x % 97, (x & 0xFF).astype(np.uint8)


@PROGRAMS.add(lambda r, n: (r.integers(0, 256, (n, 5)).astype("u1"),), x="u8[n, length]")
def fnv1a(x):
    """FNV-1a hashes of byte strings, as a scan over the bytes."""

    def step(h, byte):
        return (h ^ byte.astype(np.uint64)) * np.uint64(1099511628211), None

    start = tcc.full(x.shape[:1], 14695981039346656037, dtype="u64")
    return tcc.scan(step, start, x.T)[0]


@PROGRAMS.add(lambda r, n: (r.integers(1, 2**63, n).astype("u8"),), state="u64[n]")
def xorshift(state):
    """Ten draws of n xorshift64* generators as floats in [0, 1)."""

    def step(s, _):
        s = s ^ (s >> np.uint64(12))
        s = s ^ (s << np.uint64(25))
        s = s ^ (s >> np.uint64(27))
        return s, (s * np.uint64(2685821657736338717) >> np.uint64(11)).astype("f8") * 2.0**-53

    return tcc.scan(step, state, length=10)


@PROGRAMS.add(lambda r, n: (r.integers(0, 256, n).astype("u1"),), data="u8[n]")
def crc32(data):
    """CRC-32 bit by bit: eight steps for a byte, unrolled in a scan."""

    def step(crc, byte):
        crc = crc ^ byte
        for _ in range(8):
            crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(0xEDB88320), crc >> 1)
        return crc, None

    return ~tcc.scan(step, np.uint32(0xFFFFFFFF), data)[0]


@PROGRAMS.add(lambda r, n: (r.integers(0, 2**16, n).astype("u2"),), x="u16[n]")
def bit_tricks(x):
    """Population count, parity, reversal, Gray code, power of two, lowest set bit."""
    c = x - ((x >> 1) & 0x5555)
    c = (c & 0x3333) + ((c >> 2) & 0x3333)
    c = (c + (c >> 4)) & 0x0F0F
    count = (c + (c >> 8)) & 0x1F
    r = ((x >> 1) & 0x5555) | ((x & 0x5555) << 1)
    r = ((r >> 2) & 0x3333) | ((r & 0x3333) << 2)
    r = ((r >> 4) & 0x0F0F) | ((r & 0x0F0F) << 4)
    return count, count & 1, (r >> 8) | (r << 8), x ^ (x >> 1), (x != 0) & ((x & (x - 1)) == 0), x & -x


@PROGRAMS.add(lambda r, n: (r.integers(-800_000, 800_000, n),), day="i64[n]")
def civil_date(day):
    """Year, month, day and weekday of days since 1970 (negative too); Howard Hinnant's algorithm."""
    z = day + 719468
    era = z // 146097
    doe = z % 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = np.where(mp < 10, mp + 3, mp - 9)
    year = yoe + era * 400 + (month <= 2)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return {
        "year": year,
        "month": month.astype("i1"),
        "day": (doy - (153 * mp + 2) // 5 + 1).astype("i1"),
        "weekday": (day + 4) % 7,
        "leap": leap,
    }


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 6)).astype("f4"), r.normal(size=(6, 4)).astype("f4")),
    (1, 2, 9),
    x="f32[n, k]",
    w="f32[k, m]",
)
def int8_product(x, w):
    """A dynamically quantised product: symmetric int8, accumulated in int32."""
    sx = np.maximum(np.abs(x).max(axis=1, keepdims=True), np.float32(1e-9)) / 127
    sw = np.abs(w).max(axis=0) / 127
    qx = np.clip(np.rint(x / sx), -127, 127).astype(np.int8)
    qw = np.clip(np.rint(w / sw), -127, 127).astype(np.int8)
    acc = qx.astype(np.int32) @ qw.astype(np.int32)
    return qx, acc, acc * sx * sw


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n).astype("f4") * 3, np.float32(0.05), np.int32(12)),
    x="f32[n]",
    scale="f32[]",
    zero="i32[]",
)
def uint8_affine(x, scale, zero):
    """Affine quantisation to uint8 and back, and its error."""
    q = np.clip(np.round(x / scale) + zero, 0, 255).astype(np.uint8)
    back = (q.astype(np.int32) - zero).astype(np.float32) * scale
    return q, back, back - x


@PROGRAMS.add(lambda r, n: (r.integers(-100, 100, n), r.integers(1, 20, n)), a="i64[n]", b="i64[n]")
def number_theory(a, b):
    """Euclid's algorithm in lockstep, modular powers, floor and C division."""

    def euclid(carry, _):
        x, y = carry
        return (np.where(y == 0, x, y), np.where(y == 0, 0, x % np.maximum(y, 1))), None

    (g, _), _ = tcc.scan(euclid, (np.abs(a), b), length=12)
    power, base = np.ones_like(b), b
    for bit in (1, 0, 1, 1):
        power = np.where(bit, power * base % 101, power)
        base = base * base % 101
    return g, power, a // b, a % b, np.fmod(a, b), -a // b, np.divmod(a, -b)


@PROGRAMS.add(lambda r, n: (r.integers(0, 4, (n, 8)).astype("u1"),), codes="u8[n, 8]")
def packing(codes):
    """2-bit codes packed eight to a 16-bit word and taken apart again."""
    shifts = 2 * np.arange(8).astype(np.uint16)
    words = np.sum(codes.astype(np.uint16) << shifts, axis=1, dtype=np.uint16)
    return words, ((words[:, None] >> shifts) & np.uint16(3)).astype(np.uint8)


@PROGRAMS.add(lambda r, n: (r.integers(0, 2, (n, 3)).astype(bool),), x="bool[n, 3]")
def truth_tables(x):
    """Majority, parity, implication, any and all, a mask's ranks, selections by bool arithmetic."""
    a, b, c = x[:, 0], x[:, 1], x[:, 2]
    majority = (a & b) | (a & c) | (b & c)
    return (
        majority,
        a ^ b ^ c,
        ~a | b,
        x.any(axis=1),
        x.all(),
        np.cumsum(a),
        a.sum(),
        np.logical_xor(a, c),
        a + b,
        a * c,
        x.argmax(axis=1),
    )


@PROGRAMS.add(
    lambda r, n: (
        r.integers(-128, 128, n).astype("i1"),
        r.integers(0, 256, n).astype("u1"),
        r.integers(-9, 9, n).astype("i4"),
    ),
    a="i8[n]",
    b="u8[n]",
    c="i32[n]",
)
def mixed_widths(a, b, c):
    """Promotion between small integers, wrapping, saturation by clipping, integer means."""
    return (
        a + b,
        a * a,
        b - np.uint8(200),
        c / 2,
        a // 3,
        b.sum(),
        np.clip(a.astype(np.int16) * 2, -128, 127).astype(np.int8),
        np.abs(a),
        -b,
        c**2,
        np.minimum(a, c),
        (a < b),
        np.sign(a),
        a >> 1,
        b << 1,
    )
