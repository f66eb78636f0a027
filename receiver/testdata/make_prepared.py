#!/usr/bin/env python3
"""Writes the archive prepared/, of which verify_prepared_test.go says what verify
must find in it.

Written from SPEC.md with the encoder that makes the golden vectors, which shares no
code with the Go one. Standard library only. Run it from anywhere after changing it,
and commit the files.
"""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "protocol", "testdata"))
sys.dont_write_bytecode = True
from make_vectors import ARCHIVE, BASE, GATE, JOURNAL, T0, constant, counts_payload, frame, mark_bytes, preamble_bytes, text  # noqa: E402

OUT = os.path.join(HERE, "prepared")
FOLDER = os.path.join(OUT, "pi-lab3-" + JOURNAL[:8])
UNKNOWN_BASE = "b" * 32
SECOND = 1_000_000_000
STREAMS = {"gateway": 1, "calm": 2, "gaps": 3, "holes": 4, "broken": 5}


class Part:
    """The frames of one epoch. Part n begins n-1 minutes after T0."""

    def __init__(self, stream, epoch, base=BASE, previous=None, at=None):
        self.stream, self.epoch, self.base = stream, epoch, base
        self.t0 = T0 + (epoch - 1) * 60 * SECOND if at is None else at
        self.seq, self.frames = 0, {}
        value = {"stream": stream, "base": base, "software": "prepared", "cause": "gateway started", "timing": "device", "gate_ns": str(GATE),
                 "channels": [] if stream == "gateway" else [{"name": "A", "kind": "count", "exponent": 0, "width": 24}]}
        if previous:
            value["previous"] = {"epoch": previous[0], "seq": str(previous[1])}
        self.put("descriptor", text(value))

    def put(self, kind, payload, ms=0, index=0, count=0, seq=None):
        self.seq = self.seq + 1 if seq is None else seq
        self.frames[self.seq] = frame(kind, payload, stream=STREAMS[self.stream], epoch=self.epoch, seq=self.seq, index=index, count=count,
                                      time=self.t0 + ms * 1_000_000)
        return self

    def counts(self, index, ms):
        """Two readings of 100 ms, from a moment in ms on."""
        return self.put("counts", counts_payload(constant(GATE), [constant(1000)]), ms, index, 2)

    def gap(self, index, ms, **value):
        return self.put("gap", text(value), ms, index)

    def hole(self, to, cause, by, **more):
        """The frames from the next one on to "to"."""
        first = self.seq + 1
        self.frames[first] = frame("hole", text({"to": str(to), "cause": cause, "by": by, **more}), stream=STREAMS[self.stream], epoch=self.epoch, seq=first)
        self.seq = to
        return self

    def end(self, index, ms, cause="gateway stopped"):
        return self.put("end", text({"cause": cause}), ms, index)

    def file(self, first=1, last=None, marks=(), copies=b"", journal=JOURNAL, number=None):
        """The bytes of a segment file of some frames, with marks behind some and behind the last."""
        seqs = [s for s in sorted(self.frames) if s >= first and (last is None or s <= last)]
        out = preamble_bytes({"format": 1, "journal": journal, "gateway": "pi-lab3", "stream": self.stream, "stream_id": STREAMS[self.stream],
                              "epoch": self.epoch, "first_seq": str(first), "place": "archive", "created_utc_ns": str(self.t0)}, copies)
        self.places = {}
        for s in seqs:
            self.places[s] = len(out)
            out += self.frames[s]
            if s in marks or s == seqs[-1]:
                out += mark_bytes(len(out), self.seq if s == seqs[-1] and last is None else s)
        return out


def write(stream, name, content):
    os.makedirs(os.path.join(FOLDER, stream), exist_ok=True)
    with open(os.path.join(FOLDER, stream, name + ".pgs"), "wb") as f:
        f.write(content)


def gateway():
    p = Part("gateway", 1)
    p.put("clock", text({"kind": "host", "utc_ns": str(T0), "mono_ns": "1000", "cause": "start", "sync": "synchronised"}))
    write("gateway", "000001-000000000001", p.file())


def calm():
    write("calm", "000001-000000000001", Part("calm", 1).counts(0, 0).counts(2, 200).counts(4, 400).end(6, 600).file())


def gaps():
    p = Part("gaps", 1).counts(0, 0).gap(2, 200, cause="overrun", duration_ns="300000000", missing="3").counts(5, 500)
    p.gap(7, 700, cause="stalled", duration_ns="14400000000").counts(7, 15100)
    p.gap(9, 15300, cause="unplugged", detail="no such device").end(9, 15300, "unplugged")
    write("gaps", "000001-000000000001", p.file())
    # A clock that was never set: 1970, on a base of which no clock frame tells. And no end.
    write("gaps", "000002-000000000001", Part("gaps", 2, UNKNOWN_BASE, (1, 8), at=3 * SECOND).counts(0, 0).file())


def holes():
    p = Part("holes", 1).counts(0, 0).hole(4, "quota", "pi-lab3").counts(6, 600).hole(6, "overrun", "pi-lab3").counts(10, 1000)
    p.hole(9, "damaged", "pi-lab3", detail="payload CRC").counts(16, 1600).hole(11, "not held", "pi-lab3").counts(20, 2000)
    p.hole(14, "file missing", "pi-lab3").counts(26, 2600).hole(16, "unsynced tail", "pi-lab3").counts(30, 3000).end(32, 3200)
    write("holes", "000001-000000000001", p.file())
    # A recording that began in the middle of a part.
    p = Part("holes", 2)
    descriptor = p.frames.pop(1)
    p.seq = 0
    p.hole(4, "not held", "archive").counts(6, 600).end(8, 800)
    write("holes", "000002-000000000001", p.file(copies=descriptor))


def broken():
    p = Part("broken", 1).counts(0, 0).counts(2, 200).counts(4, 400).counts(6, 600).end(8, 800)
    b = bytearray(p.file(marks=[4]))
    b[p.places[3] + len(p.frames[3]) - 1] ^= 16  # a bit of the payload of frame 3
    write("broken", "000001-000000000001", bytes(b))

    p = Part("broken", 2, previous=(1, 6)).counts(0, 0).counts(2, 200).counts(4, 400).counts(6, 600).end(8, 800)
    write("broken", "000002-000000000001", p.file(1, 2))  # the file of frames 3 and 4 was removed
    write("broken", "000002-000000000005", p.file(5, copies=p.frames[1]))

    p = Part("broken", 3, previous=(2, 6)).counts(0, 0).counts(2, 200).counts(4, 400)
    b = p.file(marks=[2])
    write("broken", "000003-000000000001", b[:p.places[4] + len(p.frames[4]) - 5])  # a tail cut off by a crash

    write("broken", "000004-000000000001", Part("broken", 4, previous=(3, 4)).counts(0, 0).file())  # without an end

    p = Part("broken", 5, previous=(4, 2)).gap(0, 0, cause="gateway crashed", duration_ns="30000000000", approximate=True).counts(0, 30000)
    write("broken", "000005-000000000001", p.file())  # journal.json knows of 9 frames

    other = Part("broken", 1).counts(0, 0).file(journal="f" * 32)
    write("broken", "000001-000000000009", other)  # a file of another journal


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for make in (gateway, calm, gaps, holes, broken):
        make()
    last = {"gateway": 1, "calm": 1, "gaps": 2, "holes": 2, "broken": 6}  # of part 6 of broken there is no file
    ends = {"broken": [{"epoch": 5, "last_seq": "9"}, {"epoch": 6, "last_seq": "7"}]}
    streams = [{"name": name, "id": number, "last_epoch": last[name], **({"ends": ends[name]} if name in ends else {})} for name, number in STREAMS.items()]
    for path, value in ((os.path.join(OUT, "archive.json"), {"format": 1, "archive": ARCHIVE, "name": "ws-ana"}),
                        (os.path.join(FOLDER, "journal.json"), {"format": 1, "place": "archive", "journal": JOURNAL, "archive": ARCHIVE, "gateway": "pi-lab3",
                                                                "created_utc_ns": str(T0), "streams": streams})):
        with open(path, "wb") as f:
            f.write(text(value) + b"\n")


if __name__ == "__main__":
    main()
