"""photongate: the counts of a photon counter, from a gateway or from files.

    import photongate

    with photongate.connect("pi-lab3") as gw:         # or "localhost"
        for angle in range(0, 180, 5):
            turn_the_waveplate_to(angle)
            shot = gw.take(seconds=5)                 # nothing from before this line
            print(angle, shot.sum["AB"], shot.rate["AB"], shot.rate_err["AB"])

        for batch in gw:                              # live, until you stop it
            print(batch.t[-1], batch["A"][-1], batch.gaps)

    run = photongate.open("counts")                   # what photonrecv recorded or measured
    print(run.streams)
    table = run.counts("bench").to_pandas()

Needs Python 3.8 or later and nothing else. With NumPy the columns are arrays and
everything is faster; without it they are array.array or lists.

A count that is not known is never shown as zero: in such a column it is NaN (None
without NumPy). What is missing stands in `gaps`, always. Names carry their units.

The bytes are explained in protocol/SPEC.md, whose sections the comments name.
"""

import array
import asyncio
import base64
import binascii
import collections
import datetime
import fractions
import getpass
import hashlib
import heapq
import hmac
import itertools
import json
import math
import os
import re
import secrets
import selectors
import socket
import ssl
import struct
import sys
import threading
import time

try:
    import numpy as _np
except ImportError:
    _np = None

__version__ = "0.1.0"

__all__ = ["connect", "open", "pair", "Gateway", "Archive", "Batch", "TagBatch", "Shot", "Gap", "Event", "PhotongateError",
           "FormatError", "GapError", "UnreachableError", "RefusedError", "NotPairedError"]


class PhotongateError(Exception):
    """Something did not work; the text says what, and what to try."""


class FormatError(PhotongateError):
    """Bytes that are not what the format says. `kind` is one word: truncated, magic, version, header-crc, payload-crc,
    limit, unknown or format."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class GapError(PhotongateError):
    """Counts that were asked for are missing or not to be trusted. `gaps` are the gaps, `flags` the flags in the way,
    `shot` what there was nevertheless."""

    def __init__(self, text, gaps=(), flags=(), shot=None):
        super().__init__(text)
        self.gaps, self.flags, self.shot = list(gaps), list(flags), shot


class UnreachableError(PhotongateError):
    """The gateway does not answer, or no counts come."""


class RefusedError(PhotongateError):
    """The gateway said no. `code` is its one word for why, such as token, rights, busy or value."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class NotPairedError(PhotongateError):
    """This computer does not know the gateway, or no longer knows it as it is."""


# Bytes and numbers: SPEC sections 1 and 5.

_M64 = (1 << 64) - 1


def _crc_tables():
    small = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        small.append(byte)
    return small, [small[(small[i & 255] ^ i >> 8) & 255] ^ small[i & 255] >> 8 for i in range(1 << 16)]


_CRC8, _CRC16 = _crc_tables()


def crc32c(data):
    """The CRC32C (Castagnoli) of bytes."""
    if len(data) >= 1024 and _np is not None:
        return _crc32c_array(data)
    crc, table, odd = 0xFFFFFFFF, _CRC16, len(data) & 1
    if odd:
        crc = _CRC8[(crc ^ data[0]) & 0xFF] ^ crc >> 8
    for word in struct.unpack_from("<%dH" % (len(data) // 2), data, odd):
        crc = table[(crc ^ word) & 0xFFFF] ^ crc >> 16
    return crc ^ 0xFFFFFFFF


# A checksum is a sum without carries: each byte adds an amount that depends on its value and on how far it is from the end.
# So a block is summed at once by tables, in rows of 64 bytes: first within each row, then over the rows.
_ROW, _ROWS = 64, 256


def _array_tables():
    one = _np.array(_CRC8, _np.uint32)
    within = _np.empty((_ROW, 256), _np.uint32)   # by place in the row and byte
    within[-1] = one
    for i in range(_ROW - 2, -1, -1):
        within[i] = within[i + 1] >> 8 ^ one[within[i + 1] & 0xFF]
    rows = _np.empty((_ROWS, 4, 256), _np.uint32)  # by row, byte of the row's sum, and value
    rows[-1] = _np.arange(256, dtype=_np.uint32) << (8 * _np.arange(4, dtype=_np.uint32))[:, None]
    for i in range(_ROWS - 2, -1, -1):
        rows[i] = _np.bitwise_xor.reduce([within[k][rows[i + 1] >> 8 * k & 0xFF] for k in range(4)])
    return within, rows


_arrays = None


def _crc32c_array(data):
    global _arrays
    _arrays = _arrays or _array_tables()
    within, rows = _arrays
    padding = -len(data) % _ROW  # zeros in front add nothing
    block = _np.zeros(len(data) + padding, _np.uint8)
    block[padding:] = _np.frombuffer(data, _np.uint8)
    block[padding:padding + 4] ^= 0xFF
    crc = 0
    for at in range(0, len(block), _ROW * _ROWS):
        part = block[at:at + _ROW * _ROWS].reshape(-1, _ROW)
        part[0, :4] ^= _np.frombuffer(struct.pack("<I", crc), _np.uint8)  # what came before, as if it stood here
        sums = _np.bitwise_xor.reduce(within[_np.arange(_ROW), part], axis=1)
        n = len(sums)
        crc = int(_np.bitwise_xor.reduce([_np.bitwise_xor.reduce(rows[_np.arange(_ROWS - n, _ROWS), k, sums >> 8 * k & 0xFF]) for k in range(4)]))
    return crc ^ 0xFFFFFFFF


def _bad(text, *args):
    return FormatError("format", text % args if args else text)


def _uvarint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise _bad("the payload ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value > _M64:
                raise _bad("a number of more than 64 bits")
            return value, at
        shift += 7
        if shift > 63:
            raise _bad("a number of more than 10 bytes")


def _unzigzag(z):
    return (z >> 1 ^ -(z & 1)) & _M64


def _signed(word):
    return word - (1 << 64) if word >> 63 else word


# Columns shorter than this are decoded without NumPy, whose calls take longer than the few values are worth.
_FEW = 48


def _use_numpy(n):
    return _np is not None and n >= _FEW


def _take_bytes(data, at, size):
    if size > len(data) - at:
        raise _bad("the payload ends within a column: %d bytes expected, %d left", size, len(data) - at)
    return data[at:at + size], at + size


def _column(data, at, n):
    """Decodes one column of n words: a list, or a NumPy array of uint64 where _use_numpy(n). Returns it and where it ends."""
    if at >= len(data):
        raise _bad("the payload ends where a column should begin")
    how = data[at]
    at += 1
    if how == 0x01:
        if at < len(data) and data[at] < 128:
            value, at = data[at], at + 1
        else:
            value, at = _uvarint(data, at)
        return (_np.full(n, value, _np.uint64) if _use_numpy(n) else [value] * n), at
    if how == 0x00:
        raw, at = _take_bytes(data, at, 8 * n)
        if _use_numpy(n):
            return _np.frombuffer(raw, "<u8").astype(_np.uint64), at
        return list(struct.unpack("<%dQ" % n, raw)), at
    if how <= 0x40 and (how < 0x10 or not how & 3):
        raise FormatError("unknown", "a column coded in a way this version does not know (0x%02x); get a newer photongate.py" % how)
    reference, at = _uvarint(data, at)
    if how < 0x40:
        z, at = _bell(data, at, n, how - 0x10 >> 2, how & 3)
        return _around(z, reference), at
    if how < 0x80:
        width = how - 0x40
        raw, at = _take_bytes(data, at, (n * width + 7) // 8)
        return _offset(_bit_fields(raw, n, width), reference), at
    step = 0
    if how >= 0xC0:
        step, at = _uvarint(data, at)
        step = _unzigzag(step)
    z, at = _rice(data, at, n, how & 63)
    return (_running(z, reference, step) if how >= 0xC0 else _around(z, reference)), at


def _bit_fields(raw, n, width):
    """n fields of width bits (0 to 63), one behind the other."""
    if not _use_numpy(n):
        out = []
        mask, eight = (1 << width) - 1, range(0, 8 * width, width or 1)
        for at in range(0, n * width // 8 + 1, width or 1):  # eight fields fill width bytes
            word = int.from_bytes(raw[at:at + width], "little")
            out.extend([word >> shift & mask for shift in eight])
        return out[:n] if width else [0] * n
    if width == 0:
        return _np.zeros(n, _np.uint64)
    padded = bytes(raw) + bytes(9)
    words = _np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))  # one beginning at each byte
    first = _np.arange(n, dtype=_np.int64) * width
    at, shift = first >> 3, (first & 7).astype(_np.uint64)
    fields = words[at] >> shift
    if width > 57:  # the field may reach into a ninth byte
        ninth = _np.frombuffer(padded, _np.uint8)[at + 8].astype(_np.uint64)
        fields |= (ninth << _np.uint64(1)) << (_np.uint64(63) - shift)
    return fields & _np.uint64((1 << width) - 1)


def _rice(data, at, n, k):
    """Decodes the zigzag words of a Rice column."""
    size, at = _uvarint(data, at)
    low, at = _take_bytes(data, at, (n * k + 7) // 8)
    if size > len(data) - at:
        raise _bad("the payload ends within a column: quotients of %d bytes expected, %d left", size, len(data) - at)
    if size > (33 * n + 7) // 8:
        raise _bad("%d bytes of quotients for %d values", size, n)
    unary, at = _take_bytes(data, at, size)
    z, quotients = _bit_fields(low, n, k), _quotients(unary, n)
    if _use_numpy(n):
        z |= quotients << _np.uint64(k)
        escaped = _np.flatnonzero(quotients == 32)
        if len(escaped):
            raw, at = _take_bytes(data, at, 8 * len(escaped))
            z[escaped] = _np.frombuffer(raw, "<u8")
        return z, at
    for i, q in enumerate(quotients):
        if q == 32:
            raw, at = _take_bytes(data, at, 8)
            z[i] = int.from_bytes(raw, "little")
        else:
            z[i] |= q << k & _M64
    return z, at


def _bell(data, at, n, k, pairs):
    """Decodes the zigzag words of a column whose smallest quotients share their codes in pairs."""
    size = _unary_size(data, at, n)
    quotients, at = _quotients(data[at:at + size], n), at + size
    if _use_numpy(n):
        paired = quotients < pairs
        shared = int(paired.sum())
    else:
        shared = sum(q < pairs for q in quotients)
    low, at = _take_bytes(data, at, (n * k + shared + 7) // 8)
    if _use_numpy(n):
        quotients = quotients + _np.uint64(pairs)
        bits = _np.unpackbits(_np.frombuffer(low, _np.uint8), bitorder="little")
        quotients[paired] = 2 * quotients[paired] - _np.uint64(2 * pairs) + bits[n * k:n * k + shared]
        z = _bit_fields(low, n, k) | quotients << _np.uint64(k)
        escaped = _np.flatnonzero(quotients == 32 + pairs)
        raw, at = _take_bytes(data, at, 8 * len(escaped))
        z[escaped] = _np.frombuffer(raw, "<u8")
        return z, at
    z = _bit_fields(low, n, k)
    which = int.from_bytes(low, "little") >> n * k
    for i, q in enumerate(quotients):
        if q == 32:
            raw, at = _take_bytes(data, at, 8)
            z[i] = int.from_bytes(raw, "little")
        elif q < pairs:
            z[i] |= 2 * q + (which & 1) << k
            which >>= 1
        else:
            z[i] |= q + pairs << k
    return z, at


def _unary_size(data, at, n):
    """How many bytes hold n one bits; of a bad column, which has less, the most there can be, or what is left."""
    rest = data[at:at + (33 * n + 7) // 8]
    if _use_numpy(n):
        ones = _np.cumsum(_ONES[_np.frombuffer(rest, _np.uint8)])
        return min(int(_np.searchsorted(ones, n)) + 1, len(rest))
    for size, byte in enumerate(rest):
        if n <= 0:
            return size
        n -= bin(byte).count("1")
    return len(rest)


_ONES = None if _np is None else _np.array([bin(byte).count("1") for byte in range(256)], _np.int64)


def _quotients(unary, n):
    """Counts the zero bits before each of the n one bits."""
    total = 8 * len(unary)
    if _use_numpy(n):
        ones = _np.flatnonzero(_np.unpackbits(_np.frombuffer(unary, _np.uint8), bitorder="little"))
        runs = _np.diff(ones, prepend=-1) - 1
        count, most, rest = len(ones), int(runs.max()) if len(ones) else 0, total - 1 - int(ones[-1]) if len(ones) else total
        runs = runs.astype(_np.uint64)
    else:
        bits = format(int.from_bytes(unary, "little"), "0%db" % total)[::-1] if total else ""
        runs = [len(zeros) for zeros in bits.split("1")]
        rest = runs.pop()
        count, most = len(runs), max(runs, default=0)
    if count != n or rest >= 8 or most > 32:
        raise _bad("quotients that are not those of %d values: %d of them, the largest %d, %d bits left over", n, count, most, rest)
    return runs


def _offset(fields, reference):
    if isinstance(fields, list):
        return [f + reference & _M64 for f in fields]
    return fields + _np.uint64(reference)


def _around(z, reference):
    if isinstance(z, list):
        return [(v >> 1 ^ -(v & 1)) + reference & _M64 for v in z]
    return _unzigzag_array(z) + _np.uint64(reference)


def _running(z, reference, step):
    if isinstance(z, list):
        return [v & _M64 for v in itertools.accumulate((_unzigzag(v) + step for v in z), initial=reference)][1:]
    return _np.cumsum(_unzigzag_array(z) + _np.uint64(step), dtype=_np.uint64) + _np.uint64(reference)


def _unzigzag_array(z):
    one = _np.uint64(1)
    return z >> one ^ (_np.zeros(1, _np.uint64) - (z & one))


# JSON payloads: SPEC sections 1, 7 and 9. A key with a star is always present.

_TEXT, _U64, _I64, _WHOLE, _NUMBER, _BOOL, _ANY = "text", "u64", "i64", "whole number", "number", "true or false", "anything"

_PLACE = {"epoch": _WHOLE, "seq": _U64, "time_ns": _I64}
_READING = {"epoch": _WHOLE, "index": _U64}
_MEASUREMENT = {"id": _TEXT, "title": _TEXT, "sample": _TEXT, "operator": _TEXT, "set": [{"key": _TEXT, "value": _TEXT}], "streams": [_TEXT],
                "for_ns": _I64, "asked": _U64, "readings": _U64, "state": _TEXT}
_EVENT = {"what*": _TEXT, "who": _TEXT, "from": _TEXT, "old": _TEXT, "new": _TEXT, "text": _TEXT, "key": _TEXT, "read_back": _TEXT,
          "before": _READING, "after": _READING, "channel": _TEXT, "measurement": _MEASUREMENT}
_CHANNEL = {"name": _TEXT, "input": _TEXT, "kind": _TEXT, "width": _WHOLE, "exponent": _WHOLE, "unit": _TEXT, "signed": _BOOL, "detector": _TEXT,
            "edge": _TEXT, "dead_time_ns": _I64, "dark_cps": _NUMBER, "of": [_TEXT], "window_ns": _I64, "window_ps": _I64,
            "warn_above_cps": _NUMBER, "warn_below_cps": _NUMBER}
_DESCRIPTOR = {"stream*": _TEXT, "base*": _TEXT, "boot": _TEXT, "software*": _TEXT, "cause*": _TEXT,
               "previous": {"epoch": _WHOLE, "seq": _U64, "cause": _TEXT}, "driver": _TEXT, "model": _TEXT, "serial": _TEXT, "firmware": _TEXT,
               "identity": _TEXT, "port": _TEXT, "gate_ns": _I64, "late_ns": _I64, "timing": _TEXT, "unverified": _BOOL, "blind": _TEXT,
               "tick": (_U64, _U64), "parent": {"stream": _TEXT, "epoch": _WHOLE},
               "channels*": [_CHANNEL], "settings": [{"key": _TEXT, "value": _TEXT, "unit": _TEXT, "how": _TEXT, "asked": _TEXT}]}
_CLOCK_HOST = {"kind*": _TEXT, "utc_ns*": _I64, "mono_ns": _I64, "boot_ns": _I64, "cause*": _TEXT, "sync*": _TEXT, "step_ns": _I64, "freq_ppb": _WHOLE,
               "est_error_ns": _I64, "max_error_ns": _I64}
_CLOCK_DEVICE = {"kind*": _TEXT, "pairs*": [(_U64, _I64)]}
_HELLO = {"format*": [_WHOLE], "role*": _TEXT, "name*": _TEXT, "id*": _TEXT, "software*": _TEXT, "nonce*": _TEXT, "wants": [_TEXT], "needs": [_TEXT],
          "base": _TEXT, "boot": _TEXT, "now_ns": _I64, "utc_ns": _I64}
_CURSOR = {"stream": _TEXT, "epoch": _WHOLE, "seq": _U64, "crc": _TEXT}
_SUBSCRIBED = {"name": _TEXT, "id": _WHOLE, "answer": _TEXT, "epoch": _WHOLE, "seq": _U64, "oldest": _PLACE, "newest": _PLACE}
_SETTING = {"device": _TEXT, "key": _TEXT, "value": _TEXT, "unit": _TEXT, "how": _TEXT, "title": _TEXT, "kind": _TEXT, "min": _TEXT, "max": _TEXT,
            "choices": [_TEXT], "locked": _TEXT}

_DESCRIPTOR_TYPE, _COUNTS, _TAGS, _GAP, _EVENT_TYPE, _CLOCK, _END, _HOLE = 1, 2, 3, 4, 5, 6, 7, 15
_HELLO_TYPE, _PROOF, _REFUSE, _SUBSCRIBE, _SUBSCRIBED_TYPE, _TURN, _COPY, _CREDIT = 32, 33, 34, 35, 36, 37, 38, 39
_ACK, _HEARTBEAT, _SKIP, _BAD, _FINISHED, _BYE, _REQUEST, _REPLY = 40, 41, 42, 43, 44, 45, 46, 47

_PAYLOADS = {
    _DESCRIPTOR_TYPE: _DESCRIPTOR,
    _GAP: {"cause*": _TEXT, "detail": _TEXT, "duration_ns": _I64, "missing": _U64, "approximate": _BOOL},
    _EVENT_TYPE: _EVENT,
    _CLOCK: None,  # by its kind
    _END: {"cause*": _TEXT, "detail": _TEXT},
    _HOLE: {"to*": _U64, "cause*": _TEXT, "by*": _TEXT, "detail": _TEXT},
    _HELLO_TYPE: _HELLO,
    _PROOF: {"mac*": _TEXT, "rights": [_TEXT]},
    _REFUSE: {"code*": _TEXT, "text": _TEXT},
    _SUBSCRIBE: {"sub*": _WHOLE, "kind*": _TEXT, "streams*": [_TEXT], "from*": _TEXT, "time_ns": _I64, "cursors": [_CURSOR], "rest": _TEXT,
                 "to_ns": _I64, "credit*": _U64, "take_over": _BOOL},
    _SUBSCRIBED_TYPE: {"sub*": _WHOLE, "streams*": [_SUBSCRIBED]},
    _TURN: {"sub*": _WHOLE},
    _CREDIT: {"sub*": _WHOLE, "bytes*": _U64},
    _ACK: {"sub*": _WHOLE, "streams*": [{"id": _WHOLE, "epoch": _WHOLE, "seq": _U64}]},
    _HEARTBEAT: {"t_ns*": _I64, "echo": {"t_ns": _I64, "received_ns": _I64}},
    _SKIP: {"sub*": _WHOLE, "stream*": _WHOLE, "epoch*": _WHOLE, "seq*": _U64},
    _BAD: {"sub*": _WHOLE, "stream*": _WHOLE, "epoch*": _WHOLE, "seq*": _U64, "detail": _TEXT},
    _FINISHED: {"sub*": _WHOLE},
    _BYE: {"reason": _TEXT},
    _REQUEST: {"id*": _U64, "do*": _TEXT, "who": _TEXT, "name": _TEXT, "device": _TEXT, "key": _TEXT, "value": _TEXT, "force": _BOOL, "text": _TEXT,
               "measurement": _MEASUREMENT},
    _REPLY: {"id*": _U64, "t_ns*": _I64, "code": _TEXT, "text": _TEXT, "settings": [_SETTING], "change": _EVENT, "status": _ANY},
}
_PREAMBLE = {"format*": _WHOLE, "journal*": _TEXT, "gateway*": _TEXT, "stream*": _TEXT, "stream_id*": _WHOLE, "epoch*": _WHOLE, "first_seq*": _U64,
             "place*": _TEXT, "created_utc_ns*": _I64}

_MAX_JSON, _MAX_NESTING = 64 << 10, 8
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_KEY = re.compile(r"[a-z0-9_]+\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,19})\Z")


def _parse_json(raw):
    """Reads one JSON object as SPEC section 1 wants it, without its nulls."""
    if len(raw) > _MAX_JSON:
        raise FormatError("limit", "JSON of %d bytes, at most %d are allowed" % (len(raw), _MAX_JSON))
    try:
        text = bytes(raw).decode("utf-8")
    except UnicodeDecodeError as e:
        raise _bad("JSON that is not UTF-8 (%s)", e) from None
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _MAX_NESTING:
            raise FormatError("limit", "JSON nested more than %d deep" % _MAX_NESTING)
    try:
        value = json.loads(text, object_pairs_hook=_json_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise _bad("a payload that is no JSON: %s", e) from None
    if not isinstance(value, dict):
        raise _bad("a payload that is no JSON object")
    return value


def _json_object(pairs):
    out = {}
    for key, value in pairs:
        if key in out or not _KEY.match(key):
            raise _bad("the JSON key %r stands twice or is none of this format", key)
        out[key] = value
    return {key: value for key, value in out.items() if value is not None}


def _no_constant(word):
    raise _bad("%s is no JSON", word)


def _known(value, kind, where, outermost=False):
    """Checks a JSON value and leaves out what this version does not know."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            raise _bad("%s: expected an object, got %.40r", where, value)
        out = {}
        for key, inner in kind.items():
            name = key.rstrip("*")
            if name in value:
                out[name] = _known(value[name], inner, where + "." + name if where else name)
            elif outermost and name != key:
                raise _bad("%s is missing", name)
        return out
    if isinstance(kind, (list, tuple)):
        if not isinstance(value, list) or isinstance(kind, tuple) and len(value) != len(kind):
            raise _bad("%s: expected a list, got %.40r", where, value)
        return [_known(v, k, where) for v, k in zip(value, kind if isinstance(kind, tuple) else itertools.repeat(kind[0]))]
    if not _FITS[kind](value):
        raise _bad("%s: expected %s, got %.40r", where, kind, value)
    return value


_FITS = {
    _TEXT: lambda v: isinstance(v, str),
    _BOOL: lambda v: isinstance(v, bool),
    _WHOLE: lambda v: isinstance(v, int) and not isinstance(v, bool) and -1 << 31 <= v < 1 << 32,
    _NUMBER: lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    _U64: lambda v: isinstance(v, str) and _DECIMAL.match(v) and v[0] != "-" and int(v) <= _M64,
    _I64: lambda v: isinstance(v, str) and _DECIMAL.match(v) and v != "-0" and -1 << 63 <= int(v) < 1 << 63,
    _ANY: lambda v: True,
}


def _read_json(kind, raw):
    value = _parse_json(raw)
    shape = _PAYLOADS[kind]
    if kind == _CLOCK:
        if value.get("kind") not in ("host", "device"):
            raise _bad("a clock frame of kind %.40r, expected host or device", value.get("kind"))
        shape = _CLOCK_HOST if value["kind"] == "host" else _CLOCK_DEVICE
    value = _known(value, shape, "", outermost=True)
    if kind == _DESCRIPTOR_TYPE and "0" in value.get("tick", ()):
        raise _bad("a tick of %s/%s s", *value["tick"])
    return value


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")


def _is_name(text):
    return bool(_NAME.match(text)) and not text.endswith(".") and not _RESERVED.match(text)


# Frames: SPEC sections 3, 4 and 6.

_FRAME_MAGIC, _SEGMENT_MAGIC, _MARK_MAGIC = b"\xF5PG\x01", b"\xF5PS\x01", b"\xF5PM\x01"
_HEADER = struct.Struct("<4sBBHIIIIIIQQq")
_MAX_FRAME, _MAX_OPENING, _MAX_VALUES, _MAX_CHANNELS = 1 << 20, 4 << 10, 4 << 20, 1024
_MAX_TAGS, _MAX_TAG_CHANNELS = 65536, 256


class Header:
    """The header of a frame, SPEC section 3. `size` and `length` are the bytes of header and payload."""

    __slots__ = ("type", "critical", "flags", "size", "length", "header_crc", "payload_crc", "stream", "epoch", "count", "seq", "index", "time")

    def __repr__(self):
        return "Header(%s)" % ", ".join("%s=%s" % (k, getattr(self, k)) for k in self.__slots__)


def _check_magic(data, at, magic, what):
    head = bytes(data[at:at + 4])
    if not magic.startswith(head[:3]):
        raise FormatError("magic", "no %s: it begins with %s" % (what, head.hex(" ")))
    if len(head) < 4:
        raise FormatError("truncated", "the bytes end within the first four of a %s" % what)
    if head[3] != magic[3]:
        raise FormatError("version", "made for version %d of the format; this is photongate.py for version %d: get a newer one" % (head[3], magic[3]))


def read_header(data, at=0):
    """Reads and checks a frame's header; raises FormatError."""
    _check_magic(data, at, _FRAME_MAGIC, "frame")
    left = len(data) - at
    size = 4 * data[at + 4] if left > 4 else 0
    if left > 4 and not 14 <= data[at + 4] <= 63:
        raise _bad("a header of %d bytes, expected 56 to 252", size)
    if left < 5 or left < size:
        raise FormatError("truncated", "the bytes end within a header")
    raw = bytes(data[at:at + size])
    h = Header()
    (_, _, kind, h.flags, h.length, h.header_crc, h.payload_crc, h.stream, h.epoch, h.count, h.seq, h.index, h.time) = _HEADER.unpack_from(raw)
    h.type, h.critical, h.size = kind & 127, kind > 127, size
    if crc32c(raw[:12] + b"\0\0\0\0" + raw[16:]) != h.header_crc:
        raise FormatError("header-crc", "a header whose checksum does not hold")
    _check_limits(h)
    return h


def _check_limits(h):
    total = h.size + h.length
    most = _MAX_FRAME
    if h.type in (_HELLO_TYPE, _PROOF):
        most = _MAX_OPENING
    if total > most:
        raise FormatError("limit", "a frame of %d bytes, at most %d are allowed" % (total, most))
    if h.length > _MAX_JSON and h.type in _PAYLOADS:
        raise FormatError("limit", "JSON of %d bytes, at most %d are allowed" % (h.length, _MAX_JSON))
    if h.type == _COUNTS and h.count > _MAX_VALUES:
        raise FormatError("limit", "%d readings in a frame, at most %d values are allowed" % (h.count, _MAX_VALUES))
    if h.type == _TAGS and h.count > _MAX_TAGS:
        raise FormatError("limit", "%d tags in a frame, at most %d are allowed" % (h.count, _MAX_TAGS))


def read_frame(data, at=0):
    """Reads one frame: its header, its payload, and where the next one begins."""
    h = read_header(data, at)
    end = at + h.size + h.length
    if end > len(data):
        raise FormatError("truncated", "the bytes end within a frame")
    payload = bytes(data[at + h.size:end])
    if crc32c(payload) != h.payload_crc:
        raise FormatError("payload-crc", "a payload whose checksum does not hold")
    return h, payload, end


def _check_understood(h):
    if h.flags & 0xFF00 or h.critical and h.type not in _PAYLOADS and h.type not in (_COUNTS, _TAGS, _COPY):
        raise FormatError("unknown", "a frame of type %d and flags %04x that must be understood and is not; get a newer photongate.py" % (h.type, h.flags))


def decode_payload(h, payload, channels=None):
    """Decodes a payload: a dict for JSON, Counts for counts, Tags for tags, bytes for what is not looked into. channels is how
    many the descriptor named, if known."""
    _check_understood(h)
    if h.type == _COUNTS:
        return _read_counts(payload, h.count, h.time, channels)
    if h.type == _TAGS:
        return _read_tags(payload, h.count, channels)
    if h.type in _PAYLOADS:
        return _read_json(h.type, payload)
    return payload


class Counts:
    """A decoded counts frame: columns of words, lists or NumPy arrays. dead, uncertainty, flags and the value flags of a
    channel are None where absent."""

    __slots__ = ("n", "begin", "length", "dead", "uncertainty", "flags", "values", "value_flags")


def _signed_column(words):
    if isinstance(words, list):
        return [_signed(w) for w in words]
    return words.view(_np.int64)


def _flag_column(words, bits):
    most = max(words) if isinstance(words, list) else int(words.max())
    if most >> bits:
        raise _bad("a flag word of more than %d bits", bits)
    return words


def _read_counts(data, n, start, channels):
    if len(data) < 2:
        raise _bad("a payload of counts of %d bytes", len(data))
    if data[0] != 1 or data[1] & ~31:
        raise FormatError("unknown", "counts in a form that this version does not know; get a newer photongate.py")
    present = data[1]
    number, at = _uvarint(data, 2)
    if number > _MAX_CHANNELS or number * n > _MAX_VALUES:
        raise FormatError("limit", "%d readings of %d channels in a frame" % (n, number))
    if number == 0 or n == 0:
        raise _bad("%d readings of %d channels in a frame", n, number)
    if channels is not None and number != channels:
        raise _bad("counts of %d channels where the descriptor names %d", number, channels)
    mask = 0
    if present & 16:
        raw, at = _take_bytes(data, at, (number + 7) // 8)
        mask = int.from_bytes(raw, "little")
    c = Counts()
    c.n = n
    columns = []
    for bit in (None, 1, 2, 4, 8):
        column = None
        if bit is None or present & bit:
            column, at = _column(data, at, n)
            column = _flag_column(column, 32) if bit == 8 else _signed_column(column)
        columns.append(column)
    c.length, pauses, c.dead, c.uncertainty, c.flags = columns
    c.begin = _begins(start, c.length, pauses)
    c.values, c.value_flags = [], []
    for i in range(number):
        column, at = _column(data, at, n)
        c.values.append(column)
        column = None
        if mask >> i & 1:
            column, at = _column(data, at, n)
            column = _flag_column(column, 8)
        c.value_flags.append(column)
    if at != len(data):
        raise _bad("%d bytes behind the last column", len(data) - at)
    return c


def _begins(start, lengths, pauses):
    if isinstance(lengths, list):
        steps = lengths[:-1] if pauses is None else [a + b for a, b in zip(lengths, pauses[1:])]
        return [_signed(t & _M64) for t in itertools.accumulate(steps, initial=start)]
    begin = _np.empty(len(lengths), _np.int64)
    begin[0] = start
    begin[1:] = lengths[:-1]
    if pauses is not None:
        begin[1:] += pauses[1:]
    return _np.cumsum(begin, dtype=_np.int64)


# Time tags: SPEC section 13.

Loss = collections.namedtuple("Loss", "begin end channel missing")
Loss.__doc__ = """A stretch of ticks, begin <= tick < end, of which tags may be missing: of the channel of this number (None: of all), and how many
(None: not known)."""


class Tags:
    """A decoded frame of tags: ticks and channels, lists or NumPy arrays of uint64 and uint8; the tick until which the clock is
    known to have come; losses; totals, the number of tags of each channel."""

    __slots__ = ("n", "ticks", "channels", "until", "losses", "totals", "time")


def _byte(data, at):
    if at >= len(data):
        raise _bad("the payload of tags ends too early")
    return data[at], at + 1


def _read_tags(data, n, channels):
    schema, at = _byte(data, 0)
    present, at = _byte(data, at)
    if schema != 1 or present & ~3:
        raise FormatError("unknown", "tags in a form that this version does not know; get a newer photongate.py")
    number, at = _uvarint(data, at)
    if number > _MAX_TAG_CHANNELS:
        raise FormatError("limit", "tags of %d channels, at most %d are allowed" % (number, _MAX_TAG_CHANNELS))
    if number == 0 or channels is not None and number != channels:
        raise _bad("tags of %d channels where the descriptor names %s", number, "some" if channels is None else channels)
    t = Tags()
    t.n, t.totals, t.losses = n, [], []
    last, at = _uvarint(data, at)
    for _ in range(number):
        total, at = _uvarint(data, at)
        t.totals.append(total)
    ahead, at = _uvarint(data, at)
    t.until = last + _unzigzag(ahead) & _M64
    if n == 0 and ahead:
        raise _bad("a frame without tags whose clock came to two moments")
    if present & 2:
        at = _read_losses(data, at, number, t.losses)
    t.ticks, t.channels = [], []
    if n:
        t.ticks, at = _ticks(data, at, n)
        t.channels, at = _channels(data, at, n, 0)
    if at != len(data):
        raise _bad("%d bytes behind the tags", len(data) - at)
    _check_tags(t, last, present & 1)
    return t


def _read_losses(data, at, number, losses):
    count, at = _uvarint(data, at)
    begin = 0
    for _ in range(count):
        ahead, at = _uvarint(data, at)
        length, at = _uvarint(data, at)
        channel, at = _uvarint(data, at)
        known, at = _byte(data, at)
        begin, missing = begin + ahead, None
        if known == 1:
            missing, at = _uvarint(data, at)
        if known > 1 or channel > number or begin + length > _M64:
            raise _bad("a loss from %d, %d ticks long, of channel %d", begin, length, channel - 1)
        losses.append(Loss(begin, begin + length, channel - 1 if channel else None, missing))
    return at


def _check_tags(t, last, is_sorted):
    """Compares tags with what the frame says of them."""
    if isinstance(t.channels, list):
        counted = collections.Counter(t.channels)
        same = sum(t.totals) == t.n and all(counted[i] == total for i, total in enumerate(t.totals))
        rising = all(a <= b for a, b in zip(t.ticks, t.ticks[1:]))
    else:
        counted = _np.bincount(t.channels, minlength=len(t.totals)).tolist()
        same, rising = counted == t.totals, bool((t.ticks[1:] >= t.ticks[:-1]).all())
    if not same or t.n and int(t.ticks[-1]) != last or is_sorted and not rising:
        raise _bad("tags that are not those the frame says it has")


def _ticks(data, at, n, within=False):
    """The ticks of n tags, SPEC section 13.1."""
    how = data[at] if at < len(data) else None
    if how == 0x02:
        return _rising(data, at + 1, n)
    if how != 0x03:
        return _column(data, at, n)
    if within:
        raise FormatError("unknown", "pulses of pulses; get a newer photongate.py")
    begin, at = _uvarint(data, at + 1)
    period, at = _uvarint(data, at)
    raw, at = _take_bytes(data, at, 4)
    fraction = int.from_bytes(raw, "little")
    pulses, at = _ticks(data, at, n, True)
    places, at = _column(data, at, n)
    if (max(pulses) if isinstance(pulses, list) else int(pulses.max())) >> 32:
        raise _bad("a pulse of a number beyond 32 bits")
    if isinstance(pulses, list):
        return [begin + p * period + (p * fraction >> 32) + f & _M64 for p, f in zip(pulses, places)], at
    u64 = _np.uint64
    return pulses * u64(period) + (pulses * u64(fraction) >> u64(32)) + places + u64(begin), at


def _rising(data, at, n):
    size, at = _byte(data, at)
    begin, at = _uvarint(data, at)
    if not 6 <= size <= 16:
        raise _bad("blocks of 2^%d tags", size)
    blocks = []
    for first in range(0, n, 1 << size):
        block, at = _gaps(data, at, min(n - first, 1 << size))
        blocks.append(block)
    if not _use_numpy(n):
        return [t & _M64 for t in itertools.accumulate(itertools.chain.from_iterable(blocks), initial=begin)][1:], at
    return _np.cumsum(_np.concatenate([_as_array(b, _np.uint64) for b in blocks]), dtype=_np.uint64) + _np.uint64(begin), at


def _as_array(column, kind):
    return _np.array(column, kind) if isinstance(column, list) else column


def _gaps(data, at, n):
    """A block of rising ticks: the differences."""
    head, at = _byte(data, at)
    if head & 128:
        raise _bad("a block of ticks that begins with 0x%02x", head)
    if not head & 64:
        return _rice(data, at, n, head)
    raw, at = _take_bytes(data, at, (n + 4) // 5)
    if max(raw) > 242:
        raise _bad("thirds of more than five digits")
    w, at = _rice(data, at, n, head & 63)
    if isinstance(w, list):
        return [3 * v + raw[i // 5] // 3**(i % 5) % 3 & _M64 for i, v in enumerate(w)], at
    fives = _np.frombuffer(raw, _np.uint8)
    digits = _np.stack([fives // 3**i % 3 for i in range(5)], axis=1).reshape(-1)[:n]
    return w * _np.uint64(3) + digits, at


def _channels(data, at, n, depth):
    """The channels of n tags, SPEC section 13.2."""
    how, at = _byte(data, at)
    if how == 0x00:
        raw, at = _take_bytes(data, at, n)
        return (_np.frombuffer(raw, _np.uint8) if _use_numpy(n) else list(raw)), at
    if how == 0x01:
        channel, at = _byte(data, at)
        return (_np.full(n, channel, _np.uint8) if _use_numpy(n) else [channel] * n), at
    if how == 0x02:
        return _digits(data, at, n)
    if how not in (0x03, 0x04):
        raise FormatError("unknown", "channels coded in a way this version does not know (0x%02x); get a newer photongate.py" % how)
    many, at = _uvarint(data, at)
    k, at = _byte(data, at)
    if not 1 <= many <= (n - 1 if how == 0x03 else n) or k > 63 or depth == 8:
        raise _bad("%d channels of %d apart from the others, %d deep", many, n, depth)
    gaps, at = _rice(data, at, many, k)
    if (max(gaps) if isinstance(gaps, list) else int(gaps.max())) >= n:
        raise _bad("a channel that stands beyond the last of %d tags", n)
    some, at = _channels(data, at, many, depth + 1)
    if how == 0x04:
        return _runs(gaps, some, n), at
    rest, at = _channels(data, at, n - many, depth + 1)
    return _split(gaps, some, rest, n), at


def _digits(data, at, n):
    base, at = _byte(data, at)
    group, at = _byte(data, at)
    if base < 2 or not 1 <= group <= 16 or base**group > 65536:
        raise _bad("groups of %d digits below %d", group, base)
    palette, at = _take_bytes(data, at, base)
    many, width = (n + group - 1) // group, (base**group - 1).bit_length()
    raw, at = _take_bytes(data, at, (many * width + 7) // 8)
    words = _bit_fields(raw, many, width)
    if (max(words) if isinstance(words, list) else int(words.max())) >= base**group:
        raise _bad("a group of more than %d digits below %d", group, base)
    if not _use_numpy(n):
        return [palette[int(w) // base**i % base] for w in words for i in range(group)][:n], at
    words = _as_array(words, _np.uint64).astype(_np.uint32)
    digits = _np.empty((many, group), _np.uint8)
    for i in range(group):
        words, digits[:, i] = _np.divmod(words, _np.uint32(base))
    return _np.frombuffer(palette, _np.uint8)[digits.reshape(-1)[:n]], at


def _split(gaps, some, rest, n):
    """Puts the channels of some tags among those of the rest."""
    if _use_numpy(n):
        places = _np.cumsum(_as_array(gaps, _np.uint64).astype(_np.int64) + 1) - 1
        if places[-1] >= n:
            raise _bad("a channel that stands beyond the last of %d tags", n)
        out, others = _np.empty(n, _np.uint8), _np.ones(n, bool)
        out[places], others[places] = _as_array(some, _np.uint8), False
        out[others] = _as_array(rest, _np.uint8)
        return out
    out = []
    rest = iter(rest)
    for gap, channel in zip(gaps, some):
        if len(out) + gap >= n:
            raise _bad("a channel that stands beyond the last of %d tags", n)
        out.extend(itertools.islice(rest, gap))
        out.append(channel)
    out.extend(rest)
    return out


def _runs(gaps, some, n):
    lengths = _as_array(gaps, _np.uint64).astype(_np.int64) + 1 if _use_numpy(n) else [g + 1 for g in gaps]
    if sum(lengths) != n:
        raise _bad("runs of %d tags together, expected %d", sum(lengths), n)
    if _use_numpy(n):
        return _np.repeat(_as_array(some, _np.uint8), lengths)
    return [c for c, length in zip(some, lengths) for _ in range(length)]


# Segment files: SPEC section 8.

_MARK = struct.Struct("<4sIQQII")
_PREAMBLE_HEAD = struct.Struct("<4sIIII")
_MAX_PREAMBLE = 256 << 10


def read_mark(data, at=0):
    """Reads a mark: the offset up to which the file was on the disk, and the last sequence before it."""
    _check_magic(data, at, _MARK_MAGIC, "mark")
    if len(data) - at < 32:
        raise FormatError("truncated", "the bytes end within a mark")
    _, length, offset, last, _, crc = _MARK.unpack_from(data, at)
    if crc32c(bytes(data[at:at + 28])) != crc:
        raise FormatError("header-crc", "a mark whose checksum does not hold")
    if length != 32:
        raise _bad("a mark of %d bytes, expected 32", length)
    return offset, last


def read_preamble(data):
    """Reads the preamble of a segment file: its JSON as a dict, the copies as (Header, payload), and its length."""
    _check_magic(data, 0, _SEGMENT_MAGIC, "segment file")
    if len(data) < 20:
        raise FormatError("truncated", "the bytes end within a preamble")
    _, length, text_length, body_crc, head_crc = _PREAMBLE_HEAD.unpack_from(data)
    if crc32c(bytes(data[:16])) != head_crc:
        raise FormatError("header-crc", "a preamble whose checksum does not hold")
    if length > _MAX_PREAMBLE or text_length > _MAX_JSON:
        raise FormatError("limit", "a preamble of %d bytes with %d of JSON" % (length, text_length))
    if 20 + text_length > length:
        raise _bad("a preamble of %d bytes with %d of JSON", length, text_length)
    if len(data) < length:
        raise FormatError("truncated", "the bytes end within a preamble")
    body = bytes(data[20:length])
    if crc32c(body) != body_crc:
        raise FormatError("payload-crc", "a preamble whose checksum does not hold")
    value = _known(_parse_json(body[:text_length]), _PREAMBLE, "", outermost=True)
    if value["format"] != 1:
        raise FormatError("version", "a file of version %d of the format; this photongate.py knows version 1: get a newer one" % value["format"])
    if not (_is_name(value["gateway"]) and _is_name(value["stream"])):
        raise _bad("a file with the names %.80r and %.80r, which are not allowed", value["gateway"], value["stream"])
    if value["stream_id"] <= 0 or value["epoch"] <= 0 or int(value["first_seq"]) == 0:
        raise _bad("a file of stream %d, part %d, first frame %s", value["stream_id"], value["epoch"], value["first_seq"])
    copies, at = [], text_length
    while at < len(body):
        try:
            h, payload, at = read_frame(body, at)
        except FormatError as e:
            raise _bad("a preamble with a copy that is no good frame: %s", e) from None
        copies.append((h, payload))
    return value, copies, length


def _mend_preamble(data):
    """What is known of a preamble whose head is damaged: its dict, copies and length as read_preamble gives them where its second
    checksum holds up to a frame, a mark or the end; else None, the copies that are whole, and where frames begin that are no
    copies, 0 if nothing tells."""
    sum_wanted = data[12:16]
    for end in itertools.islice(_magics(data, 20), 8):
        if len(data) >= 20 and struct.pack("<I", crc32c(bytes(data[20:end]))) == sum_wanted:
            text = bytes(data[20:end]).find(b"\xF5")
            head = _SEGMENT_MAGIC + struct.pack("<II", end, text if text >= 0 else end - 20) + sum_wanted
            return read_preamble(head + struct.pack("<I", crc32c(head)) + bytes(data[20:end]))
    stated = struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else 0
    if 20 < stated <= _MAX_PREAMBLE and stated in (len(data), *itertools.islice(_magics(data, stated), 1)):
        return None, _find_copies(data[:stated]), stated
    end = _end_of_copies(data)
    return None, _find_copies(data[:end]), end


def _find_copies(data):
    """The copies in a damaged preamble that are whole: each bears its own checksums."""
    copies = []
    for at in _magics(data, 20):
        try:
            copies.append(read_frame(data, at)[:2])
        except FormatError:
            pass
    return copies


def _magics(data, at):
    """Where frames or marks may begin from a place on, and last the end of the bytes."""
    while at < len(data):
        if data[at:at + 4] in (_FRAME_MAGIC, _MARK_MAGIC):
            yield at
        at = data.find(b"\xF5P", at + 1)
        if at < 0:
            break
    yield len(data)


def _end_of_copies(data):
    """Where the first frames that stand back to back leave off being copies: each of the file's own follows the one before it."""
    begin, at, last, to = 0, None, None, 0
    for at, what, found in scan_segment(data, 20):
        if what == "mark" or what == "damage" and last is not None:
            break
        if what == "frame":
            h, payload = found
            if last is None or (h.stream, h.epoch, h.seq) != (last.stream, last.epoch, to + 1):
                begin = at
            last, to = h, h.seq
            if h.type == _HOLE:
                try:
                    to = int(decode_payload(h, payload)["to"])
                except (FormatError, KeyError, TypeError, ValueError):
                    pass
    return begin


def scan_segment(data, at):
    """Walks over what stands behind a preamble. Yields (offset, "frame", (Header, payload)), (offset, "mark", (offset, last)) and,
    for damage that was passed over, (offset, "damage", its end)."""
    bad = None
    while at < len(data):
        try:
            if data[at:at + 4] == _MARK_MAGIC:
                what, found, end = "mark", read_mark(data, at), at + 32
            else:
                h, payload, end = read_frame(data, at)
                what, found = "frame", (h, payload)
        except FormatError as e:
            if e.kind == "version" and bad is None:
                raise
            bad = at if bad is None else bad
            at = data.find(b"\xF5P", at + 1)
            while at >= 0 and data[at:at + 4] not in (_FRAME_MAGIC, _MARK_MAGIC):
                at = data.find(b"\xF5P", at + 1)
            if at < 0:
                break
            continue
        if bad is not None:
            yield bad, "damage", at
            bad = None
        yield at, what, found
        at = end
    if bad is not None:
        yield bad, "damage", len(data)


# Time: SPEC section 7.5.

_STEP_NS, _WRONG_NS, _DRIFT_PPM = 100_000, 1_000_000_000, 200
_EARLIEST_UTC = 1735689600 * 10**9  # 2025-01-01: no gateway is older, so a clock that says less has never been set


class _Clocks:
    """How the time bases of a gateway relate to UTC and to each other, from the clock frames of its stream "gateway"."""

    def __init__(self):
        self._boot = {}      # base -> boot id of the host
        self._marks = {}     # base -> sorted [(time, utc, mono or None, sync, boot time or None)]
        self._epochs = {}    # epoch of the stream gateway -> base
        self._waiting = {}   # epoch -> clock frames that came before its descriptor
        self._offsets = {}   # base -> [(from, offset)], as worked out

    def boot(self, base, boot):
        if boot:
            self._boot[base] = boot

    def epoch(self, epoch, base):
        """The time base of an epoch of the stream gateway."""
        self._epochs[epoch] = base
        for at, clock in self._waiting.pop(epoch, ()):
            self.add(epoch, at, clock)

    def copied(self, epoch, base, at, clock):
        """A copy of a clock frame, where the epoch's own descriptor may never come."""
        if epoch not in self._epochs:
            self.epoch(epoch, base)
        self.add(epoch, at, clock)

    def add(self, epoch, at, clock):
        """A clock frame of kind host."""
        base = self._epochs.get(epoch)
        if base is None:
            self._waiting.setdefault(epoch, []).append((at, clock))
            return
        mono, boot = int(clock.get("mono_ns") or 0) or None, int(clock.get("boot_ns") or 0) or None
        mark = (at, int(clock["utc_ns"]), mono, clock["sync"], boot)
        marks = self._marks.get(base, [])
        if mark not in marks:
            self._marks[base] = sorted(marks + [mark], key=lambda m: m[0])
            self._offsets = {}  # bases of one boot lend to each other

    def offsets(self, base):
        """When which offset to UTC holds: [(from, offset)], the first for all that is earlier. Empty: UTC is not known."""
        found = self._offsets.get(base)
        if found is None:
            found = self._offsets[base] = self._work_out(base)
        return found

    def _work_out(self, base):
        marks = self._marks.get(base)
        if not marks:
            return None
        synced = [m for m in marks if m[3] == "synchronised"]
        offsets = []
        for at, utc, *_ in synced or self._believed(marks):
            if not offsets or abs(utc - at - offsets[-1][1]) > _STEP_NS:
                offsets.append((at, utc - at))
        return offsets if synced else self._borrowed(base, marks[0], offsets)

    @staticmethod
    def _believed(marks):
        def steps_later(i):
            return any(abs(u - t - (marks[i][1] - marks[i][0])) > _WRONG_NS for t, u, *_ in marks[i + 1:])
        return [m for i, m in enumerate(marks) if m[1] >= _EARLIEST_UTC and (m[3] != "unsynchronised" or not steps_later(i))]

    @staticmethod
    def _apart(a, b):
        """The time from mark a to mark b of another base of the same boot, and whether it is exact; None: nothing ties the two."""
        for which in (4, 2):
            if a[which] is not None and b[which] is not None:
                return b[which] - a[which], which == 4
        return None

    def _borrowed(self, base, first, offsets):
        """Takes the offset of another base of the same boot that was synchronised: by the clock under both, or by raw monotonic time where that contradicts or nothing is known."""
        boot, best = self._boot.get(base), None
        for other, marks in self._marks.items():
            if not boot or other == base or self._boot.get(other) != boot:
                continue
            for mark in marks:
                apart = self._apart(first, mark)
                if mark[3] == "synchronised" and apart and (best is None or (abs(apart[0]), -apart[0]) < (abs(best[0]), -best[0])):
                    best = apart + (mark[1],)
        if best is None:
            return offsets
        apart, exact, utc = best
        lent = utc - apart - first[0]
        if not exact and offsets and abs(lent - offsets[-1][1]) <= _WRONG_NS + abs(apart) // 1_000_000 * _DRIFT_PPM:
            return offsets
        return [(first[0], lent)]

    def gap_begin(self, base, said, first):
        """When a gap begins that is approximate, by the base of the process that wrote it. said is what the gap tells: UTC as
        the process before believed it; first is the begin of the reading behind it. None: that is not known."""
        offsets = self.offsets(base)
        begin = said if offsets is None else said - offsets[0][1] if offsets else None
        return None if begin is None or said < _EARLIEST_UTC or said == first or begin >= first else begin

    def utc(self, base, begin):
        """UTC in ns of moments of a base, None where it is not known."""
        offsets = self.offsets(base)
        if offsets is None:  # nothing was said of this base: it was set to UTC as then believed
            return [t if t >= _EARLIEST_UTC else None for t in begin]
        if not offsets:
            return [None] * len(begin)
        out = []
        for t in begin:
            i = len(offsets) - 1
            while i and offsets[i][0] > t:
                i -= 1
            out.append(t + offsets[i][1])
        return out

    def utc_array(self, base, begin):
        """As utc, for an int64 array; what is not known is the least value (NaT)."""
        offsets = self.offsets(base)
        unknown = _np.iinfo(_np.int64).min
        if offsets is None:
            return _np.where(begin >= _EARLIEST_UTC, begin, unknown)
        if not offsets:
            return _np.full(len(begin), unknown, _np.int64)
        which = _np.searchsorted([o[0] for o in offsets], begin, side="right") - 1
        return begin + _np.array([o[1] for o in offsets], _np.int64)[_np.maximum(which, 0)]

    def shift(self, a, b):
        """What must be added to times of base b to compare them with times of base a; 0 when nothing ties the two."""
        if a == b:
            return 0
        ma, mb = self._marks.get(a), self._marks.get(b)
        raw = None
        if ma and mb and self._boot.get(a) and self._boot.get(a) == self._boot.get(b):
            apart = self._apart(ma[-1], mb[0])
            if apart:
                raw = ma[-1][0] + apart[0] - mb[0][0]
                if apart[1]:
                    return raw
        oa, ob = self.offsets(a), self.offsets(b)
        if not oa or not ob:
            return raw or 0
        by_utc = ob[0][1] - oa[-1][1]
        if raw is not None and abs(raw - by_utc) > _WRONG_NS + abs((mb[0][2] or 0) - (ma[0][2] or 0)) // 1_000_000 * _DRIFT_PPM:
            return raw
        return by_utc


def _utc_datetime(ns):
    """A moment in ns UTC as a datetime, to the microsecond; None for None."""
    if ns is None:
        return None
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=(ns + 500) // 1000)


# What the user holds: batches, gaps, events.

_READING_FLAGS = ["first", "unverified", "mixed", "short", "implausible", "late"]
_VALUE_FLAGS = ["absent", "overflow", "suspect"]
_FIRST, _ABSENT = 1, 1
# Flags that make a count wrong. The others (late, unverified) leave it a good count of the time stated.
_SPOILING = {"first", "mixed", "short", "implausible", "overflow", "suspect", "absent"}


class Gap:
    """Readings that are missing.

    kind          "gap": the instrument or the way to it lost them; nobody can bring them back.
                  "hole": the gateway had them and they are not here.
                  "undecoded": they are here, in a form this version does not know.
    cause, detail texts
    t, time       when it began, as in a Batch (NaN, None: not known)
    duration_s    None when not known
    missing       number of readings missing, None when not known
    part, index   the first missing reading
    position      the readings are missing before the reading of this number of the batch (len(batch): after the last)
    """

    def __init__(self, kind, cause, detail="", utc_ns=None, duration_s=None, missing=None, part=0, index=0, position=0, stream=""):
        self.kind, self.cause, self.detail, self.duration_s, self.missing = kind, cause, detail, duration_s, missing
        self.part, self.index, self.position, self.stream = part, index, position, stream
        self.time = _utc_datetime(utc_ns)
        self.t = math.nan if utc_ns is None else utc_ns / 1e9
        self._moment = None  # (time base, ns), where known

    def __str__(self):
        text = "%s of stream %s, part %d" % (self.kind, self.stream, self.part)
        if self.time is not None:
            text += " at " + self.time.strftime("%Y-%m-%d %H:%M:%S UTC")
        text += ": " + self.cause + (" (%s)" % self.detail if self.detail else "")
        text += ", " + ("%d readings missing" % self.missing if self.missing is not None else "number of missing readings not known")
        return text + (", %.6g s" % self.duration_s if self.duration_s is not None else "")

    def __repr__(self):
        return "<%s>" % self


class Event:
    """Something that was done to an instrument or noted: `what`, `who`, `old`, `new`, `text`, when (`t`, `time`), at which
    reading (`part`, `index`), and everything the gateway said of it (`fields`)."""

    def __init__(self, fields, utc_ns, part, index, stream):
        self.fields, self.part, self.index, self.stream = fields, part, index, stream
        self.what, self.who = fields["what"], fields.get("who", "")
        self.old, self.new, self.text = fields.get("old", ""), fields.get("new", ""), fields.get("text", "")
        self.time = _utc_datetime(utc_ns)
        self.t = math.nan if utc_ns is None else utc_ns / 1e9
        self._moment = None

    def __repr__(self):
        return "<%s %s %s>" % (self.stream, self.what, self.text or " ".join(x for x in (self.fields.get("key"), self.old, self.new) if x))


class _Chunk:
    """One decoded frame with what is needed to understand it."""

    __slots__ = ("counts", "part", "index", "descriptor", "gaps", "events")

    def __init__(self, counts, part, index, descriptor, gaps, events):
        self.counts, self.part, self.index, self.descriptor, self.gaps, self.events = counts, part, index, descriptor, gaps, events


def _once(method):
    """A property worked out at its first use."""
    name = "_" + method.__name__

    def get(self):
        try:
            return self.__dict__[name]
        except KeyError:
            return self.__dict__.setdefault(name, method(self))
    return property(get, doc=method.__doc__)


def _gathered(chunks, room=4096):
    """Joins short frames that follow one another without a gap to longer ones: an archive may hold a million of one reading each."""
    run, n = [], 0
    for chunk in chunks:
        if isinstance(chunk.counts, Tags):  # long enough as they are
            yield chunk
            continue
        last = run[-1] if run else None
        if last is not None and (n + chunk.counts.n > room or chunk.part != last.part or chunk.index != last.index + last.counts.n
                                 or chunk.descriptor is not last.descriptor or chunk.gaps or chunk.events):
            yield _gather(run)
            run, n = [], 0
        run.append(chunk)
        n += chunk.counts.n
    if run:
        yield _gather(run)


def _gather(run):
    if len(run) == 1:
        return run[0]
    all_counts, c = [chunk.counts for chunk in run], Counts()
    c.n = sum(one.n for one in all_counts)

    def join(columns, signed=False):
        if all(column is None for column in columns):
            return None
        return _joined([[0] * one.n if column is None else column for one, column in zip(all_counts, columns)], signed)

    for name in ("begin", "length", "dead", "uncertainty"):
        setattr(c, name, join([getattr(one, name) for one in all_counts], True))
    c.flags = join([one.flags for one in all_counts])
    c.values = [join(columns) for columns in zip(*[one.values for one in all_counts])]
    c.value_flags = [join(columns) for columns in zip(*[one.value_flags for one in all_counts])]
    return _Chunk(c, run[0].part, run[0].index, run[0].descriptor, run[0].gaps, run[0].events)


class _Rows:
    """What a Batch and a TagBatch have in common: rows of one stream, what happened between them, and when they were."""

    def __init__(self, chunks, stream, clocks, zero, gaps_after=(), events_after=()):
        self._chunks, self.stream, self._clocks, self._zero = chunks, stream, clocks, zero
        self.info = chunks[-1].descriptor if chunks else {}
        self._described = self.info.get("channels", [])
        self.channels = [c.get("name", "") for c in self._described]
        self._n = sum(c.counts.n for c in chunks)
        self.gaps, self.events, position = [], [], 0
        for c in chunks:
            for gap in c.gaps:
                gap.position = position
            self.gaps += c.gaps
            self.events += c.events
            position += c.counts.n
        for gap in gaps_after:
            gap.position = position
        self.gaps += gaps_after
        self.events += events_after

    def __len__(self):
        return self._n

    def __repr__(self):
        return "<%d %s of %s: %s%s>" % (self._n, self._WHAT, self.stream, " ".join(self.channels), ", %d gaps" % len(self.gaps) if self.gaps else "")

    def __contains__(self, channel):
        return channel in self.channels

    def keys(self):
        """The names of the channels, so that dict(batch) works."""
        return list(self.channels)

    @_once
    def index(self):
        """Number of each reading (tag) in its part, from 0."""
        if _np is not None:
            return _np.concatenate([_np.arange(c.index, c.index + c.counts.n, dtype=_np.int64) for c in self._chunks] or [_np.empty(0, _np.int64)])
        return _packed([i for c in self._chunks for i in range(c.index, c.index + c.counts.n)])

    @_once
    def part(self):
        """The part each reading (tag) belongs to."""
        if _np is not None:
            return _np.repeat(_np.array([c.part for c in self._chunks], _np.int64), [c.counts.n for c in self._chunks])
        return _packed([c.part for c in self._chunks for _ in range(c.counts.n)])

    def _by_base(self):
        """Stretches of readings on one time base: (base, from, to)."""
        at = 0
        for base, chunks in itertools.groupby(self._chunks, lambda c: c.descriptor["base"]):
            to = at + sum(c.counts.n for c in chunks)
            yield base, at, to
            at = to

    @_once
    def _utc(self):
        if _np is not None:
            return _np.concatenate([self._clocks.utc_array(base, self.begin_ns[a:b]) for base, a, b in self._by_base()] or [_np.empty(0, _np.int64)])
        return [t for base, a, b in self._by_base() for t in self._clocks.utc(base, self.begin_ns[a:b])]

    @_once
    def t(self):
        """When each gate began (each tag was): seconds since 1970-01-01 UTC; NaN where UTC is not known."""
        if _np is not None:
            return _np.where(self._utc == _np.iinfo(_np.int64).min, _np.nan, self._utc / 1e9)
        return _packed([math.nan if t is None else t / 1e9 for t in self._utc])

    @_once
    def time(self):
        """When each gate began (each tag was), as datetime64[ns] (UTC); without NumPy a list of datetime. NaT (None) where UTC is not known."""
        if _np is not None:
            return self._utc.astype("datetime64[ns]")
        return [_utc_datetime(t) for t in self._utc]


class Batch(_Rows):
    """Readings of one stream, as columns. A column is a NumPy array, or without NumPy an array.array or list.

    batch["A"]          counts of channel A, one for each reading, as the instrument gave them
    len(batch)          number of readings
    batch.channels      names of the channels
    batch.t             when each gate began: seconds since 1970 (UTC), corrected by what the gateway knew; NaN: not known
    batch.time          the same as datetime64[ns] (datetime without NumPy); NaT (None): not known
    batch.t_s           the same in seconds since the first reading of the stream, evenly also if somebody sets the clock
    batch.gate_s        length of the gate
    batch.live_s        how much of it was really counted; divide by this for a rate, or ask batch.rate("A")
    batch.uncertainty_s how far the begin may be off either way (0: not known or negligible)
    batch.index         number of the reading in its part
    batch.part          1, 2, 3: an unbroken stretch each
    batch.flags         a text for each reading as in the CSV, "" when all is well: "overflow:A|late"
    batch.gaps          what is missing before or among these readings, as Gap
    batch.events        what was done to the instrument, as Event
    batch.info          what the instrument said of itself (a dict: driver, model, channels, settings, ...)
    batch.stream        such as "pi-lab3/bench"
    """

    _WHAT = "readings"

    def __getitem__(self, channel):
        if channel not in self.channels:
            raise KeyError("stream %s has no channel %r; it has %s" % (self.stream, channel, ", ".join(self.channels)))
        cache = self.__dict__.setdefault("_columns", {})
        if channel not in cache:
            cache[channel] = self._values(self.channels.index(channel))
        return cache[channel]

    def _values(self, i):
        """The column of channel i in its unit."""
        described = self._described[i]
        words = _joined([c.counts.values[i] for c in self._chunks])
        flags = self._value_flags[i]
        exponent, signed = described.get("exponent", 0), described.get("signed", False)
        if _np is not None:
            if signed or not len(words) or int(words.max()) >> 63 == 0:
                words = words.view(_np.int64)
            if exponent:
                words = words / float("1e%d" % -exponent) if exponent < 0 else words * float("1e%d" % exponent)
            if flags is not None and (flags & _ABSENT).any():
                words = words.astype(_np.float64)
                words[(flags & _ABSENT) != 0] = _np.nan
            return words
        if signed:
            words = [_signed(w) for w in words]
        if exponent:
            scale = float("1e%d" % abs(exponent))
            words = [w / scale if exponent < 0 else w * scale for w in words]
        if flags is not None and any(f & _ABSENT for f in flags):
            return [None if f & _ABSENT else w for w, f in zip(words, flags)]
        return _packed(words)

    @_once
    def _value_flags(self):
        out = []
        for i in range(len(self.channels)):
            columns = [c.counts.value_flags[i] for c in self._chunks]
            out.append(self._optional(columns))
        return out

    def _optional(self, columns):
        """Joins columns that may be absent (zero) in some frames; None where it is absent in all."""
        if all(c is None for c in columns):
            return None
        return _joined([[0] * chunk.counts.n if c is None else c for c, chunk in zip(columns, self._chunks)])

    @_once
    def begin_ns(self):
        """When each gate began, in ns of the gateway's own clock, which never steps. Only differences within a part mean something."""
        return _packed(_joined([c.counts.begin for c in self._chunks], signed=True))

    @_once
    def _lengths(self):
        return _joined([c.counts.length for c in self._chunks], signed=True)

    @_once
    def gate_s(self):
        """Length of each gate in seconds."""
        return _divided(self._lengths)

    @_once
    def live_s(self):
        """How much of each gate was really counted, in seconds."""
        columns = [c.counts.dead for c in self._chunks]
        if all(c is None for c in columns):
            return self.gate_s
        dead = _joined([[0] * chunk.counts.n if c is None else c for c, chunk in zip(columns, self._chunks)], signed=True)
        if _np is not None:
            return (self._lengths - dead) / 1e9
        return _packed([(a - b) / 1e9 for a, b in zip(self._lengths, dead)])

    @_once
    def uncertainty_s(self):
        """How far each begin may be off either way, in seconds; 0: not known or negligible."""
        columns = [c.counts.uncertainty for c in self._chunks]
        return _divided(_joined([[0] * chunk.counts.n if c is None else c for c, chunk in zip(columns, self._chunks)], signed=True))

    @_once
    def t_s(self):
        """When each gate began, in seconds since the first reading; runs evenly even if somebody sets the clock."""
        if not self._chunks:
            return _packed([])
        zero_base, zero = self._zero
        parts = [(self.begin_ns[a:b], self._clocks.shift(zero_base, base) - zero) for base, a, b in self._by_base()]
        if _np is not None:
            return _np.concatenate([begin + shift for begin, shift in parts]) / 1e9
        return _packed([(t + shift) / 1e9 for begin, shift in parts for t in begin])

    @_once
    def flags(self):
        """A text for each reading, as in the CSV: words joined by |, "" when all is well."""
        out, at = [""] * self._n, 0
        for c in self._chunks:
            for i, words in self._flagged(c):
                out[at + i] = "|".join(w for w in words if not w.startswith("absent:"))
            at += c.counts.n
        if any(u is None for u in self._utc) if _np is None else _np.isnat(self.time).any():
            for i, u in enumerate(self._utc if _np is None else self.time.astype("int64").tolist()):
                if u is None or u == -1 << 63:
                    out[i] += "|utc_unknown" if out[i] else "utc_unknown"
        return out

    def _flagged(self, chunk):
        """The readings of a chunk that carry flags: (which, words). A value that is not known gives absent:CHANNEL."""
        c = chunk.counts
        columns = [(None, c.flags)] + [(name, f) for name, f in zip(self.channels, c.value_flags)]
        columns = [(name, f) for name, f in columns if f is not None]
        if not columns:
            return
        some = set()
        for _, f in columns:
            some.update(_np.flatnonzero(f).tolist() if not isinstance(f, list) else [i for i, v in enumerate(f) if v])
        for i in sorted(some):
            words = []
            for name, f in columns:
                words += _flag_words(int(f[i]), name)
            yield i, words

    def rate(self, channel):
        """Counts per second of live time, one for each reading (NaN where that is not known)."""
        if _np is not None:
            with _np.errstate(divide="ignore", invalid="ignore"):
                return _np.where(self.live_s > 0, self[channel] / self.live_s, _np.nan)
        return _packed([n / live if n is not None and live > 0 else math.nan for n, live in zip(self[channel], self.live_s)])

    def to_pandas(self):
        """A pandas DataFrame with the columns of the CSV: time_utc, t_s, gate_s, live_s, stream, part, index, flags, then the channels."""
        try:
            import pandas
        except ImportError:
            raise PhotongateError("to_pandas() needs pandas: pip install pandas") from None
        columns = {"time_utc": pandas.Series(self.time, dtype="datetime64[ns]").dt.tz_localize("UTC"), "t_s": self.t_s, "gate_s": self.gate_s,
                   "live_s": self.live_s, "stream": self.stream, "part": self.part, "index": self.index, "flags": self.flags}
        for name in self.channels:
            columns[name] = self[name]
        return pandas.DataFrame(columns)


class TagBatch(_Rows):
    """Time tags of one stream, as columns. A column is a NumPy array, or without NumPy an array.array or list.

    len(tags)           number of tags
    tags.tick           when, in ticks of the instrument's clock, counted within a part from the same moment on
    tags.tick_s         how long a tick lasts, in seconds, as a fractions.Fraction
    tags.s              the ticks in seconds since the first tag that these have of the same part (float: good for differences)
    tags.channel        which channel: an index into tags.channels
    tags["A"]           the ticks of channel A alone, of all parts one behind the other
    tags.totals         number of tags by channel: {"A": 51234, ...}
    tags.t, tags.time   when, UTC: seconds since 1970, and datetime64[ns]; as good as the gateway's clock; NaN and NaT: not known
    tags.losses         stretches of which tags may be missing by what the instrument said: part, begin and end in ticks, channel, missing
    tags.index, tags.part, tags.gaps, tags.events, tags.info, tags.stream   as of a Batch
    """

    _WHAT = "tags"

    def __getitem__(self, channel):
        if channel not in self.channels:
            raise KeyError("stream %s has no channel %r; it has %s" % (self.stream, channel, ", ".join(self.channels)))
        i = self.channels.index(channel)
        if _np is not None:
            return self.tick[self.channel == i]
        return _packed([t for t, c in zip(self.tick, self.channel) if c == i])

    @_once
    def tick(self):
        """When each tag was, in ticks of the instrument's clock."""
        return _packed(_joined([c.counts.ticks for c in self._chunks]) if self._chunks else [])

    @_once
    def channel(self):
        """The channel of each tag, as an index into channels."""
        columns = [c.counts.channels for c in self._chunks]
        if _np is not None:
            return _np.concatenate([_as_array(c, _np.uint8) for c in columns] or [_np.empty(0, _np.uint8)])
        return array.array("B", itertools.chain.from_iterable(columns))

    @property
    def tick_s(self):
        """How long a tick lasts, in seconds."""
        numerator, denominator = self.info["tick"]
        return fractions.Fraction(int(numerator), int(denominator))

    @_once
    def s(self):
        """The ticks in seconds since the first tag that these have of each part."""
        first, out = {}, []
        for c in self._chunks:
            if c.counts.n:
                zero = first.setdefault(c.part, int(c.counts.ticks[0]))
                if _np is not None:
                    out.append((_as_array(c.counts.ticks, _np.uint64) - _np.uint64(zero)).view(_np.int64) * float(self.tick_s))
                else:
                    out += [float((t - zero) * self.tick_s) for t in c.counts.ticks]
        if _np is not None:
            return _np.concatenate(out or [_np.empty(0)])
        return _packed(out)

    @property
    def totals(self):
        """The number of tags by channel."""
        return {name: sum(c.counts.totals[i] for c in self._chunks) for i, name in enumerate(self.channels)}

    @property
    def losses(self):
        """Stretches of which tags may be missing: dicts of part, begin, end (in ticks), channel (None: all) and missing (None: not known)."""
        return [{"part": c.part, "begin": l.begin, "end": l.end, "channel": None if l.channel is None else self.channels[l.channel], "missing": l.missing}
                for c in self._chunks for l in c.counts.losses]

    @_once
    def begin_ns(self):
        """When each tag was, in ns of the gateway's own clock, which never steps."""
        tick_ns, out = self.tick_s * 1_000_000_000 if self._chunks else 0, []
        for c in self._chunks:
            if c.counts.n:
                first, at = int(c.counts.ticks[0]), c.counts.time
                if _np is not None:
                    ahead = (_as_array(c.counts.ticks, _np.uint64) - _np.uint64(first)).view(_np.int64)
                    out.append(at + _np.rint(ahead * float(tick_ns)).astype(_np.int64))
                else:
                    out += [at + round((t - first) * tick_ns) for t in c.counts.ticks]
        if _np is not None:
            return _np.concatenate(out or [_np.empty(0, _np.int64)])
        return _packed(out)

    def to_pandas(self):
        """A pandas DataFrame: tick, channel (its name), time_utc, part."""
        try:
            import pandas
        except ImportError:
            raise PhotongateError("to_pandas() needs pandas: pip install pandas") from None
        return pandas.DataFrame({"tick": self.tick, "channel": pandas.Categorical.from_codes(self.channel, self.channels),
                                 "time_utc": pandas.Series(self.time, dtype="datetime64[ns]").dt.tz_localize("UTC"), "part": self.part})


def _flag_words(bits, channel):
    """The words for the bits of a reading's flags, or those of a channel's value."""
    known = _READING_FLAGS if channel is None else _VALUE_FLAGS
    for bit in range(bits.bit_length()):
        if bits >> bit & 1:
            word = known[bit] if bit < len(known) else "flag%d" % bit
            yield word if channel is None else word + ":" + channel


def _some(chunk, which):
    """A chunk of some readings of another, by number."""
    def some(column):
        if column is None:
            return None
        return [column[i] for i in which] if isinstance(column, list) else column[which].tolist()

    c = Counts()
    c.n = len(which)
    for name in ("begin", "length", "dead", "uncertainty", "flags"):
        setattr(c, name, some(getattr(chunk.counts, name)))
    c.values = [some(v) for v in chunk.counts.values]
    c.value_flags = [some(f) for f in chunk.counts.value_flags]
    return _Chunk(c, chunk.part, chunk.index + which[0], chunk.descriptor, [], [])


def _joined(columns, signed=False):
    """Joins columns of frames, lists or arrays, to one."""
    if _np is None:
        return columns[0] if len(columns) == 1 else list(itertools.chain.from_iterable(columns))
    kind = _np.int64 if signed else _np.uint64
    parts, few = [], []
    for c in columns:  # many short lists are one array sooner than many
        if isinstance(c, list):
            few += c
            continue
        if few:
            parts.append(_np.array(few, kind))
            few = []
        parts.append(c)
    if few or not parts:
        parts.append(_np.array(few, kind))
    return parts[0] if len(parts) == 1 else _np.concatenate(parts)


def _divided(ns):
    return ns / 1e9 if _np is not None else _packed([v / 1e9 for v in ns])


def _packed(values):
    """An array.array of numbers, where NumPy is not there to make one."""
    if _np is not None:
        return values if isinstance(values, _np.ndarray) else _np.array(values)
    if any(isinstance(v, float) for v in values):
        return array.array("d", values)
    return array.array("Q" if any(v >> 63 > 0 for v in values) else "q", values)


# From frames to batches.

class _Reader:
    """Follows the frames of one stream: keeps its descriptor, notices what is missing, makes chunks of counts."""

    def __init__(self, stream, clocks, name=""):
        self.stream, self.clocks = stream, clocks  # stream: for people, such as pi-lab3/bench
        self.name = name or stream
        self.epoch = 0          # 0: nothing was read yet
        self.seq = 0            # last one read, or known to be before the first wanted
        self.crc = None         # of the header of the last frame read
        self.index = None       # of the next reading, None: not known
        self.descriptor = None
        self.stopped = ""       # why the rest of this epoch cannot be decoded
        self.zero = None        # (base, begin) of the first reading
        self.last = None        # (base, time) of the last frame
        self.end = None         # (base, time) of the end of the last reading of this epoch
        self.before = None      # the same of the epoch before, where more of that is held than the gateway knew of as it began this one
        self.gaps, self.events = [], []   # since the last chunk
        self.clock_copies = []  # that wait for a descriptor
        self.holes = []         # [(epoch, first, last, cause, detail)] that were stated and not yet met

    def begin_at(self, epoch, seq):
        """What comes next is this frame; what lies before was not asked for."""
        if self.epoch == 0:
            self.epoch, self.seq, self.index = epoch, seq - 1, None

    def context(self, h, payload):
        """A frame that is given for context: a descriptor or a clock, not in order."""
        if h.type == _DESCRIPTOR_TYPE:
            self._describe(h, _read_json(h.type, payload))
        elif h.type == _CLOCK:
            self.clock_copies.append((h.epoch, h.time, _read_json(h.type, payload)))
            self._place_clocks()

    def _place_clocks(self):
        """A copy of a clock frame, which the stream gateway wrote, is of the base of the readings it comes with."""
        if self.descriptor is not None:
            for epoch, at, clock in self.clock_copies:
                if clock["kind"] == "host":
                    self.clocks.copied(epoch, self.descriptor[1]["base"], at, clock)
            self.clock_copies = []

    def feed(self, h, payload, discard=False, lost="not received"):
        """Takes the next frame, in order. Returns a chunk for a frame of counts, else None. With discard nothing but the state is kept.
        lost is why frames lack before this one, unless a hole says so."""
        if h.type == _HOLE:
            hole = _read_json(h.type, payload)
            self.holes.append((h.epoch, h.seq, int(hole["to"]), hole["cause"], hole.get("detail", "")))
            return None
        if h.epoch < self.epoch or h.epoch == self.epoch and h.seq <= self.seq:
            return None  # known already
        chunk = None
        try:
            self._follow(h, payload, lost)
            chunk = self._take(h, payload, discard)
        except FormatError as e:
            if e.kind == "unknown" and h.type not in (_COUNTS, _TAGS) and not self.stopped:
                self.stopped = str(e)
            self._note(Gap("undecoded", "cannot be decoded", str(e), self._utc(self._moment(h.time)), None, h.count if h.type in (_COUNTS, _TAGS) else None, h.epoch, h.index))
        self.epoch, self.seq, self.crc = h.epoch, h.seq, h.header_crc
        self.index, self.last = h.index + h.count, self._moment(h.time)
        if discard:
            self.gaps, self.events = [], []
        return chunk

    def _follow(self, h, payload, lost):
        """Compares a frame's number with what was expected."""
        if h.epoch == self.epoch:
            if h.seq > self.seq + 1:
                missing = None if self.index is None else h.index - self.index
                self._missing(h.epoch, self.seq + 1, h.seq - 1, self.index or 0, missing, lost)
            return
        before = {}
        if h.seq == 1 and h.type == _DESCRIPTOR_TYPE:
            before = _read_json(h.type, payload).get("previous") or {}
        self._ended(before.get("epoch", 0), int(before.get("seq", 0)), h, lost)
        more = self.end is not None and self.epoch > 0 and before.get("epoch") == self.epoch and self.seq > int(before.get("seq", 0))
        self.index, self.stopped, self.before, self.end = None, "", self.end if more else None, None
        if h.seq > 1:
            self.descriptor = self.descriptor if self.descriptor and self.descriptor[0] == h.epoch else None
            self._missing(h.epoch, 1, h.seq - 1, 0, h.index, lost)

    def _ended(self, epoch, seq, h, lost):
        """A new epoch begins: is the one before it whole? epoch and seq are the last that are known of it."""
        if self.epoch == 0:
            return
        if epoch == self.epoch and seq > self.seq:
            self._missing(epoch, self.seq + 1, seq, self.index or 0, None, lost)
        elif epoch > self.epoch or epoch == 0 and h.epoch > self.epoch + 1:
            self._missing(self.epoch, self.seq + 1, 0, self.index or 0, None, lost)

    def _missing(self, epoch, first, last, index, missing, cause):
        """Frames that lack. Their hole, if one was stated, says why."""
        detail = ""
        for e, a, b, why, more in self.holes:
            if e == epoch and (last == 0 or a <= last) and b >= first:
                cause, detail = why, more
                if why == "not held" and first == 1 and self.zero is None:
                    self.holes = []
                    return  # from before what was asked for
        self.holes = [x for x in self.holes if x[0] > epoch]
        self._note(Gap("hole", cause, detail, self._utc(self.last), None, missing, epoch, index), self.last)

    def skipped(self, epoch, seq):
        """The gateway moved the view on to this frame."""
        self.holes.append((epoch, 1, seq - 1, "skipped", "this program did not read as fast as counts came"))

    def finish(self, last_known=None):
        """Nothing more comes of this epoch; last_known is the (epoch, sequence) up to which there should be frames."""
        ends = [(epoch, last, cause, detail) for epoch, _, last, cause, detail in self.holes] + ([last_known + ("file missing", "")] if last_known else [])
        for epoch, last, cause, detail in ends:
            if (epoch, last) > (self.epoch, self.seq):
                self._note(Gap("hole", cause, detail, self._utc(self.last), None, None, epoch, self.index or 0), self.last)
                self.epoch, self.seq, self.crc = epoch, last, None
        self.holes = []

    def _note(self, gap, at=None):
        gap.stream, gap._moment = self.stream, at
        self.gaps.append(gap)

    def _take(self, h, payload, discard):
        if self.stopped:
            raise FormatError("unknown", self.stopped)
        if h.type == _COUNTS:
            _check_understood(h)
            self.end = None
            if discard:
                return None
            if self.descriptor is None or self.descriptor[0] != h.epoch:
                raise _bad("the descriptor of part %d is missing", h.epoch)
            counts = decode_payload(h, payload, len(self.descriptor[1]["channels"]))
            chunk = _Chunk(counts, h.epoch, h.index, self.descriptor[1], self.gaps, self.events)
            self.end = self._moment(int(counts.begin[-1]) + int(counts.length[-1]))
            if self.zero is None:
                self.zero = (self.descriptor[1]["base"], int(counts.begin[0]))
            self.gaps, self.events = [], []
            return chunk
        if h.type == _TAGS:
            return self._take_tags(h, payload, discard)
        value = decode_payload(h, payload)
        if h.type == _DESCRIPTOR_TYPE:
            self._describe(h, value)
        elif h.type == _GAP:
            (begin, duration), missing = self._extent(h, value), value.get("missing")
            held = self.before and self.descriptor and self.before[1] + self.clocks.shift(self.descriptor[1]["base"], self.before[0])
            if held is not None and h.index == 0 and begin < held:  # what is held is no gap
                begin, duration, missing = held, None if duration is None else max(0, begin + duration - held), None
            self._note(Gap("gap", value["cause"], value.get("detail", ""), self._utc(self._moment(begin)), None if duration is None else duration / 1e9,
                           None if missing is None else int(missing), h.epoch, h.index), self._moment(begin))
            if value.get("missing") is not None:
                h.count = int(value["missing"])  # the next reading's index is beyond them
        elif h.type == _EVENT_TYPE:
            self.events.append(Event(value, self._utc(self._moment(h.time)), h.epoch, h.index, self.stream))
            self.events[-1]._moment = self._moment(h.time)
        elif h.type == _CLOCK:
            self._clock(h, value)
        return None

    def _take_tags(self, h, payload, discard):
        _check_understood(h)
        if discard:
            return None
        if self.descriptor is None or self.descriptor[0] != h.epoch:
            raise _bad("the descriptor of part %d is missing", h.epoch)
        tags = decode_payload(h, payload, len(self.descriptor[1]["channels"]))
        if "tick" not in self.descriptor[1]:
            raise _bad("the descriptor of part %d does not say how long a tick is", h.epoch)
        tags.time = h.time
        if self.zero is None:
            self.zero = (self.descriptor[1]["base"], h.time)
        chunk = _Chunk(tags, h.epoch, h.index, self.descriptor[1], self.gaps, self.events)
        self.gaps, self.events = [], []
        return chunk

    def _extent(self, h, value):
        """The begin of a gap and its length in ns, None where it is not known."""
        duration = value.get("duration_ns")
        duration = None if duration is None else int(duration)
        if not value.get("approximate") or not self.descriptor:
            return h.time, duration
        first = self.first if duration is None else h.time + duration
        begin = self.clocks.gap_begin(self.descriptor[1]["base"], h.time, first)
        return (first, None) if begin is None else (begin, first - begin)

    def _describe(self, h, value):
        self.descriptor, self.first = (h.epoch, value), h.time
        self.clocks.boot(value["base"], value.get("boot", ""))
        if value["stream"] == "gateway":
            self.clocks.epoch(h.epoch, value["base"])
        self._place_clocks()

    def _clock(self, h, value):
        if value["kind"] == "host":
            self.clocks.add(h.epoch, h.time, value)

    def _moment(self, at):
        return self.descriptor and (self.descriptor[1]["base"], at)

    def _utc(self, moment):
        return moment and self.clocks.utc(moment[0], [moment[1]])[0]

    def batch(self, chunks, gaps=(), events=()):
        """A Batch or TagBatch of chunks, which are all of readings or all of tags."""
        kind = TagBatch if chunks and isinstance(chunks[0].counts, Tags) else Batch
        return kind(chunks, self.stream, self.clocks, self.zero, gaps, events)


class _Cut:
    """Lets through what belongs to a measurement: SPEC section 7.3. One for each stream."""

    def __init__(self, limits, clocks):
        try:
            self.base, self.begin = limits["base"], int(limits["begin_ns"])
            self.end_base, self.end = limits.get("end_base"), int(limits.get("end_ns") or 0)
            self.length, self.asked = int(limits.get("for_s", 0) * 1e9 + 0.5), int(limits.get("readings") or 0)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _bad("measurement.json does not say which readings the measurement holds") from None
        self.clocks, self.seen, self.done = clocks, False, False
        self.first, self.readings = None, 0   # (base, begin) of the first reading

    def _later(self, base, at):
        """Whether a moment of a base is not before the measurement's begin."""
        if base == self.base:
            return at >= self.begin
        return self.seen or at + self.clocks.shift(self.base, base) >= self.begin

    def _beyond(self, base, end, middle):
        if self.end and end + self.clocks.shift(self.end_base, base) > self.end:
            return True
        return bool(self.first and self.length) and middle + self.clocks.shift(self.first[0], base) > self.first[1] + self.length

    def take(self, chunk):
        """The chunk of those readings of another that belong to the measurement, or None. It brings the gaps and events that do."""
        base, c = chunk.descriptor["base"], chunk.counts
        self.seen = self.seen or base == self.base
        if isinstance(c, Tags):
            return self._take_tags(chunk, base, c)
        late = int(chunk.descriptor.get("late_ns", 0))
        gaps, events = self.notes(chunk.gaps, chunk.events)
        keep = []
        for i in range(c.n):
            begin, length = int(c.begin[i]), int(c.length[i])
            uncertain = 0 if c.uncertainty is None else int(c.uncertainty[i])
            if c.flags is not None and int(c.flags[i]) & _FIRST:
                continue
            self.done = self.done or self._beyond(base, begin + length, begin + length // 2)
            if self.done:
                break
            if self.first or self._later(base, begin - late - uncertain):
                keep.append(i)
                self._count(base, begin, length)
        if not keep:
            return _Chunk(None, 0, 0, chunk.descriptor, gaps, events) if gaps or events else None
        kept = chunk if len(keep) == c.n else _some(chunk, keep)
        kept.gaps, kept.events = gaps, events
        return kept

    def _take_tags(self, chunk, base, c):
        """The tags of a chunk that were between the measurement's begin and end."""
        gaps, events = self.notes(chunk.gaps, chunk.events)
        tick_ns = fractions.Fraction(*map(int, chunk.descriptor["tick"])) * 10**9
        begin = [c.time + round((int(t) - int(c.ticks[0])) * tick_ns) for t in c.ticks]
        keep = [i for i, at in enumerate(begin) if self._later(base, at) and not self._beyond(base, at, at)]
        if not keep and not c.losses:
            return _Chunk(None, 0, 0, chunk.descriptor, gaps, events) if gaps or events else None
        if keep:
            self.first = self.first or (base, begin[keep[0]])
        kept = Tags()
        kept.n, kept.until, kept.losses, kept.time = len(keep), c.until, c.losses, begin[keep[0]] if keep else c.time
        kept.ticks, kept.channels = [int(c.ticks[i]) for i in keep], [int(c.channels[i]) for i in keep]
        kept.totals = [kept.channels.count(i) for i in range(len(c.totals))]
        return _Chunk(kept, chunk.part, chunk.index + (keep[0] if keep else 0), chunk.descriptor, gaps, events)

    def _count(self, base, begin, length):
        self.first = self.first or (base, begin)
        self.readings += 1
        left = self.first[1] + self.length - begin - length - self.clocks.shift(self.first[0], base)
        self.done = bool(self.asked and self.readings >= self.asked or self.length and left < length / 2)

    def notes(self, gaps, events):
        """Those of them that belong to the measurement; it begins with its first reading, gaps before that are none of it."""
        if self.done:
            return [], []
        within = lambda x: x._moment is None or not self._beyond(x._moment[0], x._moment[1], x._moment[1])
        return ([g for g in gaps if self.first and within(g)],
                [e for e in events if e._moment and self._later(*e._moment) and within(e)])


# Files.

_io_open = open


def _sequence_files(folder):
    """The segment files of a stream's folder: (epoch, first sequence, path, preamble or None, reason)."""
    files = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".pgs"):
            files.append(_Segment(os.path.join(folder, name)))
    return sorted(files, key=lambda s: (s.epoch, s.first))


class _Segment:
    """One segment file: what its preamble says, and its frames on demand."""

    def __init__(self, path):
        self.path, self.copies, self.damage, self.trouble = path, [], [], ""
        with _io_open(path, "rb") as f:
            data = f.read(_MAX_PREAMBLE)
        try:
            self.preamble, self.copies, self.size = read_preamble(data)
            self.stream, self.epoch, self.first = self.preamble["stream_id"], self.preamble["epoch"], int(self.preamble["first_seq"])
        except FormatError as e:
            self.trouble = str(e)
            self._mend(data, e)

    def _mend(self, data, error):
        """A file whose head is damaged is read behind it, as far as it can be told where that is."""
        self.preamble, self.size = None, 0
        try:
            if error.kind in ("payload-crc", "format"):
                self.size = _PREAMBLE_HEAD.unpack_from(data)[1]
                self.copies = _find_copies(data[:self.size])
            else:
                self.preamble, self.copies, self.size = _mend_preamble(data)
        except FormatError as e:
            error = e
        if self.preamble:
            self.stream, self.epoch, self.first = self.preamble["stream_id"], self.preamble["epoch"], int(self.preamble["first_seq"])
        elif error.kind == "version" and not self.size:
            raise FormatError("version", "%s: %s" % (self.path, error)) from None
        else:
            self._from_first_frame()

    def _from_first_frame(self):
        """A file whose preamble is damaged is read from its first good frame."""
        self.stream = self.epoch = self.first = 0
        for _, what, found in scan_segment(self._bytes(), self.size):
            if what == "frame" and found[0].stream and found[0].epoch and found[0].seq:
                self.stream, self.epoch, self.first = found[0].stream, found[0].epoch, found[0].seq
                return

    def _bytes(self):
        with _io_open(self.path, "rb") as f:
            return f.read()

    def frames(self):
        """The frames that SPEC section 8 keeps, in order: (sequence, order, Header, payload, why frames lack before it)."""
        data = self._bytes()
        synced, promised = _last_mark(data)
        self.damage = []
        last, end = 0, self.size
        for at, what, found in scan_segment(data, self.size):
            if what == "damage":
                self.damage.append((at, found))
            if what != "frame" or found[0].stream != self.stream or found[0].epoch != self.epoch:
                continue
            h, payload = found
            if h.type == _HOLE:
                yield h.seq, 0, h, payload, ""
            elif h.seq > last:
                yield h.seq, 1, h, payload, "" if not last else "damaged" if end < synced else "unsynced tail"
                last = h.seq
            end = at + h.size + h.length
        if last < promised:  # a mark tells of frames that are not there
            yield (last + 1, 0) + _hole(self.stream, self.epoch, last + 1, promised, "damaged") + ("",)


def _last_mark(data):
    """The last mark of a file; zeros when there is none."""
    at = data.rfind(_MARK_MAGIC)
    while at >= 0:
        try:
            return read_mark(data, at)
        except FormatError:
            at = data.rfind(_MARK_MAGIC, 0, at)
    return 0, 0


def _hole(stream, epoch, first, last, cause):
    """A hole frame of our own making."""
    payload = json.dumps({"to": str(last), "cause": cause, "by": "photongate.py"}).encode()
    raw = _HEADER.pack(_FRAME_MAGIC, 14, _HOLE, 0, len(payload), 0, crc32c(payload), stream, epoch, 0, first, 0, 0)
    return read_header(raw[:12] + struct.pack("<I", crc32c(raw)) + raw[16:]), payload


def _merged(segments):
    """The frames of an epoch's files in order of sequence, and why frames lack before each; a file is read when its turn comes."""
    heap, waiting, number = [], collections.deque(segments), itertools.count()

    def put(frames):
        for seq, order, h, payload, lost in frames:
            heapq.heappush(heap, (seq, order, next(number), h, payload, lost, frames))
            return

    while waiting or heap:
        while waiting and (not heap or waiting[0].first <= heap[0][0]):
            put(waiting.popleft().frames())
        if heap:
            _, _, _, h, payload, lost, frames = heapq.heappop(heap)
            yield h, payload, lost
            put(frames)


class Archive:
    """What was recorded: streams of readings in files. Made by photongate.open().

    run.streams            names of the streams
    run.counts("bench")    all readings of one stream as one Batch (the name may be left out when there is one stream)
    run.tags("tagger")     all time tags of one stream as one TagBatch
    run.batches("bench")   the same one after the other, for what does not fit into memory
    run.events("bench")    what was done to the instrument; events("gateway") are notes and measurements
    run.measurement        what measurement.json says, for the folder of a measurement, else None
    run.damage             files and places that could not be read; what was lost there stands in the gaps as well
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.damage = []
        self.measurement = self._limits = None
        self._folders = {}   # full name of the stream -> (its folder, clocks, ends)
        root = self.path
        if os.path.isfile(root):
            self._add_segment(root)
            return
        if not os.path.isdir(root):
            raise PhotongateError("%s: there is no such folder" % root)
        self._read_measurement(root)
        if not os.path.exists(os.path.join(root, "journal.json")) and os.path.isdir(os.path.join(root, "raw")):
            root = os.path.join(root, "raw")
        if os.path.exists(os.path.join(root, "journal.json")):
            self._add_gateway(root)
        else:
            for name in sorted(os.listdir(root)):
                if os.path.exists(os.path.join(root, name, "journal.json")):
                    self._add_gateway(os.path.join(root, name))
        if not self._folders:
            raise PhotongateError("%s: no recording here; expected a folder that photonrecv record or measure wrote, or one file of it" % self.path)

    def _read_measurement(self, root):
        try:
            with _io_open(os.path.join(root, "measurement.json"), encoding="utf-8") as f:
                self.measurement = json.load(f)
                self._limits = self.measurement.get("limits")
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError) as e:
            self.damage.append("measurement.json: %s" % e)

    def _add_segment(self, path):
        segment = _Segment(path)
        if not segment.epoch:
            raise FormatError("format", "%s: no recording of photongate: %s" % (path, segment.trouble))
        name = segment.preamble["gateway"] + "/" + segment.preamble["stream"] if segment.preamble else "stream %d" % segment.stream
        self._folders[name] = ([segment], _Clocks(), {})

    def _add_gateway(self, root):
        """Adds the streams of one gateway's folder."""
        try:
            with _io_open(os.path.join(root, "journal.json"), "rb") as f:
                journal = json.loads(f.read().decode("utf-8"))
            if journal.get("format") != 1:
                raise FormatError("version", "%s is of version %r of the format; this photongate.py knows version 1: get a newer one" % (root, journal.get("format")))
            gateway = journal["gateway"]
            listed = {s["name"]: s for s in journal["streams"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            self.damage.append("%s: %s" % (os.path.join(root, "journal.json"), e))
            gateway, listed = os.path.basename(root).rpartition("-")[0] or os.path.basename(root), {}
        clocks = _Clocks()
        names = set(listed) | {n for n in os.listdir(root) if os.path.isdir(os.path.join(root, n)) and _is_name(n)}
        for name in sorted(n for n in names if isinstance(n, str) and _is_name(n)):
            folder = os.path.join(root, name)
            segments = self._segments(folder) if os.path.isdir(folder) else []
            ends = self._ends(listed.get(name, {}))
            if segments or ends:
                self._folders[gateway + "/" + name] = (segments, clocks, ends)
        self._follow_gateway(gateway)

    def _segments(self, folder):
        segments = []
        for s in _sequence_files(folder):
            if s.trouble:
                self.damage.append("%s: %s" % (s.path, s.trouble))
            if s.epoch:
                segments.append(s)
        return segments

    @staticmethod
    def _ends(listed):
        try:
            return {int(e["epoch"]): int(e["last_seq"]) for e in listed.get("ends") or []}
        except (ValueError, KeyError, TypeError):
            return {}

    def _follow_gateway(self, gateway):
        """Reads the stream gateway, so that times are corrected by all that became known."""
        name = gateway + "/gateway"
        if name in self._folders:
            for _ in self._chunks(name):
                pass

    @property
    def streams(self):
        """Names of the streams with readings; with the gateway's name before them when there are several gateways."""
        names = [n for n in self._folders if n.rpartition("/")[2] != "gateway"]
        short = [n.rpartition("/")[2] for n in names]
        return short if len(set(short)) == len(short) else names

    def _find(self, stream):
        names = list(self._folders)
        if stream is None:
            names = [n for n in names if n.rpartition("/")[2] != "gateway"]
            if len(names) != 1:
                raise PhotongateError("%s has %s: say which" % (self.path, "the streams " + ", ".join(self.streams) if names else "no streams of readings"))
            return names[0]
        fits = [n for n in names if n == stream or n.rpartition("/")[2] == stream]
        if len(fits) != 1:
            raise PhotongateError("%s has %s stream %r; it has %s" % (self.path, "more than one" if fits else "no", stream, ", ".join(names)))
        return fits[0]

    def _chunks(self, name, reader=None):
        """Reads one stream; the gaps and events behind its last reading stay with the reader. Of a measurement, only what belongs to it."""
        reader = reader or _Reader(name, self._folders[name][1])
        if self._limits is None or name.endswith("/gateway"):
            yield from self._whole(name, reader)
            return
        cut, gaps, events = _Cut(self._limits, reader.clocks), [], []
        for chunk in self._whole(name, reader):
            kept = cut.take(chunk)
            if kept is not None and kept.counts is not None:
                kept.gaps, kept.events, gaps, events = gaps + kept.gaps, events + kept.events, [], []
                reader.zero = cut.first
                yield kept
            elif kept is not None:
                gaps, events = gaps + kept.gaps, events + kept.events
        more = cut.notes(reader.gaps, reader.events)
        reader.gaps, reader.events = gaps + more[0], events + more[1]

    def _whole(self, name, reader):
        """Reads one stream."""
        segments, clocks, ends = self._folders[name]
        epochs = sorted(set(s.epoch for s in segments) | set(ends))
        for epoch in epochs:
            mine = [s for s in segments if s.epoch == epoch]
            for s in mine:
                for h, payload in s.copies:
                    reader.context(h, payload)
            for h, payload, lost in _merged(mine):
                chunk = reader.feed(h, payload, lost=lost or "file missing")
                if chunk is not None:
                    yield chunk
            reader.finish((epoch, ends[epoch]) if epoch in ends else None)
        for s in segments:
            for a, b in s.damage:
                text = "%s: bytes %d to %d are damaged" % (s.path, a, b)
                if text not in self.damage:
                    self.damage.append(text)

    def batches(self, stream=None, readings=100_000):
        """Iterates over a stream in batches of about so many readings; a batch never mixes instruments of different channels.
        What is missing behind the last reading comes in a last batch of its own, which has no readings."""
        reader, pending, count = None, [], 0
        name = self._find(stream)
        reader = _Reader(name, self._folders[name][1])
        for chunk in _gathered(self._chunks(name, reader), readings):
            if pending and (count >= readings or not _same_channels(pending[-1], chunk)):
                yield reader.batch(pending)
                pending, count = [], 0
            pending.append(chunk)
            count += chunk.counts.n
        if pending or reader.gaps or reader.events:
            yield reader.batch(pending, reader.gaps, reader.events)

    def tags(self, stream=None):
        """All tags of a stream as one TagBatch. For what does not fit into memory (nine bytes a tag), take batches()."""
        batch = self._all(stream)
        if batch.info and not isinstance(batch, TagBatch):
            raise PhotongateError("%s has readings, no time tags: take counts()" % batch.stream)
        return batch if isinstance(batch, TagBatch) else TagBatch([], batch.stream, batch._clocks, None, batch.gaps, batch.events)

    def counts(self, stream=None):
        """All readings of a stream as one Batch."""
        batch = self._all(stream)
        if isinstance(batch, TagBatch):
            raise PhotongateError("%s has time tags, no counts: take tags(), or record a stream of counts made from it ([[device.counts]] in the gateway's "
                                  "configuration)" % batch.stream)
        return batch

    def _all(self, stream):
        name = self._find(stream)
        reader = _Reader(name, self._folders[name][1])
        chunks = list(_gathered(self._chunks(name, reader)))
        for a, b in zip(chunks, chunks[1:]):
            if not _same_channels(a, b):
                raise PhotongateError("the channels of %s changed from %s to %s at part %d: take batches() one by one" % (
                    name, _names(a), _names(b), b.part))
        return reader.batch(chunks, reader.gaps, reader.events)

    def events(self, stream=None):
        """What was done to an instrument, or for "gateway" what people noted."""
        if stream == "gateway" and not any(n.rpartition("/")[2] == stream for n in self._folders):
            return []
        name = self._find(stream)
        reader = _Reader(name, self._folders[name][1])
        out = []
        for chunk in self._chunks(name, reader):
            out += chunk.events
        return out + reader.events

    def to_pandas(self, stream=None):
        """counts(stream).to_pandas()"""
        return self.counts(stream).to_pandas()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __repr__(self):
        return "<recording %s: %s>" % (self.path, ", ".join(self.streams))


def _names(chunk):
    return [c.get("name", "") for c in chunk.descriptor["channels"]]


def _same_channels(a, b):
    key = lambda c: [c.descriptor.get("tick")] + [(x.get("name"), x.get("exponent", 0), x.get("signed", False)) for x in c.descriptor["channels"]]
    return a.descriptor is b.descriptor or key(a) == key(b)


def open(path):
    """Opens a recording: the folder that photonrecv record or measure wrote (or one gateway's folder in it, or one .pgs file).
    Returns an Archive; no gateway is needed."""
    return Archive(path)


# Pairing: SPEC section 12.

_PORT = 7310


def config_folder():
    """The folder that holds the pairings, as SPEC section 12 says."""
    named = os.environ.get("PHOTONGATE_CONFIG")
    if named:
        return named
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(base, "photongate")


def _split_address(text):
    """host:port, [host]:port or host, of which the port may be left out."""
    match = re.match(r"(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?\Z", text.strip())
    if match:
        host, port = match.group(1) or match.group(2), int(match.group(3) or _PORT)
    elif re.match(r"[0-9a-fA-F:.]+\Z", text.strip()):  # IPv6 without a port
        host, port = text.strip(), _PORT
    else:
        raise PhotongateError("%r is no address: expected the name of a paired gateway, or host:port" % text)
    if not 0 < port < 65536:
        raise PhotongateError("%r is no address: ports go from 1 to 65535" % text)
    return host, port


def _is_loopback(host):
    return host.lower() in ("localhost", "::1") or re.match(r"127(\.[0-9]+){3}\Z", host) is not None


def _token_bytes(token):
    if isinstance(token, bytes):
        return token
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32:
        raise PhotongateError("the token is not one: expected 43 letters, digits, - and _, as `photongate pair` prints them at the end of its line")
    return raw


class _Pairing:
    """What this computer knows of a gateway."""

    def __init__(self, fields, path=""):
        try:
            if fields["format"] != 1:
                raise FormatError("version", "%s is of version %r; this photongate.py knows version 1: get a newer one" % (path, fields["format"]))
            self.name, self.gateway, self.journal = fields["name"], fields["gateway"], fields.get("journal", "")  # none: it was never met
            self.addresses = [str(a) for a in fields["addresses"]]
            self.certificate, self.token = fields.get("certificate_sha256", "").lower(), _token_bytes(fields["token"])
        except (KeyError, TypeError, AttributeError) as e:
            raise PhotongateError("%s is no pairing (%r is missing or wrong): pair again with the line that `photongate pair` prints" % (path, e.args[0])) from None
        self.fields, self.path = fields, path

    def must_be_encrypted(self):
        """Refuses a pairing with another computer that does not say which key is the gateway's."""
        beyond = [a for a in self.addresses if not _is_loopback(_split_address(a)[0])]
        if beyond and not re.match(r"[0-9a-f]{64}\Z", self.certificate):
            raise PhotongateError("%s does not say which key is the gateway's: pair again with the line that `photongate pair` prints" % self.path)
        return self

    @staticmethod
    def load(path):
        try:
            with _io_open(path, encoding="utf-8") as f:
                return _Pairing(json.load(f), path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            raise PhotongateError("the pairing %s cannot be read: %s" % (path, e)) from None


def _pairings():
    folder = os.path.join(config_folder(), "gateways")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = []
    for n in names:
        if n.endswith(".json"):
            try:
                found.append(_Pairing.load(os.path.join(folder, n)).must_be_encrypted())
            except (PhotongateError, AttributeError):
                pass  # damaged, or gone meanwhile: by its name it is asked for in vain, and told of
    return found


class _Target:
    """Where a gateway is and how to be believed there."""

    def __init__(self, said, addresses, pairing, token):
        self.said, self.addresses, self.pairing = said, [_split_address(a) if isinstance(a, str) else a for a in addresses], pairing
        self.token = _token_bytes(token) if token is not None else pairing.token if pairing else None


def _resolve(address, token):
    """Finds out what the user meant: a pairing by name or by address, or this computer."""
    address = address[len("tcp://"):] if address.startswith("tcp://") else address
    if _is_name(address):
        pairing = _Pairing.load(os.path.join(config_folder(), "gateways", address + ".json"))
        if pairing is not None:
            return _Target(address, pairing.addresses, pairing.must_be_encrypted(), token)
    host, port = _split_address(address)
    for pairing in _pairings():
        if (host, port) in [_split_address(a) for a in pairing.addresses]:
            return _Target(address, pairing.addresses, pairing, token)
    if _is_loopback(host):
        return _Target(address, [(host, port)], None, token)
    raise NotPairedError("%s is not paired with this computer: run `photongate pair` on the gateway's computer and paste the line it prints here, into a "
                         "terminal or as photongate.pair(\"...\")" % address)


_LINE = re.compile(r"(?:photonrecv\s+pair\s+)?([^@\s]+)@([^/\s]*)/([A-Za-z0-9_-]{43})/([A-Za-z0-9_-]{43})\s*\Z")


def pair(line, name=None, timeout=10, replace=False):
    """Makes a gateway known to this computer: line is what `photongate pair` prints on the gateway's computer. name is what
    you want to call it here, if not as it calls itself. Asks the gateway whether it is the one, and returns the name. Another
    gateway that is known under the name is only given up with replace=True."""
    match = _LINE.match(line.strip().strip("'\""))
    if not match or not _is_name(match.group(1)) or name is not None and not _is_name(name):
        raise PhotongateError("this is not a line to pair with; it looks like NAME@ADDRESS/FINGERPRINT/TOKEN, as `photongate pair` prints it on the "
                              "gateway's computer, and must be copied whole")
    if not match.group(2):
        raise UnreachableError("%s cannot be dialled: it dials the workstation. Paste the line into a terminal there (photonrecv pair), and record with "
                               "`photonrecv record --listen`" % match.group(1))
    fields = {"format": 1, "name": name or match.group(1), "gateway": match.group(1), "journal": "", "addresses": match.group(2).split(","),
              "certificate_sha256": base64.urlsafe_b64decode(match.group(3) + "=").hex(), "token": match.group(4)}
    wire = _open_wire(_Target(fields["name"], fields["addresses"], _Pairing(fields), None), timeout)
    fields["gateway"], fields["journal"] = wire.hello["name"], wire.hello["id"]
    wire.close()
    folder = os.path.join(config_folder(), "gateways")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, fields["name"] + ".json")
    try:
        before = None if replace else _Pairing.load(path)
    except PhotongateError:
        before = None  # damaged, and pairing again is what mends it
    same = before and (before.journal or before.certificate) == (fields["journal"] if before.journal else fields["certificate_sha256"])
    if before and not same:
        raise PhotongateError("%s is the gateway at %s with the journal %s here; this one has the journal %s, and may be a copy of it (a cloned card). Call it "
                              "otherwise with name=\"...\", or say replace=True" % (fields["name"], (before.addresses or ["no address"])[0], before.journal[:8], fields["journal"][:8]))
    temporary = os.path.join(folder, ".%s.%s" % (fields["name"], secrets.token_hex(4)))
    with _io_open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:
        json.dump(fields, f)
    os.replace(temporary, path)
    return fields["name"]


# The session: SPEC section 9.

_DEAD_S, _OPENING_S = 5.0, 5.0
_CREDIT_BYTES = 4 << 20
_MAX_BATCH = 4 << 20  # values in a live batch


def session_mac(token, label, dialer, listener, binding):
    """The proof of SPEC section 9.1, as hex digits. label is dialer or listener; then the payloads of the two hellos."""
    said = b"photongate 1 " + label.encode() + struct.pack("<I", len(dialer)) + dialer + struct.pack("<I", len(listener)) + listener + binding
    return hmac.new(token, said, hashlib.sha256).hexdigest()


def _frame(kind, value):
    payload = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    head = _HEADER.pack(_FRAME_MAGIC, 14, kind, 0, len(payload), 0, crc32c(payload), 0, 0, 0, 0, 0, 0)
    return head[:12] + struct.pack("<I", crc32c(head)) + head[16:] + payload


def _receiver_name():
    name = re.sub(r"[^a-z0-9._-]+", "-", socket.gethostname().lower().partition(".")[0]).strip(".-_")[:48]
    return name + "-python" if _is_name(name + "-python") else "python"


_OWN_ID = secrets.token_hex(16)


def _open_wire(target, timeout):
    """Dials the addresses of a gateway in turn, until one answers, and opens a session."""
    if not target.addresses:
        raise UnreachableError("%s cannot be dialled: it dials the workstation, where `photonrecv record --listen` waits for it and photongate.open(FOLDER) "
                               "reads what that has recorded" % target.said)
    trouble = []
    for host, port in target.addresses:
        where = "%s:%d" % ("[%s]" % host if ":" in host else host, port)
        try:
            sock = socket.create_connection((host, port), timeout)
        except OSError as e:
            trouble.append(_why_not(host, where, e))
            continue
        try:
            return _Wire(sock, target, where, min(timeout, _OPENING_S))
        except _LocalTokenError:  # what a gateway left for this user is out of date; without it there is reading all the same
            sock.close()
            without = _Target(target.said, [(host, port)], None, None)
            without.token = b""
            return _open_wire(without, timeout)
        except BaseException:
            sock.close()
            raise
    raise UnreachableError("; ".join(trouble))


def _why_not(host, where, e):
    if isinstance(e, socket.gaierror):
        return "there is no computer named %s on this network (%s)" % (host, e.strerror)
    if isinstance(e, ConnectionRefusedError):
        if _is_loopback(host):
            return "no gateway listens on %s: start one with `photongate run`" % where
        return ("nothing listens on %s: either no gateway runs there, or it listens on its own computer only (then `listen` in its configuration "
                "needs an address of the network, such as \"0.0.0.0:7310\")" % where)
    if isinstance(e, (socket.timeout, TimeoutError)):
        return "%s does not answer: is the computer on, and does no firewall keep port %s closed?" % (where, where.rpartition(":")[2])
    return "%s cannot be reached: %s" % (where, e.strerror or e)


class _LocalTokenError(NotPairedError):
    """The gateway refused the token that was found on this computer."""


class _Wire:
    """A connection to a gateway, opened: frames come in, frames go out. Only send() may be called from another thread."""

    def __init__(self, sock, target, where, timeout):
        self.where = where
        self._lock, self._out, self._in, self._header = threading.Lock(), bytearray(), bytearray(), None
        self._echo = None
        self.heard = self._beat = time.monotonic()
        self._wake, self._woken = socket.socketpair()
        try:
            self._wake.setblocking(False)
            self._woken.setblocking(False)
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = sock
            binding = self._secure(target) if target.pairing and target.pairing.certificate else b""
            try:
                self._open(target, binding)
            except (socket.timeout, TimeoutError):
                raise UnreachableError("%s took the connection and says nothing: is it a photongate gateway?" % where) from None
            except (ConnectionError, ssl.SSLError) as e:
                raise UnreachableError("%s closed the connection before it was open (%s)" % (where, e)) from None
            self.sock.setblocking(False)
            self._selector = selectors.DefaultSelector()
            self._selector.register(self.sock, selectors.EVENT_READ)
            self._selector.register(self._woken, selectors.EVENT_READ)
        except BaseException:
            self._wake.close()
            self._woken.close()
            raise

    def _secure(self, target):
        """Starts TLS and compares the certificate with the one paired with. Its names and dates mean nothing."""
        if not getattr(ssl, "HAS_TLSv1_3", False):
            raise PhotongateError("this Python's TLS (%s) is too old, TLS 1.3 is needed: use a newer Python" % ssl.OPENSSL_VERSION)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the fingerprint below is what counts
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            self.sock = context.wrap_socket(self.sock, do_handshake_on_connect=True)
        except (socket.timeout, TimeoutError):
            raise UnreachableError("%s does not begin TLS: is it a photongate gateway?" % self.where) from None
        except (ssl.SSLError, ConnectionError) as e:
            raise UnreachableError("%s does not speak TLS 1.3 with us (%s): is it a photongate gateway?" % (self.where, e)) from None
        shown = hashlib.sha256(self.sock.getpeercert(binary_form=True)).digest()
        if not hmac.compare_digest(shown.hex(), target.pairing.certificate):
            self.sock.close()
            raise NotPairedError("%s shows another key than the one %s was paired with: either its journal folder was made anew, or this is another computer "
                                 "that pretends to be it. Nothing was sent. If you know why, pair again with the line that `photongate pair` prints there"
                                 % (self.where, target.said))
        return shown

    def _open(self, target, binding):
        mine = {"format": [1, 1], "role": "receiver", "name": _receiver_name(), "id": _OWN_ID, "software": "photongate.py " + __version__,
                "nonce": secrets.token_hex(16)}
        mine = _frame(_HELLO_TYPE, mine)
        self.sock.sendall(mine)
        theirs = self._expect(_HELLO_TYPE)
        self.hello = _read_json(_HELLO_TYPE, theirs)
        low, high = (self.hello["format"] + [0, 0])[:2]
        if not low <= 1 <= high:
            raise FormatError("version", "%s speaks versions %d to %d of the format; this photongate.py speaks version 1: get a newer one" % (self.where, low, high))
        if self.hello["role"] != "gateway" or "base" not in self.hello:
            raise PhotongateError("%s is no gateway but a %s" % (self.where, self.hello["role"]))
        if self.hello.get("needs"):
            raise PhotongateError("%s needs what this photongate.py does not know (%s): get a newer one" % (self.where, ", ".join(self.hello["needs"])))
        token = self._token(target)
        args = (mine[56:], theirs, binding)
        self.sock.sendall(_frame(_PROOF, {"mac": session_mac(token, "dialer", *args) if token else ""}))
        proof = _read_json(_PROOF, self._expect(_PROOF, target))
        if token and not hmac.compare_digest(proof["mac"], session_mac(token, "listener", *args)):
            raise NotPairedError("%s cannot show that it knows the token: it is not the gateway that %s was paired with, or its token is a new one. Pair again "
                                 "with the line that `photongate pair` prints there" % (self.where, target.said))
        self.rights = proof.get("rights", [])
        self.base = self.hello["base"]

    def _token(self, target):
        """Checks that the gateway is the one meant and finds the token to show it."""
        journal, pairing = self.hello["id"], target.pairing
        if pairing and pairing.journal and pairing.journal != journal:
            raise NotPairedError("%s is not the gateway that %s was paired with: it keeps another journal (%s, not %s). Either its journal folder was made anew, or it "
                                 "is a copy of that computer. Pair again with the line that `photongate pair` prints there"
                                 % (self.where, target.said, journal[:8], pairing.journal[:8]))
        if target.token is None and re.match(r"[0-9a-f]{32}\Z", journal):
            local = _Pairing.load(os.path.join(config_folder(), "local", journal + ".json"))
            self._local = local is not None
            return local and local.token
        return target.token

    def _expect(self, kind, target=None):
        """Waits for one frame of the opening."""
        while True:
            found = self._next_frame(_MAX_OPENING)
            if found is None:
                more = self.sock.recv(1 << 16)
                if not more:
                    raise ConnectionError("it hung up")
                self._in += more
                continue
            h, payload = found
            if h.type == _REFUSE:
                refused = _read_json(_REFUSE, payload)
                self._refused(refused, target)
            if h.type != kind:
                raise PhotongateError("%s sent a frame of type %d while the session was being opened" % (self.where, h.type))
            return payload

    def _refused(self, refused, target=None):
        text = refused.get("text", "")
        if refused["code"] == "token":
            raise (_LocalTokenError if self._local else NotPairedError)("%s refuses the token of %s%s. Pair again with the line that `photongate pair` prints there"
                                 % (self.where, target.said if target else "this computer", " (%s)" % text if text else ""))
        raise RefusedError(refused["code"], "%s refuses the session: %s" % (self.where, text or refused["code"]))

    def _next_frame(self, most=_MAX_FRAME):
        """Cuts the next whole frame from what came; None when more must come."""
        try:
            h = self._header or read_header(self._in)
        except FormatError as e:
            if e.kind == "truncated":
                return None
            if e.kind in ("magic", "version"):
                raise FormatError(e.kind, "%s does not speak as a photongate gateway does: %s" % (self.where, e)) from None
            raise
        if h.size + h.length > most:
            raise FormatError("limit", "%s sent a frame of %d bytes before the session was open" % (self.where, h.size + h.length))
        self._header, end = h, h.size + h.length
        if len(self._in) < end:
            return None
        payload = bytes(self._in[h.size:end])
        del self._in[:end]
        self._header = None
        if crc32c(payload) != h.payload_crc:
            if h.type < 32:
                self._out += _frame(_BAD, {"sub": self.sub, "stream": h.stream, "epoch": h.epoch, "seq": str(h.seq), "detail": "payload CRC"})
            raise FormatError("payload-crc", "a frame arrived damaged")
        return h, payload

    sub = 0  # of the frames that come, for bad
    _local = False  # whether the token is one that the gateway left on this computer

    def send(self, kind, value):
        """Sends a frame as soon as it can be; may be called from any thread."""
        with self._lock:
            self._out += _frame(kind, value)
        self.wake()

    def wake(self):
        try:
            self._wake.send(b".")
        except OSError:
            pass  # it has been told already, or it is closed

    def pump(self):
        """Waits a while for something to happen, sends what is due and yields the frames that came."""
        now = time.monotonic()
        if now - self.heard > _DEAD_S:
            raise ConnectionError("nothing was heard for %g s" % _DEAD_S)
        if now >= self._beat:
            self._beat = now + 1.0
            self._heartbeat()
        self._flush()
        self._selector.modify(self.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0))
        for key, _ in self._selector.select(max(0.0, min(self._beat - time.monotonic(), 1.0))):
            if key.fileobj is self._woken:
                try:
                    self._woken.recv(4096)
                except OSError:
                    pass
        hung_up = self._receive()
        found = self._next_frame()
        while found is not None:
            if found[0].type == _HEARTBEAT:
                self._echo = (_read_json(_HEARTBEAT, found[1])["t_ns"], str(time.time_ns()))
            else:
                yield found
            found = self._next_frame()
        if hung_up:
            raise ConnectionError("the gateway hung up")

    def _heartbeat(self):
        value = {"t_ns": str(time.time_ns())}
        if self._echo:
            value["echo"] = {"t_ns": self._echo[0], "received_ns": self._echo[1]}
        with self._lock:
            self._out += _frame(_HEARTBEAT, value)

    def _flush(self):
        with self._lock:
            while self._out:
                try:
                    sent = self.sock.send(self._out[:1 << 16])
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    return
                del self._out[:sent]

    def _receive(self):
        """Takes what came; returns whether it was the last."""
        for _ in range(64):  # then heartbeats get their turn
            try:
                more = self.sock.recv(1 << 16)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError:
                return True
            if not more:
                return True
            self._in += more
            self.heard = time.monotonic()
        return False

    def close(self, reason=""):
        """Ends the session in good order, as far as that goes without waiting."""
        try:
            if reason:
                self.send(_BYE, {"reason": reason})
            self._flush()
        except OSError:
            pass
        for s in (self.sock, self._wake, self._woken):
            s.close()
        self._selector.close()


class _Feed:
    """One subscription to a stream. While nobody uses it, what comes is followed and thrown away, so that it can be used at
    once and nothing old is ever seen. The condition of the Gateway guards it."""

    def __init__(self, gateway, sub, stream):
        self.gateway, self.sub, self.stream = gateway, sub, stream
        self.used, self.items, self.owed = True, collections.deque(), 0
        self.readers, self.ids = {}, {}   # by name, by stream id
        self.cursors, self.queued = {}, 0 # by stream id: the last frame that came; bytes in items
        self.kept = None                  # a chunk that take() gives next
        self.listener = None              # called from the gateway's thread when there is something

    def subscribe(self):
        """The subscribe message: from now, or from where the connection broke."""
        value = {"sub": self.sub, "kind": "view", "streams": ["gateway", self.stream], "from": "now", "credit": str(_CREDIT_BYTES - self.queued)}
        cursors = [{"stream": self.ids[number].name, "epoch": h.epoch, "seq": str(h.seq), "crc": "%08x" % h.header_crc} for number, h in self.cursors.items()]
        if cursors:
            value.update({"from": "cursor", "cursors": cursors, "rest": "now"})
        self.owed = 0
        return value

    def subscribed(self, streams):
        for s in streams:
            name, number = s["name"], s["id"]
            if number not in self.ids:
                reader = self.readers.setdefault(name, _Reader("%s/%s" % (self.gateway.name, name), self.gateway._clocks, name))
                self.ids[number] = reader
            if s.get("answer") in ("diverged", "unknown journal"):
                self.cursors.pop(number, None)
                raise _Bye("the gateway's journal of %s is another one (%s)" % (name, s["answer"]))
            if "epoch" in s and "seq" in s:
                self.ids[number].begin_at(s["epoch"], int(s["seq"]))

    def arrived(self, h, payload):
        """Takes a frame, in the gateway's thread."""
        if h.type < 32 and h.type != _HOLE and h.stream in self.ids:
            self.cursors[h.stream] = h
        if not self.used:
            self._digest(h, payload, discard=True)
            return
        self.items.append((h, payload))
        self.queued += h.size + h.length
        if self.listener:
            self.listener()

    def _digest(self, h, payload, discard):
        """Follows one frame; returns its chunk."""
        if h.type == _SKIP:
            skip = _read_json(h.type, payload)
            if skip["stream"] in self.ids:
                self.ids[skip["stream"]].skipped(skip["epoch"], int(skip["seq"]))
            return None
        self._credit(h.size + h.length)
        if h.type == _COPY:
            h, payload, _ = read_frame(payload)
            if h.stream in self.ids:
                self.ids[h.stream].context(h, payload)
            return None
        reader = self.ids.get(h.stream)
        return reader and reader.feed(h, payload, discard or reader.name != self.stream)

    def _credit(self, size):
        """Lets the gateway send as much again as was read."""
        self.owed += size
        if self.owed >= _CREDIT_BYTES // 8:
            self.gateway._send(_CREDIT, {"sub": self.sub, "bytes": str(self.owed)})
            self.owed = 0

    def take(self):
        """The next chunk of what has come, or None. The condition must be held."""
        if self.kept is not None:
            chunk, self.kept = self.kept, None
            return chunk
        while self.items:
            chunk = self._next(discard=False)
            if chunk is not None:
                return chunk
        return None

    def _next(self, discard):
        h, payload = self.items.popleft()
        self.queued -= h.size + h.length
        return self._digest(h, payload, discard)

    def leave(self):
        self.used, self.listener, self.kept = False, None, None
        while self.items:
            self._next(discard=True)

    @property
    def reader(self):
        return self.readers[self.stream]


class Setting(str):
    """A setting of an instrument: a text such as "100ms", with its parts: key, value, unit, how (read back, sent, assumed,
    fixed), title, kind, min, max, choices, locked. It is empty when the instrument does not say what it is. float() of it is the number,
    of a duration in seconds."""

    def __new__(cls, fields):
        made = super().__new__(cls, " ".join(x for x in (fields.get("value", ""), fields.get("unit", "")) if x))
        for name in ("key", "value", "unit", "how", "title", "kind", "min", "max", "locked"):
            setattr(made, name, fields.get(name, ""))
        made.choices = fields.get("choices", [])
        return made

    def __float__(self):
        """The number: of a duration in seconds, else in its unit."""
        text = self.value + ("" if _DURATION.match(self.value) else self.unit if self.unit in _SECONDS else "")
        if _DURATION.match(text):
            return sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text))
        return float(self.value)


_SECONDS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile("([0-9.]+)(ns|us|\u00b5s|ms|s|m|h)")
_DURATION = re.compile("(?:[0-9.]+(?:ns|us|\u00b5s|ms|s|m|h))+\\Z")


class Shot:
    """What Gateway.take returns: readings that all began after the call.

    shot.sum["AB"]       counts of a channel, all readings together
    shot.rate["AB"]      counts per second of live time
    shot.rate_err["AB"]  its standard deviation, sqrt(counts) / live time (of at least one count)
    shot.live_s          how long was really counted;  shot.gate_s  how long it took
    shot.readings        how many readings
    shot.begin, shot.end when, as datetime (UTC); None when UTC is not known
    shot.flags           flags that some of the readings carry
    shot.gaps            what is missing among them; empty unless allow_gaps was given
    shot.batch           the readings themselves, a Batch

    Channels that are no counts (a temperature, a rate) have no sum; shot.mean has them.
    """

    def __init__(self, batch):
        self.batch, self.gaps, self.readings = batch, batch.gaps, len(batch)
        lengths = [int(v) for v in batch._lengths]
        live_ns = sum(lengths) - sum(int(v) for c in batch._chunks if c.counts.dead is not None for v in c.counts.dead)
        self.live_s, self.gate_s = live_ns / 1e9, sum(lengths) / 1e9
        utc = batch._utc.tolist() if _np is not None else batch._utc
        utc = [None if t is None or t == -1 << 63 else t for t in utc]
        self.begin = _utc_datetime(utc[0]) if utc else None
        self.end = _utc_datetime(utc[-1] + lengths[-1]) if utc and utc[-1] is not None else None
        self.flags = sorted({w for text in batch.flags if text for w in text.split("|")})
        self.sum, self.rate, self.rate_err, self.mean = {}, {}, {}, {}
        for described in batch._described:
            name = described.get("name", "")
            column = batch[name].tolist() if _np is not None else list(batch[name])
            unknown = any(v is None or v != v for v in column)
            total = math.nan if unknown else sum(column)
            if described.get("kind", "count") != "count":
                self.mean[name] = total / len(column) if column else math.nan
                continue
            self.sum[name] = total
            self.rate[name] = total / self.live_s if live_ns > 0 else math.nan
            self.rate_err[name] = math.sqrt(max(total, 1)) / self.live_s if live_ns > 0 and not unknown else math.nan

    def to_pandas(self):
        """The readings as a pandas DataFrame, as Batch.to_pandas makes it."""
        return self.batch.to_pandas()

    def __repr__(self):
        rates = "  ".join("%s %.6g +- %.2g" % (name, self.rate[name], self.rate_err[name]) for name in self.rate)
        return "<%d readings, %.6g s live: %s>" % (self.readings, self.live_s, rates)


class Measurement:
    """A measurement that goes on, from Gateway.measure: `id`, `title`; take() and note() are those of the gateway."""

    def __init__(self, gateway, fields):
        self._gateway, self.fields, self.id, self.title = gateway, fields, fields["id"], fields.get("title", "")

    def __enter__(self):
        self._gateway._request("begin", measurement=self.fields)
        self._gateway._measuring = self.id
        return self

    def __exit__(self, kind, *_):
        self._gateway._measuring = None
        try:
            self._gateway._request("end", measurement={"id": self.id, "state": "incomplete" if kind else "complete"})
        except PhotongateError:
            if kind is None:
                raise  # else the first error is the one to be told

    def take(self, *args, **named):
        """As Gateway.take."""
        return self._gateway.take(*args, **named)

    def note(self, text):
        """As Gateway.note."""
        self._gateway.note(text)


class Gateway:
    """A gateway on the network; made by photongate.connect(). Use it in a `with`, or close() it.

    A thread of its own keeps the connection: it answers while your program computes, and connects again by itself when
    the network or the gateway was away. What was missed meanwhile is fetched where the gateway still can, else it is a Gap.
    Any number of threads may use one Gateway.
    """

    def __init__(self, target, timeout):
        self._target, self._timeout = target, timeout
        self._condition = threading.Condition()
        self._clocks = _Clocks()
        self._feeds, self._replies, self._measuring = {}, {}, None
        self._requests, self._subs = itertools.count(1), itertools.count(1)
        self._closing, self._failed, self._trouble, self._names = False, None, "", []
        self._wire = _open_wire(target, timeout)
        self.name, self.rights, self.info = self._wire.hello["name"], self._wire.rights, self._wire.hello
        self._thread = threading.Thread(target=self._run, name="photongate " + self.name, daemon=True)
        self._thread.start()

    # The thread.

    def _run(self):
        try:
            while not self._closing:
                self._serve()
                if not self._closing:
                    self._connect_again()
        except BaseException as e:
            self._fail(e if isinstance(e, PhotongateError) else PhotongateError("the connection to %s ended by a mistake in photongate.py: %r" % (self.name, e)))
        finally:
            wire = self._wire
            if wire is not None:
                wire.close("done" if self._closing else "")

    def _serve(self):
        """Serves one connection until it breaks."""
        wire, self._since = self._wire, time.monotonic()
        try:
            current = None
            while not self._closing:
                for h, payload in wire.pump():
                    current = self._arrived(wire, h, payload, current)
            return
        except (OSError, FormatError) as e:
            self._trouble = str(e)
            if isinstance(e, FormatError) and e.kind != "payload-crc":
                wire.send(_REFUSE, {"code": "protocol", "text": str(e)})
        except _Bye as e:
            self._trouble = str(e)
        with self._condition:
            self._wire = None
            for number, reply in self._replies.items():
                if reply is None:
                    self._replies[number] = UnreachableError("the connection to %s broke (%s) before the gateway answered: it is not known whether it was done" % (
                        self.name, self._trouble))
            self._condition.notify_all()
        wire.close()

    def _arrived(self, wire, h, payload, current):
        """Does what a frame says; returns the subscription whose frames come now."""
        if h.type == _TURN:
            wire.sub = _read_json(h.type, payload)["sub"]
            return self._feeds.get(wire.sub)
        with self._condition:
            if 0 < h.type < 32 or h.type == _COPY:
                if current is not None:
                    current.arrived(h, payload)
                    self._condition.notify_all()
            elif h.type == _SKIP:
                feed = self._feeds.get(_read_json(h.type, payload)["sub"])
                if feed is not None:
                    feed.arrived(h, payload)
            elif h.type == _SUBSCRIBED_TYPE:
                value = _read_json(h.type, payload)
                if value["sub"] in self._feeds:
                    self._feeds[value["sub"]].subscribed(value["streams"])
            elif h.type == _REPLY:
                value = _read_json(h.type, payload)
                if int(value["id"]) in self._replies:
                    self._replies[int(value["id"])] = (wire.base, value)
                    self._condition.notify_all()
            elif h.type == _BYE:
                raise _Bye("the gateway ended the session: %s" % _read_json(h.type, payload).get("reason", ""))
            elif h.type == _REFUSE:
                wire._refused(_read_json(h.type, payload), self._target)
            elif h.critical:
                _check_understood(h)
        return current

    def _pause(self, seconds):
        with self._condition:
            self._condition.wait_for(lambda: self._closing, seconds)

    def _connect_again(self):
        pause = 0.1 if time.monotonic() - self._since > _DEAD_S else 1.0
        while not self._closing:
            try:
                wire = _open_wire(self._target, min(self._timeout, 3))
            except (UnreachableError, RefusedError, OSError) as e:
                if isinstance(e, RefusedError) and e.code not in ("busy", "limit"):
                    raise
                self._trouble = str(e)
                self._pause(pause)
                pause = min(2 * pause, 5.0)
                continue
            with self._condition:
                if wire.hello["id"] != self.info["id"]:
                    wire.close("another gateway")
                    raise NotPairedError("%s is another gateway now: it keeps the journal %s, not %s" % (wire.where, wire.hello["id"][:8], self.info["id"][:8]))
                self._wire, self.info, self.rights, self._names = wire, wire.hello, wire.rights, []
                for feed in self._feeds.values():
                    wire.send(_SUBSCRIBE, feed.subscribe())
                if self._measuring:  # so that it is not taken for abandoned
                    wire.send(_REQUEST, {"id": str(next(self._requests)), "do": "now", "measurement": {"id": self._measuring}})
                self._condition.notify_all()
            return

    def _fail(self, e):
        with self._condition:
            self._failed = e
            self._wire, wire = None, self._wire
            self._tell()
        if wire is not None:
            wire.close()

    def _tell(self):
        """Wakes everybody who waits; the condition must be held."""
        self._condition.notify_all()
        for feed in self._feeds.values():
            if feed.listener:
                feed.listener()

    def _send(self, kind, value):
        wire = self._wire  # which another thread may take away
        if wire is not None:
            wire.send(kind, value)

    # Waiting.

    def _wait(self, ready, timeout, what):
        """Waits until ready() is not None and returns it; the condition must be held."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._closing:
                raise PhotongateError("the connection to %s was closed" % self.name)
            found = ready()
            if found is not None:
                return found
            if self._failed is not None:
                raise self._failed
            left = 0.5 if end is None else end - time.monotonic()
            if left <= 0:
                raise UnreachableError(what + (": " + self._trouble if self._wire is None and self._trouble else ""))
            self._condition.wait(min(left, 0.5))  # short, so that Ctrl-C works on Windows too

    def _request(self, do, timeout=None, **fields):
        """Sends a request and waits for the reply: the time base it speaks of, and the reply. Raises when it was refused."""
        timeout = self._timeout if timeout is None else timeout
        with self._condition:
            self._wait(lambda: self._wire, timeout, "%s is not connected" % self.name)
            number = next(self._requests)
            value = {"id": str(number), "do": do, "who": _user()}
            value.update({k: v for k, v in fields.items() if v is not None})
            self._replies[number] = None
            try:
                self._send(_REQUEST, value)
                answer = self._wait(lambda: self._replies[number], timeout, "%s did not answer within %g s" % (self.name, timeout))
            finally:
                del self._replies[number]
        if isinstance(answer, Exception):
            raise answer
        base, reply = answer
        if reply.get("code"):
            raise RefusedError(reply["code"], _refusal(self.name, do, reply))
        return base, reply

    # What users do.

    @property
    def connected(self):
        """Whether the connection stands just now."""
        return self._wire is not None

    @property
    def streams(self):
        """Names of the instruments the gateway reads."""
        return [d["name"] for d in self.status().get("devices") or []]

    def status(self):
        """What the gateway says of itself, as a dict: devices, their states and rates, alarms, sessions."""
        return self._request("status")[1].get("status") or {}

    def get(self, device=None, key=None):
        """A setting of an instrument, as a Setting: gw.get("bench", "gate"). Without key all of them as a dict; without device a
        dict of all devices."""
        _, reply = self._request("get", device=device, key=key)
        found = {}
        for s in reply.get("settings", []):
            found.setdefault(s.get("device", ""), {})[s.get("key", "")] = Setting(s)
        if device is None:
            return found
        settings = found.get(device, {})
        if key is None:
            return settings
        if key not in settings:
            raise PhotongateError("%s has no setting %r; it has %s" % (device, key, ", ".join(settings)))
        return settings[key]

    def set(self, device, force=False, **settings):
        """Changes settings of an instrument: gw.set("bench", gate="200ms"). Returns when it is done; readings in between are flagged
        mixed. With force also while somebody else measures. Returns what changed, a dict for each key (old, new, read_back...)."""
        if not settings:
            raise PhotongateError("set what? For example gw.set(%r, gate=\"200ms\"); gw.get(%r) lists the settings" % (device, device))
        changes = {}
        for key, value in settings.items():
            value = str(value).lower() if isinstance(value, bool) else str(value)
            measurement = {"id": self._measuring} if self._measuring else None
            _, reply = self._request("set", timeout=max(self._timeout, 30), device=device, key=key, value=value, force=True if force else None,
                                     measurement=measurement)
            changes[key] = reply.get("change", {})
        return changes

    def note(self, text):
        """Writes a remark into the record."""
        self._request("note", text=text)

    def measure(self, title="", sample="", operator=None, streams=None, **parameters):
        """A named measurement, for `with`: begin and end go into the record, with parameters of your own (hwp_deg=22.5).

        with gw.measure(title="HWP 22.5", sample="ppKTP-3", hwp_deg=22.5) as m:
            shot = m.take(seconds=5)
        """
        fields = {"id": secrets.token_hex(16), "title": title, "sample": sample, "operator": _user() if operator is None else operator,
                  "set": [{"key": k, "value": str(v)} for k, v in parameters.items()], "streams": streams or []}
        return Measurement(self, {k: v for k, v in fields.items() if v})

    def take(self, seconds=None, readings=None, stream=None, allow_gaps=False, timeout=None):
        """Waits for new counts and returns them as a Shot.

        Only gates that surely began after this call are taken: the gateway is asked for the time, and a reading counts when
        its begin, less everything that is uncertain about it, is not before. So there is no photon in it from before,
        whatever was on its way or in a buffer.

        seconds or readings says how much; of seconds, as many whole gates as come closest. A gap among them, or a flag that
        says a count is wrong, raises GapError, unless allow_gaps is given. After timeout seconds without any reading
        (default: 10 s and three gates) UnreachableError says what the instrument is doing.
        """
        if (seconds is None) == (readings is None) or (seconds if readings is None else readings) <= 0:
            raise PhotongateError("take how much? take(seconds=5) or take(readings=50)")
        feed = self._acquire(self._only(stream))
        try:
            return _Taking(self, feed, seconds, readings, allow_gaps, timeout).run()
        finally:
            self._release(feed)

    def stream(self, stream=None, timeout=None):
        """Iterates over the readings of a stream as they come. A batch (Batch) holds all that came since the one before, so a slow loop gets
        longer batches and misses nothing. The name may be left out when there is one stream. With timeout, so many seconds without any reading raise UnreachableError; else it waits for as long as it takes."""
        feed = self._acquire(self._only(stream))
        try:
            while True:
                yield self._next(feed, timeout)
        finally:
            self._release(feed)

    def __iter__(self):
        return self.stream()

    async def aiter(self, stream=None):
        """As stream(), for `async for`. (Only the first look for the stream blocks, for as long as the gateway takes to answer.)"""
        feed = self._acquire(self._only(stream))
        loop, came = asyncio.get_running_loop(), asyncio.Event()

        def tell():
            try:
                loop.call_soon_threadsafe(came.set)
            except RuntimeError:
                pass  # the loop has ended

        try:
            with self._condition:
                feed.listener = tell
            while True:
                came.clear()
                batch = self._ready(feed)
                if batch is not None:
                    yield batch
                    continue
                await came.wait()
        finally:
            self._release(feed)

    def _ready(self, feed):
        """The next batch if there is one."""
        with self._condition:
            chunk = feed.take()
            if chunk is None:
                if self._closing:
                    raise PhotongateError("the connection to %s was closed" % self.name)
                if self._failed is not None:
                    raise self._failed
                return None
            return self._with_what_waits(feed, chunk)

    def _next(self, feed, timeout):
        chunk = self._next_chunk(feed, timeout)
        with self._condition:
            return self._with_what_waits(feed, chunk)

    @staticmethod
    def _with_what_waits(feed, chunk):
        """The batch of a chunk and of all that came meanwhile, so that a slow loop gets longer batches."""
        chunks, room = [chunk], _MAX_BATCH
        while room > 0:
            more = feed.take()
            if more is None:
                break
            if not _same_channels(chunk, more):
                feed.kept = more
                break
            chunks.append(more)
            room -= more.counts.n * (2 if isinstance(more.counts, Tags) else len(more.counts.values))
        return feed.reader.batch(chunks)

    def _next_chunk(self, feed, timeout):
        try:
            with self._condition:
                return self._wait(feed.take, timeout, "no counts from %s/%s for %g s" % (self.name, feed.stream, timeout or 0))
        except UnreachableError as e:
            raise UnreachableError("%s%s" % (e, self._state_of(feed.stream))) from None

    def _state_of(self, device):
        """What the gateway says of a device that gives nothing, as the end of a sentence."""
        if self._wire is None:
            return ""
        try:
            for d in self.status().get("devices") or []:
                if d.get("name") == device:
                    words = [d.get("state", ""), d.get("cause", ""), d.get("hint", "")]
                    return ": the gateway says of it: " + ", ".join(w for w in words if w)
        except PhotongateError:
            pass
        return ""

    def _only(self, stream):
        if not self._names or stream is not None and stream not in self._names:
            self._names = self.streams
        names = self._names
        if stream is None:
            if len(names) != 1:
                counts = [d["name"] for d in self.status().get("devices") or [] if not d.get("tags")]
                if len(counts) == 1:  # a tagger, and the counts made of its tags
                    return counts[0]
                raise PhotongateError("%s reads %s: say which" % (self.name, "the instruments " + ", ".join(names) if names else "no instrument"))
            return names[0]
        stream = stream[len(self.name) + 1:] if stream.startswith(self.name + "/") else stream
        if stream not in names:
            raise PhotongateError("%s reads no instrument %r; it reads %s" % (self.name, stream, ", ".join(names) or "none"))
        return stream

    def _acquire(self, stream):
        """A feed of the stream that nobody else uses."""
        with self._condition:
            for feed in self._feeds.values():
                if feed.stream == stream and not feed.used:
                    feed.used = True
                    return feed
            number = next(self._subs)
            feed = self._feeds[number] = _Feed(self, number, stream)
            self._send(_SUBSCRIBE, feed.subscribe())
            return feed

    def _release(self, feed):
        with self._condition:
            feed.leave()

    def close(self):
        """Ends the connection and its thread."""
        with self._condition:
            self._closing = True
            wire = self._wire
            self._tell()
        if wire is not None:
            wire.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(self._timeout + 5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()

    def __repr__(self):
        return "<gateway %s, %s>" % (self.name, "connected" if self.connected else "not connected: " + self._trouble)


class _Bye(Exception):
    """The gateway ended the session in good order."""


def _user():
    try:
        return getpass.getuser()[:100]
    except Exception:  # it raises what it likes where there is no user
        return ""


def _refusal(name, do, reply):
    return "%s did not do it (%s): %s" % (name, do, reply.get("text", "") or reply["code"])


class _Taking:
    """One call of take()."""

    def __init__(self, gateway, feed, seconds, readings, allow_gaps, timeout):
        self._gateway, self._feed, self._allow_gaps, self._timeout = gateway, feed, allow_gaps, timeout
        self._want_ns, self._want = None if seconds is None else seconds * 1e9, readings
        self._marks = {}     # time base -> the moment from which readings count
        self._kept, self._chunks = [], []   # long chunks; those of one reading that come behind
        self._last, self._count, self._gaps, self._length = None, 0, [], 0
        self._begun = False  # what follows the first reading taken is after the call as well
        self._mark()

    def _mark(self):
        base, reply = self._gateway._request("now")
        self._marks[base] = int(reply["t_ns"])

    def run(self):
        while not self._done():
            self._add(self._gateway._next_chunk(self._feed, self._patience()))
        return self._shot()

    def _patience(self):
        if self._timeout is not None:
            return self._timeout
        reader = self._feed.readers.get(self._feed.stream)
        described = reader.descriptor[1] if reader and reader.descriptor else {}
        return 10 + 3 * int(described.get("gate_ns", 0)) / 1e9

    def _done(self):
        if self._want is not None:
            return self._count >= self._want
        return self._last is not None and self._length + self._last.counts.length[0] / 2 > self._want_ns

    def _shot(self):
        chunks = self._kept + list(_gathered(self._chunks))
        zero = (chunks[0].descriptor["base"], int(chunks[0].counts.begin[0])) if chunks else None
        return Shot(Batch(chunks, self._feed.reader.stream, self._gateway._clocks, zero))

    def _add(self, chunk):
        """Takes of a chunk the readings that surely began after the call."""
        base, c = chunk.descriptor["base"], chunk.counts
        if isinstance(c, Tags):
            raise PhotongateError("%s has time tags, no counts: take from a stream of counts that the gateway makes of it ([[device.counts]] in its configuration)"
                                  % self._feed.reader.stream)
        if base not in self._marks:
            self._mark()  # the gateway was started anew: its time is another one
            self._begun = False
        mark = self._marks.get(base)
        if mark is None:
            return
        mark += int(chunk.descriptor.get("late_ns", 0))
        if self._last is not None:
            self._gaps += chunk.gaps
        for i in range(c.n):
            first = c.flags is not None and int(c.flags[i]) & _FIRST
            uncertain = 0 if c.uncertainty is None else int(c.uncertainty[i])
            if first or not self._begun and int(c.begin[i]) - uncertain < mark:
                continue
            self._begun = True
            self._keep(_some(chunk, [i]))
            if self._done():
                return

    def _keep(self, one):
        """Adds one reading, unless it does not follow the one before or its flags say that it is wrong."""
        if self._last is not None and not self._gaps and (one.part, one.index) != (self._last.part, self._last.index + 1):
            self._gaps.append(Gap("hole", "not received", part=one.part, index=self._last.index + 1, stream=self._feed.reader.stream))
        if self._gaps and not self._allow_gaps:
            gaps = self._gaps
            raise GapError("after %d readings some are missing: %s. Take them again, or say allow_gaps=True" % (
                self._count, "; ".join(map(str, gaps))), gaps=gaps, shot=self._shot())
        names = [d.get("name", "") for d in one.descriptor["channels"]]
        words = list(_flag_words(one.counts.flags[0], None)) if one.counts.flags else []
        words += [w for name, f in zip(names, one.counts.value_flags) if f for w in _flag_words(f[0], name)]
        wrong = [w for w in words if w.partition(":")[0] in _SPOILING or w.startswith("flag")]
        if wrong and not self._allow_gaps:
            raise GapError("reading %d of part %d is not to be trusted: %s. Take it again, or say allow_gaps=True" % (one.index, one.part, ", ".join(wrong)),
                           flags=wrong, shot=self._shot())
        one.gaps, self._gaps = self._gaps, []
        self._chunks.append(one)
        self._last, self._count, self._length = one, self._count + 1, self._length + one.counts.length[0]
        if len(self._chunks) == 1024:
            self._kept += _gathered(self._chunks)
            self._chunks = []


def connect(address="localhost", timeout=10, token=None):
    """Connects to a gateway and returns a Gateway: the name under which it was paired, or host:port, or "localhost" for one on
    this computer. timeout is how many seconds to wait for an answer. The token comes from the pairing; one given here is taken
    instead."""
    return Gateway(_resolve(address, token), timeout)
