"""LLVM text to machine code. The only importer of llvmlite.

Imports neither MLIR nor NumPy: the code-generation worker (`tcc.targets.worker`), which is where the
compiler itself calls this, has to start fast.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

import re
from collections.abc import Sequence

import llvmlite.binding as binding

from tcc.errors import InternalError, UserError
from tcc.targets.float_syntax import rewrite
from tcc.targets.machine import Machine

binding.initialize_all_targets()
binding.initialize_all_asmprinters()


def host() -> Machine:
    """The machine this process runs on, for the target ``native``."""
    features = binding.get_host_cpu_features()
    return Machine(
        triple=binding.get_default_triple(),
        cpu=binding.get_host_cpu_name(),
        features=features.flatten(),
        wide=bool(features.get("avx512f")),
    )


def compile_object(llvm_ir: str, machine: Machine) -> bytes:
    """The position-independent object file of a module in LLVM 24's or 22's text.

    InternalError when the text does not parse, does not verify or uses an intrinsic LLVM has not.
    """
    return compile_outputs(llvm_ir, machine, ("object",))["object"]


def assembly(llvm_ir: str, machine: Machine) -> str:
    """The assembly that `compile_object` would write."""
    return compile_outputs(llvm_ir, machine, ("assembly",))["assembly"].decode()


def compile_outputs(llvm_ir: str, machine: Machine, outputs: Sequence[str]) -> dict[str, bytes]:
    """What is asked for of ``llvm`` (the optimised text), ``assembly`` and ``object``, in one go."""
    target = _target_machine(machine)
    module = _optimised(llvm_ir, machine, target)
    emit = {
        "llvm": lambda: str(module).encode(),
        "assembly": lambda: target.emit_assembly(module.clone()).encode(),
        "object": lambda: target.emit_object(module.clone()),
    }
    return {output: emit[output]() for output in outputs}


class Library:
    """A module compiled into this process, for tests: its code lives as long as this object."""

    def __init__(self, llvm_ir: str, machine: Machine | None = None) -> None:
        machine = machine or host()
        module = _optimised(llvm_ir, machine, _target_machine(machine))
        self._engine = binding.create_mcjit_compiler(module, _target_machine(machine, jit=True))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function, as ctypes takes it. InternalError when there is none."""
        address = self._engine.get_function_address(name)
        if not address:
            raise InternalError(f"no function '{name}' in the compiled module")
        return address


def _target_machine(machine: Machine, jit: bool = False) -> binding.TargetMachine:
    try:
        target = binding.Target.from_triple(machine.triple)
    except RuntimeError as error:
        fix = "see `tcc targets` for what there is"
        raise UserError(f"unknown target triple '{machine.triple}'", why=str(error), fix=fix) from None
    model = "jitdefault" if jit else "default"
    return target.create_target_machine(machine.cpu, machine.features, 3, reloc="pic", codemodel=model, jit=jit)


def _optimised(llvm_ir: str, machine: Machine, target: binding.TargetMachine) -> binding.ModuleRef:
    """The module after LLVM's passes, checked before and after."""
    try:
        # A context of its own frees the module's types and metadata with it.
        module = binding.parse_assembly(_with_attributes(rewrite(llvm_ir), machine), binding.create_context())
        module.triple = machine.triple
        module.data_layout = str(target.target_data)
        module.verify()
    except RuntimeError as error:
        raise InternalError("LLVM refused the generated code", why=f"code generation: {error}") from None
    unknown = [f.name for f in module.functions if f.is_declaration and _is_unknown_intrinsic(f)]
    if unknown:
        raise InternalError("the generated code uses intrinsics that LLVM has not", why=", ".join(unknown))
    # What is left to simplify is inside of functions. More than O1 does there makes no faster code of ours and takes
    # twice the time, but for a GPU, of whose registers it leaves more. Loops are vectorised and unrolled as the
    # schedule wants them: run-time unrolling cost a third of the speed of matrix products.
    level = 2 if machine.architecture == "nvptx64" else 1
    tuning = binding.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.loop_interleaving = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(target, tuning)
    passes = builder.getFunctionPassManager()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module


def _is_unknown_intrinsic(function: binding.ValueRef) -> bool:
    # LLVM gives every intrinsic it knows its attributes when it parses a module.
    return function.name.startswith("llvm.") and not any(b"nounwind" in group for group in function.attributes)


_DEFINE = re.compile(r'^define [^@"]*(?:"[^"]*"[^@"]*)*@(?:"[^"]*"|[-\w$.]+)\(', re.MULTILINE)
_AFTER = re.compile(r"(?: (?:local_)?unnamed_addr)?")


def _with_attributes(text: str, machine: Machine) -> str:
    """The text with one more attribute group on every function that it defines."""
    group = 1 + max((int(n) for n in re.findall(r"#(\d+)", text)), default=-1)
    pieces: list[str] = []
    start = 0
    for match in _DEFINE.finditer(text):
        end = _AFTER.match(text, _closing(text, match.end())).end()  # type: ignore[union-attr]
        pieces += [text[start:end], f" #{group}"]
        start = end
    # Frame pointers outside leaves and unwind tables: profilers and debuggers can walk the stack, hot
    # loops keep the register.
    attributes = ["nounwind", f'"target-cpu"="{machine.cpu}"']
    if machine.architecture != "nvptx64":
        attributes += ["uwtable(sync)", '"frame-pointer"="non-leaf"']
    if machine.features:
        attributes.append(f'"target-features"="{machine.features}"')
    if machine.wide:
        attributes.append('"prefer-vector-width"="512"')
    return "".join(pieces) + text[start:] + f"\nattributes #{group} = {{ {' '.join(attributes)} }}\n"


def _closing(text: str, position: int) -> int:
    """The position after the parenthesis that closes the one before ``position``."""
    depth = 1
    for match in re.compile(r'"[^"]*"|[()]').finditer(text, position):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    raise InternalError("a function header in the generated LLVM text does not end")
