"""What the types' input functions must do, said a second time and as plainly as possible.

Written from the description of pgvector's text grammar and wire format, for the fuzz tests to
compare a server with. Numbers are read by the C library's own strtof, because that is how the
grammar defines them. Values are the bytes that the types' send functions must give.
"""

import ctypes
import math
import re
import struct

MAX_DIMENSIONS = {"vector": 16000, "halfvec": 16000, "sparsevec": 1000000000}
MAX_ELEMENTS = 16000
ELEMENT = {"vector": ">f", "halfvec": ">e", "sparsevec": ">f"}

_INT_MAX = 2**31 - 1
_libc = ctypes.CDLL(None)
_libc.strtof.restype = ctypes.c_float
_libc.strtof.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]

_SPACE = b" \t\n\r\v\f"


class Rejected(Exception):
    """The error a server must raise: SQLSTATE, message, detail."""

    def __init__(self, sqlstate, message, detail=None):
        super().__init__(sqlstate, message, detail)
        self.error = (sqlstate, message, detail)


def read_text(kind, literal, dimensions=-1):
    """The value of a literal of a type."""
    reader = _TextReader(kind, literal)
    return (_read_sparse_text if kind == "sparsevec" else _read_dense_text)(kind, reader, dimensions)


def _read_dense_text(kind, reader, dimensions):
    reader.skip_space()
    if not reader.skip(b"["):
        raise reader.syntax_error('Vector contents must start with "[".')
    reader.skip_space()
    if reader.peek() == b"]":
        raise Rejected("22000", f"{kind} must have at least 1 dimension")
    elements = []
    while True:
        if len(elements) == MAX_DIMENSIONS[kind]:
            raise Rejected("54000", f"{kind} cannot have more than 16000 dimensions")
        reader.skip_space()
        elements.append(reader.number())
        reader.skip_space()
        if reader.skip(b"]"):
            break
        if not reader.skip(b","):
            raise reader.syntax_error()
    reader.skip_space()
    if reader.peek():
        raise reader.syntax_error("Junk after closing right brace.")
    _check_typmod(len(elements), dimensions)
    return struct.pack(">hh", len(elements), 0) + b"".join(elements)


def _read_sparse_text(kind, reader, dimensions):
    if reader.bytes.count(b",") >= MAX_ELEMENTS:
        raise _TOO_MANY_ELEMENTS
    reader.skip_space()
    if not reader.skip(b"{"):
        raise reader.syntax_error('Vector contents must start with "{".')
    elements = []
    reader.skip_space()
    if not reader.skip(b"}"):
        while True:
            index = reader.integer()
            reader.skip_space()
            if not reader.skip(b":"):
                raise reader.syntax_error()
            reader.skip_space()
            value = reader.number()
            if any(value[1:]) or value[0] & 0x7F:
                elements.append((index, value))
            reader.skip_space()
            if reader.skip(b"}"):
                break
            if not reader.skip(b","):
                raise reader.syntax_error()
    reader.skip_space()
    if not reader.skip(b"/"):
        raise reader.syntax_error("Unexpected end of input.")
    count = reader.integer()
    reader.skip_space()
    if reader.peek():
        raise reader.syntax_error("Junk after closing.")
    _check_dimensions(kind, count)
    _check_typmod(count, dimensions)
    elements.sort(key=lambda element: element[0])
    indices = [index - 1 for index, _ in elements]
    _check_indices(indices, count)
    return struct.pack(f">iii{len(indices)}i", count, len(indices), 0, *indices) + b"".join(value for _, value in elements)


def read_wire(kind, payload, dimensions=-1):
    """The value that a payload stands for, which is the payload."""
    reader = _WireReader(payload)
    (_read_sparse_wire if kind == "sparsevec" else _read_dense_wire)(kind, reader, dimensions)
    if reader.at < len(payload):
        raise Rejected("22P03", "incorrect binary data format")
    return payload


def _read_dense_wire(kind, reader, dimensions):
    count, unused = reader.take(">h"), reader.take(">h")
    _check_dimensions(kind, count)
    _check_typmod(count, dimensions)
    _check_unused(unused)
    for _ in range(count):
        _check_finite(kind, reader.take(ELEMENT[kind]))


def _read_sparse_wire(kind, reader, dimensions):
    count, elements, unused = (reader.take(">i") for _ in range(3))
    _check_dimensions(kind, count)
    if elements < 0:
        raise Rejected("22000", "sparsevec cannot have negative number of elements")
    if elements > MAX_ELEMENTS:
        raise _TOO_MANY_ELEMENTS
    if elements > count:
        raise Rejected("54000", "sparsevec cannot have more elements than dimensions")
    _check_typmod(count, dimensions)
    _check_unused(unused)
    indices = []
    for _ in range(elements):
        indices.append(reader.take(">i"))
        _check_indices(indices[-2:], count)
    for _ in range(elements):
        value = reader.take(">f")
        _check_finite(kind, value)
        if value == 0:
            raise Rejected("22000", "binary representation of sparsevec cannot contain zero values")


_TOO_MANY_ELEMENTS = Rejected("54000", "sparsevec cannot have more than 16000 non-zero elements")


def _check_dimensions(kind, count):
    if count < 1:
        raise Rejected("22000", f"{kind} must have at least 1 dimension")
    if count > MAX_DIMENSIONS[kind]:
        raise Rejected("54000", f"{kind} cannot have more than {MAX_DIMENSIONS[kind]} dimensions")


def _check_typmod(count, dimensions):
    if dimensions not in (-1, count):
        raise Rejected("22000", f"expected {dimensions} dimensions, not {count}")


def _check_unused(unused):
    if unused != 0:
        raise Rejected("22000", f"expected unused to be 0, not {unused}")


def _check_indices(indices, count):
    for at, index in enumerate(indices):
        if not 0 <= index < count:
            raise Rejected("22000", "sparsevec index out of bounds")
        if at > 0 and index < indices[at - 1]:
            raise Rejected("22000", "sparsevec indices must be in ascending order")
        if at > 0 and index == indices[at - 1]:
            raise Rejected("22000", "sparsevec indices must not contain duplicates")


def _check_finite(kind, value):
    if math.isnan(value):
        raise Rejected("22000", f"NaN not allowed in {kind}")
    if math.isinf(value):
        raise Rejected("22000", f"infinite value not allowed in {kind}")


class _WireReader:
    def __init__(self, payload):
        self.payload = payload
        self.at = 0

    def take(self, element):
        size = struct.calcsize(element)
        if len(self.payload) - self.at < size:
            raise Rejected("08P01", "insufficient data left in message")
        self.at += size
        return struct.unpack_from(element, self.payload, self.at - size)[0]


class _TextReader:
    def __init__(self, kind, literal):
        self.kind = kind
        self.literal = literal
        self.bytes = literal.encode()
        self.buffer = ctypes.create_string_buffer(self.bytes)
        self.at = 0

    def peek(self):
        return self.bytes[self.at : self.at + 1]

    def skip(self, byte):
        found = self.peek() == byte
        self.at += found
        return found

    def skip_space(self):
        while self.peek() and self.peek() in _SPACE:
            self.at += 1

    def integer(self):
        """As strtol reads it, cut to the range of int."""
        self.skip_space()
        found = re.compile(rb"[+-]?[0-9]+").match(self.bytes, self.at)
        if not found:
            raise self.syntax_error()
        self.at = found.end()
        return max(-_INT_MAX, min(_INT_MAX, int(found.group())))

    def number(self):
        """The bytes of an element, which the text ahead stands for."""
        start = ctypes.addressof(self.buffer) + self.at
        end = ctypes.c_void_p()
        value = _libc.strtof(start, ctypes.byref(end))
        length = end.value - start
        if length == 0:
            raise self.syntax_error()
        text = self.bytes[self.at : self.at + length].decode()
        self.at += length
        # strtof gives infinity for the word, and for a number that is too large
        if math.isinf(value) and "inf" not in text.lower():
            raise self.out_of_range(text)
        # zero that is not written as zero is too small a number to tell from it
        mantissa = re.sub("p.*", "", text.lower()) if "x" in text.lower() else re.sub("e.*", "", text.lower())
        if self.kind == "sparsevec" and value == 0 and re.search("[1-9a-f]", mantissa):
            raise self.out_of_range(text)
        _check_finite(self.kind, value)
        try:
            return struct.pack(ELEMENT[self.kind], value)
        except OverflowError:
            raise self.out_of_range(text) from None

    def out_of_range(self, text):
        return Rejected("22003", f'"{text}" is out of range for type {self.kind}')

    def syntax_error(self, detail=None):
        return Rejected("22P02", f'invalid input syntax for type {self.kind}: "{self.literal}"', detail)
