"""onnxruntime and OpenVINO, both on the ONNX model of the body, results in the caller's arrays."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import importlib

import numpy as np

from tools.bench.peers.onnx_model import model
from tools.bench.peers.prepared import Prepared, from_nchw, to_nchw


class OnnxRuntime:
    """A session with all optimisations, operands and results bound."""

    def __init__(self, threads):
        self.runtime = importlib.import_module("onnxruntime")
        self.version = self.runtime.__version__
        self.threads = threads

    def prepare(self, workload, inputs, weights, results):
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        arguments, constants = _placed(workload, inputs, weights)
        code, types = model(workload, "onnxruntime", arguments, constants)
        session = self.runtime.InferenceSession(code, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        for name, array in arguments.items():
            binding.bind_cpu_input(name, array)
        made = []
        for name, shape, dtype in types:
            made.append(np.empty(shape, dtype))
            binding.bind_output(name, "cpu", 0, dtype, shape, made[-1].ctypes.data)

        def call():
            session.run_with_iobinding(binding)

        return Prepared(call, lambda: from_nchw(made, workload.image_result), owned=True, kept=arguments)


class OpenVino:
    """An infer request with its tensors set."""

    def __init__(self, threads):
        self.runtime = importlib.import_module("openvino")
        self.version = self.runtime.__version__
        self.core = self.runtime.Core()
        self.config = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
        }

    def prepare(self, workload, inputs, weights, results):
        arguments, constants = _placed(workload, inputs, weights)
        code, types = model(workload, "openvino", arguments, constants)
        compiled = self.core.compile_model(self.core.read_model(code), "CPU", self.config)
        request = compiled.create_infer_request()
        for port in compiled.inputs:
            array = arguments[port.get_any_name()]
            request.set_tensor(port, self.runtime.Tensor(array, shared_memory=True))
        made = []
        for port, (_, shape, dtype) in zip(compiled.outputs, types, strict=True):
            made.append(np.empty(shape, dtype))
            request.set_tensor(port, self.runtime.Tensor(made[-1], shared_memory=True))

        def found():
            return from_nchw(made, workload.image_result)

        return Prepared(request.infer, found, owned=True, kept=arguments)


def _placed(workload, inputs, weights):
    return (
        {n: np.ascontiguousarray(to_nchw(a, workload.inputs[n].layout)) for n, a in inputs.items()},
        {n: np.ascontiguousarray(to_nchw(a, workload.weights[n].layout)) for n, a in weights.items()},
    )


def make(name, threads):
    """One of the two."""
    return OnnxRuntime(threads) if name == "onnxruntime" else OpenVino(threads)
