"""What a vector's input functions must do, said a second time and as plainly as possible.

Written from the description of pgvector's text grammar and wire format, for the fuzz tests to
compare a server with. Numbers are read by the C library's own strtof, because that is how the
grammar defines them.
"""

import ctypes
import math
import struct

MAX_DIMENSIONS = 16000

_libc = ctypes.CDLL(None)
_libc.strtof.restype = ctypes.c_float
_libc.strtof.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]

_SPACE = b" \t\n\r\v\f"


class Rejected(Exception):
    """The error a server must raise: SQLSTATE, message, detail."""

    def __init__(self, sqlstate, message, detail=None):
        super().__init__(sqlstate, message, detail)
        self.error = (sqlstate, message, detail)


def read_text(literal, dimensions=-1):
    """The elements of a literal, as the bytes of big-endian float4s."""
    reader = _TextReader(literal)
    reader.skip_space()
    if not reader.skip(b"["):
        raise reader.syntax_error('Vector contents must start with "[".')
    reader.skip_space()
    if reader.peek() == b"]":
        raise Rejected("22000", "vector must have at least 1 dimension")
    elements = []
    while True:
        if len(elements) == MAX_DIMENSIONS:
            raise Rejected("54000", "vector cannot have more than 16000 dimensions")
        elements.append(reader.number())
        reader.skip_space()
        if reader.skip(b"]"):
            break
        if not reader.skip(b","):
            raise reader.syntax_error()
    reader.skip_space()
    if reader.peek():
        raise reader.syntax_error("Junk after closing right brace.")
    _check_length(len(elements), dimensions)
    return b"".join(elements)


def read_wire(payload, dimensions=-1):
    """The elements of a binary value, as the bytes of big-endian float4s."""
    if len(payload) < 4:
        raise _TOO_SHORT
    count, unused = struct.unpack_from(">hh", payload)
    if count < 1:
        raise Rejected("22000", "vector must have at least 1 dimension")
    if count > MAX_DIMENSIONS:
        raise Rejected("54000", "vector cannot have more than 16000 dimensions")
    _check_length(count, dimensions)
    if unused != 0:
        raise Rejected("22000", f"expected unused to be 0, not {unused}")
    for i in range(count):
        element = payload[4 + 4 * i : 8 + 4 * i]
        if len(element) < 4:
            raise _TOO_SHORT
        _check_finite(struct.unpack(">f", element)[0])
    if len(payload) > 4 + 4 * count:
        raise Rejected("22P03", "incorrect binary data format")
    return payload[4:]


_TOO_SHORT = Rejected("08P01", "insufficient data left in message")


def _check_length(count, dimensions):
    if dimensions not in (-1, count):
        raise Rejected("22000", f"expected {dimensions} dimensions, not {count}")


def _check_finite(value):
    if math.isnan(value):
        raise Rejected("22000", "NaN not allowed in vector")
    if math.isinf(value):
        raise Rejected("22000", "infinite value not allowed in vector")


class _TextReader:
    def __init__(self, literal):
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

    def number(self):
        self.skip_space()
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
            raise Rejected("22003", f'"{text}" is out of range for type vector')
        _check_finite(value)
        return struct.pack(">f", value)

    def syntax_error(self, detail=None):
        return Rejected("22P02", f'invalid input syntax for type vector: "{self.literal}"', detail)
