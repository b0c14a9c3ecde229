import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tcc.artifact import Tensor
from tcc.errors import UserError
from tcc.ir import dtype as dt
from tcc.runtime.arguments import as_array
from tcc.runtime.element import numpy_dtype
from tcc.targets.c_names import ELEMENTS


@pytest.mark.parametrize("dtype", dt.ALL)
def test_elements_are_the_same_at_run_time_and_in_c(dtype):
    assert numpy_dtype(dtype.name) == dtype.numpy
    assert ELEMENTS[dtype.name].bits == dtype.bits
    assert ELEMENTS[dtype.name].alignment == (dtype.bytes // 2 if dtype.is_complex else dtype.bytes)


def test_bf16_without_ml_dtypes_is_its_bits():
    script = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "from tcc.runtime.element import numpy_dtype; print(numpy_dtype('bf16'))\n"
    )
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert shown.stdout == "uint16\n"


def test_bf16_from_a_file_is_bf16(tmp_path):
    """NumPy writes bf16 as two bytes without meaning."""
    tensor = Tensor("x", "bf16", ("n",))
    np.save(tmp_path / "x.npy", np.arange(3, dtype=ml_dtypes.bfloat16))
    assert as_array(np.load(tmp_path / "x.npy"), tensor, "x").tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="float32"):
        as_array(np.zeros(3, "f4"), tensor, "x")
