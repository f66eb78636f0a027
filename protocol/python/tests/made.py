"""Frames and files made by hand, for tests: the plainest encoder there could be."""

import json
import os
import struct

import photongate

GATE = 100_000_000
T0 = 1795181412100000000
BASE, BASE2, JOURNAL = "b" * 32, "c" * 32, "0123456789abcdef" * 2


def frame(kind, payload=b"", stream=0, epoch=0, count=0, seq=0, index=0, time=0):
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode()
    head = b"\xF5PG\x01" + bytes([14, kind | (128 if kind == 1 else 0)]) + struct.pack("<HI", 0, len(payload))
    tail = struct.pack("<IIIIQQq", photongate.crc32c(payload), stream, epoch, count, seq, index, time)
    return head + struct.pack("<I", photongate.crc32c(head + bytes(4) + tail)) + tail + payload


def raw(values):
    return b"\x00" + b"".join(struct.pack("<Q", v % (1 << 64)) for v in values)


def uvarint(v):
    return bytes([v]) if v < 128 else bytes([v & 127 | 128]) + uvarint(v >> 7)


class Stream:
    """Writes the frames of one stream, two channels A and B, gates of 0.1 s without a pause."""

    def __init__(self, name="bench", number=1, base=BASE, boot="boot"):
        self.name, self.number, self.base, self.boot = name, number, base, boot
        self.epoch, self.seq, self.index, self.time = 0, 0, 0, T0

    def next(self, kind, payload, count=0, time=None):
        self.seq += 1
        made = frame(kind, payload, self.number, self.epoch, count, self.seq, self.index, self.time if time is None else time)
        self.index += count
        return made

    def descriptor(self, channels=("A", "B"), **more):
        """Begins a new epoch."""
        previous = {"epoch": self.epoch, "seq": str(self.seq)} if self.epoch else None
        self.epoch, self.seq, self.index = self.epoch + 1, 0, 0
        value = {"stream": self.name, "base": self.base, "boot": self.boot, "software": "test", "cause": "test", "previous": previous,
                 "gate_ns": str(GATE), "channels": [c if isinstance(c, dict) else {"name": c, "kind": "count"} for c in channels]}
        value.update(more)
        return self.next(1, value)

    def counts(self, a, b=None, flags=None, value_flags=None, dead=None, uncertainty=None, pauses=None):
        """One frame; a and b are the counts. value_flags are those of A."""
        b = list(range(len(a))) if b is None else b
        present = sum(1 << bit for bit, c in enumerate((pauses, dead, uncertainty, flags, value_flags)) if c is not None)
        payload = bytes([1, present, 2]) + (b"\x01" if value_flags is not None else b"") + raw([GATE] * len(a))
        for column in (pauses, dead, uncertainty, flags):
            payload += raw(column) if column is not None else b""
        payload += raw(a) + (raw(value_flags) if value_flags is not None else b"") + raw(b)
        made = self.next(2, payload, len(a))
        self.time += GATE * len(a) + sum(pauses or [])
        return made

    def tags(self, ticks, channels, until=None, losses=(), number=2, time=None):
        """One frame of tags, all raw; losses are (begin, end, channel or None, missing or None)."""
        last = ticks[-1] if ticks else until
        until = last if until is None else until
        payload = bytes([1, 2 if losses else 0]) + uvarint(number) + uvarint(last)
        payload += b"".join(uvarint(sum(c == i for c in channels)) for i in range(number)) + uvarint(2 * (until - last))
        if losses:
            payload, before = payload + uvarint(len(losses)), 0
            for begin, end, channel, missing in losses:
                payload += uvarint(begin - before) + uvarint(end - begin) + uvarint(0 if channel is None else channel + 1)
                payload, before = payload + (b"\0" if missing is None else b"\1" + uvarint(missing)), begin
        if ticks:
            payload += raw(ticks) + b"\0" + bytes(channels)
        return self.next(3, payload, len(ticks), time)

    def gap(self, missing=None, duration_ns=None, cause="bytes lost"):
        made = self.next(4, {"cause": cause, "missing": None if missing is None else str(missing),
                             "duration_ns": None if duration_ns is None else str(duration_ns)})
        self.index += missing or 0
        self.time += duration_ns or 0
        return made

    def event(self, **fields):
        return self.next(5, fields)

    def end(self):
        return self.next(7, {"cause": "gateway stopped"})

    def clock(self, offset, sync="synchronised", at=None, mono=None, boot=None):
        """UTC = base + offset at this moment."""
        at = self.time if at is None else at
        return self.next(6, {"kind": "host", "utc_ns": str(at + offset), "cause": "periodic", "sync": sync,
                             "mono_ns": None if mono is None else str(mono), "boot_ns": None if boot is None else str(boot)}, time=at)

    def hole(self, first, last, cause):
        return frame(15, {"to": str(last), "cause": cause, "by": "test"}, self.number, self.epoch, seq=first)


def mark(offset, last):
    b = b"\xF5PM\x01" + struct.pack("<IQQI", 32, offset, last, 0)
    return b + struct.pack("<I", photongate.crc32c(b))


def segment(stream, frames, first=1, copies=b"", epoch=None):
    text = json.dumps({"format": 1, "journal": JOURNAL, "gateway": "pi-lab3", "stream": stream.name, "stream_id": stream.number,
                       "epoch": epoch or stream.epoch, "first_seq": str(first), "place": "archive", "created_utc_ns": "1"}).encode()
    body = text + copies
    head = b"\xF5PS\x01" + struct.pack("<III", 20 + len(body), len(text), photongate.crc32c(body))
    return head + struct.pack("<I", photongate.crc32c(head)) + body + b"".join(frames)


def archive(folder, files, ends=None, extra=None):
    """Writes an archive of one gateway. files: {(stream name, file name): bytes}; ends: {stream: {epoch: last}}."""
    root = os.path.join(folder, "pi-lab3-01234567")
    os.makedirs(root)
    streams = sorted({s for s, _ in files} | set(ends or {}))
    listed = [{"name": s, "id": i + 1, "last_epoch": 1, "ends": [{"epoch": e, "last_seq": str(n)} for e, n in (ends or {}).get(s, {}).items()]}
              for i, s in enumerate(streams)]
    with open(os.path.join(root, "journal.json"), "w") as f:
        json.dump({"format": 1, "place": "archive", "journal": JOURNAL, "gateway": "pi-lab3", "created_utc_ns": "1", "streams": listed, **(extra or {})}, f)
    for (stream, name), content in files.items():
        os.makedirs(os.path.join(root, stream), exist_ok=True)
        with open(os.path.join(root, stream, name), "wb") as f:
            f.write(content)
    return folder
