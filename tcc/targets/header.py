"""The C header of a library: C99 and C++11, every exported name with the library's prefix."""

from __future__ import annotations

from tcc.artifact import Function, Manifest, Symbol
from tcc.targets.c_names import c_parameters, parameters, size_parameters
from tcc.targets.c_text import comment

STATUSES: tuple[tuple[str, str], ...] = (
    ("OK", "success"),
    ("INVALID_ARGUMENT", "a pointer is NULL, or the context is not one"),
    ("INVALID_SHAPE", "a size or shape is not what the signature says"),
    ("INVALID_DTYPE", "a tensor has another element type"),
    ("INVALID_STRIDES", "a tensor is not contiguous"),
    ("INVALID_ALIGNMENT", "a pointer is not aligned for its element type"),
    ("OVERLAP", "an output shares memory with an input or another output"),
    ("INDEX_OUT_OF_RANGE", "an index computed from the inputs is out of range"),
    ("OUT_OF_MEMORY", "no memory, or the caller's workspace is too small"),
    ("INVALID_DEVICE", "a tensor is not in the CPU's memory"),
    ("FILE_ERROR", "a file of weights or state cannot be read or written, or is another one"),
    ("UNSUPPORTED_PROCESSOR", "the processor lacks instructions that the library uses"),
    ("BUSY", "another call uses the same state"),
    ("INTERNAL", "a mistake of the compiler"),
)
"""In the order of their values, which never change."""

ABI_VERSION = 1


def header(manifest: Manifest) -> str:
    """The text of the header."""
    prefix, upper = manifest.prefix, manifest.prefix.upper()
    parts = [
        f"/* The library '{prefix}', compiled by tcc {manifest.version} for {manifest.target}.\n"
        " *\n"
        f" * Functions return {upper}_OK or another status; then {prefix}_last_error() says what was wrong.\n"
        " * They may be called from any number of threads at once. They never abort, throw or print.\n"
        " * Arrays are row-major and contiguous, aligned as their element type; bool is a uint8_t of 0 or 1,\n"
        " * f16 and bf16 are uint16_t, complex is a real and an imaginary part.\n"
        " */",
        f"#ifndef {upper}_H\n#define {upper}_H",
        "#include <stddef.h>\n#include <stdint.h>",
        f"#ifndef {upper}_API\n#define {upper}_API\n#endif",
        '#ifdef __cplusplus\nextern "C" {\n#endif',
        _statuses(prefix, upper),
        _context(prefix),
        _tensor(prefix),
    ]
    if manifest.states:
        parts.append(_state(manifest))
    parts += [_function(f, prefix) for f in manifest.functions]
    parts += [_general(manifest), "#ifdef __cplusplus\n}\n#endif", f"#endif /* {upper}_H */"]
    return "\n\n".join(parts) + "\n"


def _statuses(prefix: str, upper: str) -> str:
    last = len(STATUSES) - 1
    rows = [
        f"    {upper}_{name} = {value}{'' if value == last else ','} /* {meaning} */"
        for value, (name, meaning) in enumerate(STATUSES)
    ]
    return f"typedef enum {prefix}_status {{\n" + "\n".join(rows) + f"\n}} {prefix}_status;"


def _context(prefix: str) -> str:
    return f"""/* A piece begin..end of a parallel loop. Workers that run at the same time have different numbers,
 * from 0 to max_workers - 1. */
typedef void (*{prefix}_body)(void *arg, int64_t begin, int64_t end, int32_t worker);

/* Where the time of one step of a function goes; the manifest lists its steps. */
typedef struct {prefix}_profile {{
    int64_t nanoseconds;
    int64_t runs;
}} {prefix}_profile;

/* What a caller may supply. Set all to zero, then `size` to sizeof({prefix}_context), then what is wanted. */
typedef struct {prefix}_context {{
    size_t size;
    void *workspace;       /* at least *_workspace_size bytes, for one call at a time; NULL: the library's own */
    size_t workspace_size;
    /* Runs body over 0..n in pieces of grain or more, and returns when all are done; NULL: the library's threads. */
    void (*parallel_for)(void *pool, {prefix}_body body, void *arg, int64_t n, int64_t grain, int32_t max_workers);
    void *pool;            /* passed to parallel_for */
    int32_t max_workers;   /* 0: as many as the environment variable TCC_NUM_THREADS says, or processors */
    int32_t reserved;
    void *stream;          /* for devices; NULL */
    {prefix}_profile *profile; /* one for each step, to which the call's times are added; NULL: not measured */
}} {prefix}_context;"""


def _tensor(prefix: str) -> str:
    return f"""/* A tensor as DLPack lays it out; DLTensor itself when dlpack.h is included before this file. */
#ifdef DLPACK_VERSION
#define {prefix.upper()}_DLTENSOR 1
#elif defined(DLPACK_MAJOR_VERSION)
#define {prefix.upper()}_DLTENSOR 1
#endif
#ifdef {prefix.upper()}_DLTENSOR
typedef DLTensor {prefix}_tensor;
#else
typedef struct {prefix}_tensor {{
    void *data;
    struct {{ int32_t device_type; int32_t device_id; }} device; /* type 1: CPU */
    int32_t ndim;
    /* code 0: int, 1: uint, 2: float, 4: bf16, 5: complex, 6: bool */
    struct {{ uint8_t code; uint8_t bits; uint16_t lanes; }} dtype;
    int64_t *shape;
    int64_t *strides;      /* in elements; NULL: contiguous */
    uint64_t byte_offset;
}} {prefix}_tensor;
#endif"""


def _state(manifest: Manifest) -> str:
    prefix = manifest.prefix
    rows = "\n".join(f" *   {s.name}: {s.spelled()}" for s in manifest.states)
    return f"""/* State that lives between calls:
{comment(rows)}
 * One instance serves one call at a time, or several that only read it. */
typedef struct {prefix}_state {prefix}_state;

/* A new instance with the initial values; NULL on failure. */
{prefix.upper()}_API {prefix}_state *{prefix}_new(void);
{prefix.upper()}_API void {prefix}_free({prefix}_state *state);

/* Writes the state to a safetensors file, or reads one that was written so. */
{prefix.upper()}_API {prefix}_status {prefix}_save(const {prefix}_state *state, const char *path);
{prefix.upper()}_API {prefix}_status {prefix}_load({prefix}_state *state, const char *path);"""


def _function(function: Function, prefix: str) -> str:
    names = parameters(function)
    api = f"{prefix.upper()}_API "
    rows = [(n, f"{t}{_source(n, t.name)}") for n, t in zip(names.inputs, function.arguments, strict=True)]
    rows += [(n, _range(n, s)) for n, s in zip(names.sizes, function.symbols, strict=True)]
    rows += [(n, f"{t}, written{_source(n, t.name)}") for n, t in zip(names.outputs, function.results, strict=True)]
    width = max(len(name) for name, _ in rows) if rows else 0
    doc = "".join(f"\n * {line}".rstrip() for line in function.doc.strip().splitlines())
    described = comment(f"{function.described()}{doc}\n" + "\n".join(f" *   {n:{width}}  {text}" for n, text in rows))
    declared = c_parameters(function, prefix)
    plain = ", ".join(declared)
    state = declared[:1] if function.states else []
    tensors = [f"const {prefix}_tensor *const *inputs", f"{prefix}_tensor *const *outputs"]
    context = f"const {prefix}_context *context"
    sizes = size_parameters(function)
    return "\n".join(
        [
            f"/* {described} */",
            f"{api}{prefix}_status {prefix}_{function.name}({plain or 'void'});",
            f"{api}{prefix}_status {prefix}_{function.name}_ctx({', '.join([*declared, context])});",
            f"{api}{prefix}_status {prefix}_{function.name}_dlpack({', '.join([*state, *tensors, context])});",
            "/* Bytes of workspace for a context; negative on failure. */",
            f"{api}int64_t {prefix}_{function.name}_workspace_size({', '.join([*sizes, 'int32_t max_workers'])});",
            "/* Writes the extents of output number `index`. */",
            f"{api}{prefix}_status {prefix}_{function.name}_output_shape("
            f"{', '.join(['int32_t index', *sizes, 'int64_t *shape'])});",
        ]
    )


def _source(name: str, original: str) -> str:
    return "" if name == original else f"  ({original})"


def _range(name: str, symbol: Symbol) -> str:
    bounds = f"{symbol.lower} <= {name}" + (f" <= {symbol.upper}" if symbol.upper is not None else "")
    return f"size, {bounds}{_source(name, symbol.name)}"


def _general(manifest: Manifest) -> str:
    prefix = manifest.prefix
    api = f"{prefix.upper()}_API"
    return f"""/* What was wrong in the last call of this thread that failed; "" when none did. */
{api} const char *{prefix}_last_error(void);
/* {ABI_VERSION} for this header. */
{api} int32_t {prefix}_abi_version(void);
/* The version of the compiler, and the whole description as JSON. */
{api} const char *{prefix}_version(void);
{api} const char *{prefix}_manifest(void);
{_isa(manifest)}
{api} const char *{prefix}_isa(void);
/* Frees the memory and ends the threads that the library keeps for further calls. */
{api} void {prefix}_trim(void);"""


def _isa(manifest: Manifest) -> str:
    if not manifest.tiers:
        return "/* The instruction set compiled for. */"
    *others, best = (tier.name for tier in manifest.tiers)
    return f"""/* The instruction set in use; "" when the processor has none that the library has code for. There is
 * code for {", ".join(others)} and {best}: on its first call the library takes the best that the
 * processor has. The environment variable TCC_ISA lowers that: with {others[-1]}, {best} is not used. */"""
