"""The generated C of a library: its tables, and the exported functions that call the compiled entries.

The checks and the call itself are in ``runtime/native``; what is written here is what differs from
one library to the next. It includes the library's own header, so that the compiler compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tcc.artifact import Function, Manifest, Symbol, Tensor, Tier, blob
from tcc.targets.c_names import ELEMENTS, c_parameters, parameters, size_parameters, tier_suffix
from tcc.targets.c_text import comment, literal, literal_lines, size
from tcc.targets.header import ABI_VERSION, STATUSES
from tcc.targets.weights import WeightBlock, state_header

LINE = 64


def glue(manifest: Manifest, block: WeightBlock, header_hash: int) -> str:
    """The text of the glue. ``header_hash`` is that of an external weight file's header."""
    prefix = manifest.prefix
    parts = [
        f"/* The library '{prefix}', compiled by tcc {manifest.version}: tables and exported functions. */",
        f'#define {prefix.upper()}_API __attribute__((visibility("default")))',
        f'#include "{prefix}.h"\n#include "native.h"',
        _same_layout(prefix),
        _library(manifest, block, header_hash),
        *(_function(f, manifest) for f in manifest.functions),
        _general(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _same_layout(prefix: str) -> str:
    checks = [f"(int){prefix.upper()}_{name} == (int)TCC_{name}" for name, _ in STATUSES]
    checks += [f"sizeof({prefix}_profile) == sizeof(tcc_profile)"]
    checks += [f"sizeof({prefix}_context) == sizeof(tcc_context)", f"sizeof({prefix}_tensor) == sizeof(tcc_dltensor)"]
    return "\n".join(f'_Static_assert({check}, "");' for check in checks)


def _table(kind: str, name: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    return f"static const {kind} {name}[] = {{\n" + "\n".join(f"    {row}," for row in rows) + "\n};\n"


def _library(manifest: Manifest, block: WeightBlock, header_hash: int) -> str:
    offset = 0
    states: list[str] = []
    for state in manifest.states:
        count = ELEMENTS[state.dtype].bits // 8 * math.prod(state.shape)
        states.append(f"{{{literal(state.name)}, {count}, {state.offset}, {offset}}}")
        offset += -(-count // LINE) * LINE
    file = manifest.weights.file
    embedded = file is None and block.bytes > 0
    tiers = manifest.tiers or (Tier(manifest.isa, manifest.features),)
    fields = [
        f".name = {literal(manifest.prefix)},",
        f".tiers = {len(tiers)},",
        ".tier_table = tiers,",
        f".weights = {'TCC_NAME(weights)' if embedded else 'NULL'},",
        f".weight_file = {literal(file.name) if file else 'NULL'},",
        f".weight_file_bytes = {file.bytes if file else 0},",
        f".weight_data_offset = {file.data_offset if file else 0},",
        f".weight_header_hash = {header_hash:#x}u,",
        f".messages = {len(manifest.messages)},",
        f".states = {len(states)},",
        f".message_table = {'messages' if manifest.messages else 'NULL'},",
        f".state_table = {'states' if states else 'NULL'},",
        f".state_bytes = {offset},",
        f".state_header = {literal(state_header(manifest.states)) if states else 'NULL'},",
    ]
    return (
        _table("tcc_tier_info", "tiers", [f"{{{literal(t.name)}, {literal(' '.join(t.features))}}}" for t in tiers])
        + _table("char *const", "messages", [literal(m) for m in manifest.messages])
        + _table("tcc_state_tensor", "states", states)
        + ("extern const uint8_t TCC_NAME(weights)[];\n\n" if embedded else "")
        + "const tcc_library_info tcc_library = {\n"
        + "\n".join(f"    {field}" for field in fields)
        + "\n};"
    )


def _function(function: Function, manifest: Manifest) -> str:
    name = function.name
    tensors = [*function.arguments, *function.results]
    symbols = [s.name for s in function.symbols]
    states = [s.name for s in manifest.states]
    shapes = [expression for t in tensors for expression in t.shape]
    parts = [
        f"/* {name} */\n",
        _run(name, manifest),
        _table("tcc_tensor", f"tensors_of_{name}", [_tensor_row(t) for t in tensors]),
        _table("tcc_symbol", f"symbols_of_{name}", [_symbol_row(s) for s in function.symbols]),
        _table("int32_t", f"states_of_{name}", [str(states.index(s)) for s in function.states]),
        f"static int extents_of_{name}(const int64_t *sizes, int64_t *extents) {{\n    int bad = 0;\n"
        + "".join(f"    extents[{i}] = {size(e, symbols)}; /* {comment(e)} */\n" for i, e in enumerate(shapes))
        + "    (void)sizes;\n    (void)extents;\n    return bad;\n}\n",
        f"static int workspace_of_{name}(const int64_t *sizes, int64_t *arena, int64_t *worker) {{\n    int bad = 0;\n"
        f"    *arena = {size(function.workspace, symbols)};\n"
        f"    *worker = {size(function.worker_bytes, symbols)};\n    (void)sizes;\n    return bad;\n}}\n",
        _solver(function, symbols),
        f"static void entry_sizes_of_{name}(const int64_t *sizes, int64_t *ordered) {{\n"
        + "".join(f"    ordered[{i}] = sizes[{symbols.index(s)}];\n" for i, s in enumerate(function.entry_symbols))
        + "    (void)sizes;\n    (void)ordered;\n}\n",
        _function_table(function, manifest, len(shapes)),
        _exported(function, manifest.prefix, len(shapes)),
    ]
    return "\n".join(p for p in parts if p)


_ENTRY = "void *const *arguments, const int64_t *sizes, const uint8_t *weights,\n    uint8_t *workspace, "


def _run(name: str, manifest: Manifest) -> str:
    """The declaration of the compiled entry; with several, the choice of the one for the tier in use."""
    entries = [
        f"{manifest.prefix}__{name}{suffix}__run"
        for suffix in [f"__{tier_suffix(t.name)}" for t in manifest.tiers] or [""]
    ]
    declared = "".join(f"int32_t {e}({_ENTRY}const tcc_parallel *parallel);\n" for e in entries)
    if not manifest.tiers:
        profiled = f"int32_t {manifest.prefix}__{name}__profile("
        return f"{declared}{profiled}{_ENTRY}const tcc_parallel *parallel,\n    const tcc_profiler *profiler);\n"
    return f"""{declared}
static int32_t run_of_{name}({_ENTRY}const tcc_parallel *parallel) {{
    static const tcc_entry entries[] = {{{", ".join(entries)}}};
    return entries[__atomic_load_n(&tcc_tier, __ATOMIC_RELAXED)](arguments, sizes, weights, workspace, parallel);
}}
"""


def _tensor_row(tensor: Tensor) -> str:
    element = ELEMENTS[tensor.dtype]
    return (
        f"{{{literal(tensor.name)}, {literal(tensor.dtype)}, {literal(', '.join(tensor.shape))}, "
        f"{element.code}, {element.bits}, {element.alignment}, {len(tensor.shape)}}}"
    )


def _symbol_row(symbol: Symbol) -> str:
    return f"{{{literal(symbol.name)}, {symbol.lower}, {'INT64_MAX' if symbol.upper is None else symbol.upper}}}"


def _solver(function: Function, symbols: list[str]) -> str:
    lines: list[str] = []
    for solve in function.solves:
        extent = f"shapes[{solve.argument}][{solve.axis}]"
        if (solve.coefficient, solve.offset) != ("1", "0"):
            extent = (
                f"tcc_floor_divide(&bad, tcc_subtract(&bad, {extent}, {size(solve.offset, symbols)}), "
                f"{size(solve.coefficient, symbols)})"
            )
        lines.append(f"    sizes[{symbols.index(solve.symbol)}] = {extent}; /* {comment(solve.symbol)} */\n")
    return (
        f"static void solve_{function.name}(const int64_t *const *shapes, int64_t *sizes) {{\n    int bad = 0;\n"
        + "".join(lines)
        + "    (void)bad;\n    (void)shapes;\n    (void)sizes;\n}\n"
    )


def _function_table(function: Function, manifest: Manifest, extents: int) -> str:
    name = function.name
    fields = [
        f".name = {literal(name)},",
        f".inputs = {len(function.arguments)},",
        f".outputs = {len(function.results)},",
        f".symbols = {len(function.symbols)},",
        f".states = {len(function.states)},",
        f".extent_count = {extents},",
        f".writes_states = {int(bool(function.writes))},",
        f".parallel = {int(function.parallel)},",
        f".tensors = {f'tensors_of_{name}' if function.arguments or function.results else 'NULL'},",
        f".symbol_table = {f'symbols_of_{name}' if function.symbols else 'NULL'},",
        f".state_table = {f'states_of_{name}' if function.states else 'NULL'},",
        f".extents = extents_of_{name},",
        f".workspace = workspace_of_{name},",
        f".solve = solve_{name},",
        f".entry_sizes = entry_sizes_of_{name},",
        f".run = {f'run_of_{name}' if manifest.tiers else f'{manifest.prefix}__{name}__run'},",
        f".profiled = {f'{manifest.prefix}__{name}__profile' if function.steps else 'NULL'},",
    ]
    return f"static const tcc_function function_{name} = {{\n" + "\n".join(f"    {f}" for f in fields) + "\n};\n"


def _exported(function: Function, prefix: str, extents: int) -> str:
    name = f"{prefix}_{function.name}"
    names = parameters(function)
    count = len(function.arguments) + len(function.results)
    declared = c_parameters(function, prefix)
    state = declared[:1] if function.states else []
    state_argument = "(tcc_state *)(uintptr_t)state" if function.states else "NULL"
    pointers = [f"(void *)(uintptr_t){n}" for n in (*names.inputs, *names.outputs)] + ["NULL"] * len(function.states)
    sizes = ", ".join(names.sizes) or "0"
    passed = ", ".join((["state"] if function.states else []) + [*names.inputs, *names.sizes, *names.outputs, "NULL"])
    scratch = (
        f"    int64_t bytes[{max(count, 1)}], extents[{max(extents, 1)}], ordered[{max(len(function.symbols), 1)}];\n"
    )
    context = f"const {prefix}_context *context"
    tensors = [f"const {prefix}_tensor *const *inputs", f"{prefix}_tensor *const *outputs"]
    return f"""{prefix}_status {name}_ctx({", ".join([*declared, context])}) {{
    void *arguments[] = {{{", ".join(pointers) or "NULL"}}};
    int64_t sizes[] = {{{sizes}}};
{scratch}    const tcc_scratch scratch = {{arguments, bytes, extents, sizes, ordered, NULL}};
    return ({prefix}_status)tcc_call(&function_{function.name}, &scratch, {state_argument},
        (const tcc_context *)context);
}}

{prefix}_status {name}({", ".join(declared) or "void"}) {{
    return {name}_ctx({passed});
}}

{prefix}_status {name}_dlpack({", ".join([*state, *tensors, context])}) {{
    void *arguments[{max(count + len(function.states), 1)}] = {{NULL}};
    const int64_t *shapes[{max(count, 1)}];
    int64_t sizes[{max(len(function.symbols), 1)}] = {{0}};
{scratch}    const tcc_scratch scratch = {{arguments, bytes, extents, sizes, ordered, shapes}};
    return ({prefix}_status)tcc_call_dlpack(&function_{function.name}, &scratch, (const tcc_dltensor *const *)inputs,
        (const tcc_dltensor *const *)outputs, {state_argument}, (const tcc_context *)context);
}}

int64_t {name}_workspace_size({", ".join([*size_parameters(function), "int32_t max_workers"])}) {{
    const int64_t sizes[] = {{{sizes}}};
    return tcc_workspace_bytes(&function_{function.name}, sizes, max_workers);
}}

{prefix}_status {name}_output_shape({", ".join(["int32_t index", *size_parameters(function), "int64_t *shape"])}) {{
    const int64_t sizes[] = {{{sizes}}};
    int64_t extents[{max(extents, 1)}];
    return ({prefix}_status)tcc_output_shape(&function_{function.name}, sizes, extents, index, shape);
}}"""


def _general(manifest: Manifest) -> str:
    prefix = manifest.prefix
    data, json_offset = blob(manifest)
    text = f"""__attribute__((used)) static const char manifest[] =
{literal_lines(data)};

const char *{prefix}_last_error(void) {{
    return tcc_error_text();
}}

int32_t {prefix}_abi_version(void) {{
    return {ABI_VERSION};
}}

const char *{prefix}_version(void) {{
    return {literal(manifest.version)};
}}

const char *{prefix}_isa(void) {{
    return tcc_isa();
}}

const char *{prefix}_manifest(void) {{
    return manifest + {json_offset};
}}

void {prefix}_trim(void) {{
    tcc_arena_trim();
    tcc_pool_trim();
}}"""
    if not manifest.states:
        return text
    return f"""{text}

{prefix}_state *{prefix}_new(void) {{
    return ({prefix}_state *)tcc_state_new();
}}

void {prefix}_free({prefix}_state *state) {{
    tcc_state_free((tcc_state *)state);
}}

{prefix}_status {prefix}_save(const {prefix}_state *state, const char *path) {{
    return ({prefix}_status)tcc_state_save((tcc_state *)(uintptr_t)state, path);
}}

{prefix}_status {prefix}_load({prefix}_state *state, const char *path) {{
    return ({prefix}_status)tcc_state_load((tcc_state *)state, path);
}}"""
