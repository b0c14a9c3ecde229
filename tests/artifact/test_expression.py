import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.ir import dim

N, M = dim.symbol("n"), dim.symbol("m", 1)

sizes = st.recursive(
    st.one_of(st.integers(-4, 9), st.just(N), st.just(M)),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
        st.tuples(inner, st.integers(1, 5)).map(lambda p: dim.floordiv(p[0], p[1])),
        st.tuples(inner, st.integers(1, 5)).map(lambda p: dim.mod(p[0], p[1])),
        st.tuples(inner, inner).map(lambda p: dim.minimum(*p)),
        st.tuples(inner, inner).map(lambda p: dim.maximum(*p)),
    ),
    max_leaves=8,
)


@given(size=sizes, n=st.integers(0, 30), m=st.integers(1, 30))
def test_the_text_of_a_size_means_what_the_size_means(size, n, m):
    values = {"n": n, "m": m}
    assert evaluate(str(size), values) == dim.evaluate(size, values)


def test_division_rounds_down_and_by_zero_gives_zero():
    assert evaluate("(n - 5)//3 + (n - 5) % 3", {"n": 1}) == -2 + 2
    assert evaluate("n//m + n % m", {"n": 7, "m": 0}) == 0


@pytest.mark.parametrize("text", ["", "n +", "__import__('os')", "n.real", "n**2", "1.5", "min(n)", "f(n, 1)", "n/2"])
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match="not a size expression"):
        evaluate(text, {"n": 1})


def test_an_unknown_size_is_named():
    with pytest.raises(UserError, match="'k' in '2\\*k'"):
        evaluate("2*k", {"n": 1})


@pytest.fixture
def collections_that_switch_threads():
    """A collection that runs Python code may switch threads in the middle of what C code does."""

    def callback(*_):
        sum(range(50))

    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    gc.callbacks.append(callback)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)
    gc.callbacks.remove(callback)


def test_threads_may_evaluate_at_once(collections_that_switch_threads):
    texts = [f"({'(' * 20}n{' + 1)' * 20}) + {k}" for k in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: evaluate(text, {"n": 2}), texts)) == [22 + k for k in range(2000)]
