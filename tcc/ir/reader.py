"""The characters of a text form, read piece by piece: names, sizes, types, constants, locations."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from tcc.errors import Place, TccError, UserError
from tcc.ir import dim, dtype, size_text, types
from tcc.ir.dim import Size
from tcc.ir.graph import Constant
from tcc.ir.location import Location
from tcc.ir.op import Op
from tcc.ir.text import DIGEST, read_element
from tcc.ir.types import TensorType

T = TypeVar("T")

_BLANK = re.compile(r"(?:\s|//[^\n]*)*")
_PLACE = re.compile(r"[ \t]*//[ \t]*(\S+):(\d+)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_VALUE = re.compile(r"%[\w.]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TYPE = re.compile(r"\w+\[[^\]]*\]")
_ELEMENT = re.compile(r"-?[\w.]+(?:(?<=e)[+-]\d+)?")


@dataclass
class Reader:
    """A position in a text, and what the symbols read so far are."""

    text: str
    file: str
    table: Mapping[str, Op]
    constants: Mapping[str, Constant]
    position: int = 0
    sizes: dict[str, Size] = field(default_factory=dict[str, Size])

    def __post_init__(self) -> None:
        self._breaks = [m.start() for m in re.finditer("\n", self.text)]

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def at_end(self) -> bool:
        self.blank()
        return self.position == len(self.text)

    def line(self) -> int:
        return bisect_left(self._breaks, self.position) + 1

    def error(self, what: str) -> UserError:
        start = self.position
        found = self.text[start : start + 20].split("\n")[0]
        return UserError(
            what,
            where=Place(self.file, self.line()),
            why=f"found '{found}'" if found else "the text ends here",
            fix="--dump writes graph text as it is read: 00-trace.tcc",
        )

    def read(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.try_read(pattern)
        if found is None:
            raise self.error(f"expected {what}")
        return found

    def try_read(self, pattern: re.Pattern[str]) -> str | None:
        self.blank()
        match = pattern.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match.group()

    def accept(self, token: str) -> bool:
        self.blank()
        end = self.position + len(token)
        word = token[-1].isalnum() and self.text[end : end + 1].isidentifier()
        if not self.text.startswith(token, self.position) or word:
            return False
        self.position = end
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error(f"expected '{token}'")

    def name(self) -> str:
        return self.read(_NAME, "a name")

    def value(self) -> str:
        return self.read(_VALUE, "a value such as %0")

    def string(self) -> str:
        return json.loads(self.read(_STRING, "a string in double quotes"))

    def until(self, closing: str) -> str:
        """The text up to the first of some characters outside of brackets."""
        self.blank()
        depth, end = 0, self.position
        while end < len(self.text) and (depth or self.text[end] not in closing):
            depth += (self.text[end] in "([{") - (self.text[end] in ")]}")
            end += 1
        found = self.text[self.position : end]
        self.position = end
        return found.strip()

    def located(self, make: Callable[[], T]) -> T:
        """What ``make`` gives; its errors point here unless they know better."""
        where = Place(self.file, self.line())
        try:
            return make()
        except TccError as error:
            raise error.located(where) from None

    def place(self, line: int) -> Location:
        """The location in a comment at the end of this line, else ``line`` of this text."""
        match = _PLACE.match(self.text, self.position)
        if match is None:
            return Location(self.file, line)
        self.position = match.end()
        return Location(match.group(1), int(match.group(2)))

    def type(self) -> TensorType:
        text = self.read(_TYPE, "a type such as f32[n, 3]")
        return self.located(lambda: types.parse(text, self.sizes))

    def size(self, text: str) -> Size:
        return self.located(lambda: size_text.parse(text, lambda n: self.sizes.setdefault(n, dim.symbol(n))))

    def listed(self, closing: str, item: Callable[[], T]) -> list[T]:
        """Items separated by commas, one more allowed at the end, and the closing bracket."""
        items: list[T] = []
        while not self.accept(closing):
            items.append(item())
            if not self.accept(","):
                self.expect(closing)
                break
        return items

    def constant(self) -> Constant:
        """``type name? element``, ``[elements]``, ``[element...]`` or ``#digest``."""
        type = self.type()
        if not all(isinstance(s, int) for s in type.shape):
            raise self.error("a constant has no symbolic sizes")
        shape = tuple(s for s in type.shape if isinstance(s, int))
        self.blank()
        name = self.string() if self.text.startswith('"', self.position) else ""
        if self.accept("#"):
            head = self.read(re.compile(r"[0-9a-f]+"), "a digest")
            found = [c for digest, c in self.constants.items() if digest.startswith(head)]
            if len(head) < DIGEST or len(found) != 1:
                why = f"{len(found)} of the {len(self.constants)} constants given have it"
                raise UserError(f"no constant of digest {head}", where=Place(self.file, self.line()), why=why)
            return Constant(found[0].array, name)
        kind = type.dtype
        if not self.accept("["):
            return Constant.of(np.asarray(self.element(kind)).reshape(shape), name)
        items: list[Any] = []
        while not self.accept("]"):
            items.append(self.element(kind))
            if self.accept("..."):
                self.expect("]")
                return Constant.of(np.full(shape, items[0]), name)
            if not self.accept(","):
                self.expect("]")
                break
        if len(items) != int(np.prod(shape)):
            raise self.error(f"{type} has {np.prod(shape)} elements, not {len(items)}")
        return Constant.of(np.asarray(items, kind.numpy).reshape(shape), name)

    def element(self, kind: dtype.DType) -> Any:
        if kind.is_complex:
            self.expect("complex")
            real, imaginary = self.pair(lambda: self.element(kind.real))
            return np.stack([real, imaginary]).view(kind.numpy)[0]
        text = self.read(_ELEMENT, "a number").removesuffix("...")
        self.position -= 3 if self.text[self.position - 3 : self.position] == "..." else 0
        try:
            return read_element(text, kind)
        except (ValueError, OverflowError):
            raise self.error(f"'{text}' is no {kind}") from None

    def pair(self, item: Callable[[], T]) -> tuple[T, T]:
        self.expect("(")
        first = item()
        self.expect(",")
        second = item()
        self.expect(")")
        return first, second
