from __future__ import annotations

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import build, dim, dtype, types
from tcc.ir.dtype import F32, F64
from tcc.ir.forms import Elementwise
from tcc.ir.graph import Constant, Function, Graph, Module, Node, State, Value
from tcc.ir.location import Location
from tcc.ir.op import NOT_DIFFERENTIABLE, Op
from tcc.ir.parse import parse_graph, parse_module
from tcc.ir.text import element_text, read_element, to_text
from tcc.ir.types import TensorType
from tcc.tree import Tree, flatten

LINE = Location("model.py", 3)

ANYTHING = Op(
    name="anything",
    doc="Takes any attributes.",
    operands=("x: any",),
    infer=lambda t, a: (t[0], t[0]),
    form=Elementwise(lambda s, x, **a: x),
    gradient=NOT_DIFFERENTIABLE,
    reference=lambda x, **a: (x, x),
    samples=lambda d, r: (),
)
TABLE = {**ops.TABLE, "anything": ANYTHING}


def given(spec: str, name: str, symbols: dict) -> Value:
    return build.graph_input(types.parse(spec, symbols), name, LINE)


def constant_graph(*arrays: np.ndarray) -> Graph:
    return Graph(
        "g", (), tuple(Node(ops.TABLE["literal"], (), {"value": Constant.of(a)}, LINE).results[0] for a in arrays)
    )


def test_every_kind_of_attribute_reads_back() -> None:
    symbols: dict = {}
    x = given("f32[n:1..4096, 2*n+1]", "x", symbols)
    n = symbols["n"]
    inner = given("f32[n]", "z", symbols)
    body = Graph("body", (inner,), Node(ops.TABLE["add"], (inner, inner), {}, LINE).results)
    attributes = {
        "a": 1, "b": (1,), "c": (), "d": None, "e": 'a"b\nc // d', "f": 1e-7, "g": -0.0, "h": float("nan"),
        "i": complex(1, -0.0), "j": F32, "k": n // 2, "l": (n, 2 * n + 1, (dtype.I8, "x", True)), "m": body,
        "o": dim.minimum(n, 7), "p": False, "q": float("-inf"), "r": -3, "s": dim.symbol("f32"), "v": (n + 1) // 2,
        "t": Constant.of(np.arange(3), "w"), "u": (Constant.of(np.float32(2)), body),
    }  # fmt: skip
    graph = Graph("f", (x,), Node(ANYTHING, (x,), attributes, LINE).results)
    text = to_text(graph)
    read = parse_graph(text, TABLE)
    assert to_text(read) == text
    found = read.nodes[0].attributes
    assert list(found) == list(attributes)
    for name, value in attributes.items():
        if name not in ("h", "m", "u"):
            assert found[name] == value, name
            assert type(found[name]) is type(value), name
    assert np.isnan(found["h"])
    assert str(found["g"]) == "-0.0"
    assert to_text(found["m"]) == to_text(body)
    assert found["t"].name == "w"
    assert dim.bounds(read.inputs[0].type.shape[0]) == (1, 4096)
    assert read.nodes[0].location == LINE


@pytest.mark.parametrize("kind", dtype.ALL, ids=str)
def test_elements_keep_their_bits(kind: dtype.DType) -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, 400 * kind.bytes).astype(np.uint8)
    array = (raw[:: kind.bytes] % 2 == 0) if kind.kind == "bool" else raw.view(kind.numpy)
    for element in array:
        if kind.is_complex:
            parts = [read_element(element_text(p), kind.real) for p in (element.real, element.imag)]
            assert parts[0].tobytes() + parts[1].tobytes() == element.tobytes()
        else:
            assert read_element(element_text(element), kind).tobytes() == element.tobytes()
    small = Constant.of(array[:6].reshape(2, 3))
    read = parse_graph(to_text(constant_graph(small.array)), TABLE)
    assert build.constants(read)[0] == small


def test_large_constants_go_by_digest() -> None:
    large, uniform = np.arange(100), np.full((40, 2), -0.0)
    graph = constant_graph(large, uniform, np.zeros((0, 3)))
    text = to_text(graph)
    assert "[-0.0...]" in text
    assert "#" + Constant.of(large).digest[:16] in text
    with pytest.raises(UserError, match="no constant of digest"):
        parse_graph(text, TABLE)
    read = parse_graph(text, TABLE, {c.digest: c for c in build.constants(graph)})
    assert build.constants(read) == build.constants(graph)


def module() -> Module:
    symbols: dict = {}
    names = ["p.W", "p.b.0", "p.b.1.0", "q", "count"]
    inputs = tuple(given("f32[n]", n, symbols) for n in names)
    total = Node(ops.TABLE["add"], inputs[:2], {}, LINE).results[0]
    _, p = flatten({"W": 1, "b c": [2, (3,)], "none": None})
    arguments = Tree("tuple", (p, Tree("leaf", index=3)))
    results = Tree("tuple", (Tree("leaf", index=0), Tree("leaf", index=1)))
    state = State("count", types.parse("f32[2]"), Constant.of(np.zeros(2, "f")))
    graph = Graph("step", inputs, (total, total, inputs[4]))
    function = Function(
        graph,
        ("p", "q"),
        arguments,
        results,
        tuple(names[:4]),
        ("out.0", "out.1"),
        ("count",),
        ("count",),
        "Does it.",
        LINE,
    )
    x = given("f64[3]", "x", {})
    leaf = Tree("leaf", index=0)
    x = given("f64[3]", "x", {})
    graph = Graph("plain", (x,), (x,))
    plain = Function(graph, ("x",), Tree("tuple", (leaf,)), leaf, ("x",), ("out",), location=LINE)
    return Module((function, plain), (state,))


def test_module_reads_back(golden) -> None:
    text = to_text(module())
    golden("golden/module.tcc")(text)
    read = parse_module(text, TABLE)
    assert to_text(read) == text
    for a, b in zip(module().functions, read.functions, strict=True):
        assert (a.arguments, a.results, a.parameters, a.doc) == (b.arguments, b.results, b.parameters, b.doc)
        assert (a.input_names, a.output_names, a.reads, a.writes) == (b.input_names, b.output_names, b.reads, b.writes)
    assert read.states == module().states


def test_dataclass_and_namedtuple_trees_read_back() -> None:
    leaf = [Tree("leaf", index=i) for i in range(3)]
    named = Tree("tuple", (leaf[0], leaf[1]), ("x", "y"), "m:P")
    tree = Tree("tuple", (Tree("dataclass", (named, leaf[2]), ("p", "z"), "m:Q.<locals>.R"),))
    inputs = tuple(given("f32[]", f"v{i}", {}) for i in range(3))
    signature = (("a",), tree, Tree("list", (leaf[0], Tree("tuple", ()))), ("v0", "v1", "v2"), ("out.0",))
    function = Function(Graph("f", inputs, inputs[:1]), *signature)
    read = parse_module(to_text(function), TABLE).functions[0]
    assert (read.arguments, read.results) == (function.arguments, function.results)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("add(", "ad(", "there is no op 'ad'"),
        ("f32[n] = add", "f32[3] = add", "the text says otherwise"),
        ("%0: ", "%0 ", "expected ':'"),
        ("(%p.W, ", "(%7, ", "there is no value %7"),
        ("add(%p.W, %p.b.0)", "add(%p.W)", "takes 2 operands"),
        ("return %0, %0, %count", "return %0", "returns 1 values"),
        ("out.1: f32[n]", "out.1: f32[3]", "the signature says f32"),
        ("state count = f32[2] [0.0, 0.0]", "state count = f32[2] [0.0]", "has 2 elements"),
        ("f32[2] [0.0", "f32[2] [zero", "is no f32"),
        ("n] = count", "n] count", "expected '='"),
        ("f32[n]", "f33[n]", "unknown dtype"),
        ("f32[n]", "f32[n+]", "is not a size"),
        ("return", "retrun", "expected"),
        ("}", "", "expected"),
    ],
)
def test_mistakes_name_the_line(old: str, new: str, message: str) -> None:
    text = to_text(module())
    assert old in text
    with pytest.raises(UserError, match=message) as caught:
        parse_module(text.replace(old, new), TABLE, file="model.tcc")
    assert "model.tcc:" in str(caught.value)


def test_hand_written_text_has_its_own_lines() -> None:
    text = "graph f(%x: f32[n]) {\n\n  %0: f32[n] = exp(%x)\n  return %0\n}\n"
    graph = parse_graph(text, TABLE, file="hand.tcc")
    assert graph.nodes[0].location == Location("hand.tcc", 3)
    assert graph.inputs[0].type == TensorType(F32, (dim.symbol("n"),))
    assert F64 not in {v.type.dtype for v in graph.outputs}
