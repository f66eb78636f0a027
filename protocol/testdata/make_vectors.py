#!/usr/bin/env python3
"""Writes the golden vectors of the photongate format into vectors/.

Written from SPEC.md, with bits kept in plain lists and no thought of speed, so
that it shares no mistake with the Go encoder. Standard library only. Run it from
anywhere after SPEC.md gained something, look at the difference, commit the files.
README.md says what the files mean.
"""

import hashlib
import hmac
import json
import os
import random
import struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors")
M64 = 1 << 64
WRITTEN = set()

# Section 1: conventions.


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def uvarint(v):
    out = b""
    while v >= 128:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def zigzag(d):
    """Of a difference modulo 2^64, taken as signed."""
    d %= M64
    if d >= M64 // 2:
        d -= M64
    return 2 * d if d >= 0 else -2 * d - 1


def field(value, width):
    return [value >> i & 1 for i in range(width)]


def to_bytes(bits, fill=0):
    bits = bits + [fill] * (-len(bits) % 8)
    return bytes(sum(bit << j for j, bit in enumerate(bits[i:i + 8])) for i in range(0, len(bits), 8))


# Section 3: the frame.

NAMES = {"descriptor": 1, "counts": 2, "tags": 3, "gap": 4, "event": 5, "clock": 6, "end": 7, "hole": 15,
         "hello": 32, "proof": 33, "refuse": 34, "subscribe": 35, "subscribed": 36, "turn": 37, "copy": 38, "credit": 39,
         "ack": 40, "heartbeat": 41, "skip": 42, "bad": 43, "finished": 44, "bye": 45, "request": 46, "reply": 47}


def frame(kind, payload=b"", stream=0, epoch=0, count=0, seq=0, index=0, time=0, flags=0, critical=None,
          extension=b"", length=None, header_words=None, magic=b"\xF5PG\x01"):
    number = NAMES.get(kind, kind)
    if critical is None:
        critical = number == 1
    words = 14 + len(extension) // 4 if header_words is None else header_words
    length = len(payload) if length is None else length
    head = magic + bytes([words, number | (128 if critical else 0)]) + struct.pack("<HI", flags, length)
    tail = struct.pack("<IIIIQQq", crc32c(payload), stream, epoch, count, seq, index, time) + extension
    return head + struct.pack("<I", crc32c(head + bytes(4) + tail)) + tail + payload


def stored(kind, payload, **more):
    header = dict(stream=1, epoch=3, seq=812, index=40211, time=1795181412100000000)
    header.update(more)
    return frame(kind, payload, **header)


def header_of(raw):
    size = 4 * raw[4]
    return {"type": raw[5] & 127, "critical": raw[5] > 127, "flags": struct.unpack_from("<H", raw, 6)[0],
            "header_len": size, "payload_len": struct.unpack_from("<I", raw, 8)[0],
            "header_crc": "%08x" % struct.unpack_from("<I", raw, 12), "payload_crc": "%08x" % struct.unpack_from("<I", raw, 16),
            "stream": struct.unpack_from("<I", raw, 20)[0], "epoch": struct.unpack_from("<I", raw, 24)[0],
            "count": struct.unpack_from("<I", raw, 28)[0], "seq": str(struct.unpack_from("<Q", raw, 32)[0]),
            "index": str(struct.unpack_from("<Q", raw, 40)[0]), "time": str(struct.unpack_from("<q", raw, 48)[0])}


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# Section 5: columns. Each function returns the bytes of one column.


def raw(x):
    return b"\x00" + b"".join(struct.pack("<Q", v % M64) for v in x)


def constant(v):
    return b"\x01" + uvarint(v % M64)


def fixed(x, width, ref, fill=0):
    bits = []
    for v in x:
        assert 0 <= (v - ref) % M64 < 1 << width
        bits += field((v - ref) % M64, width)
    return bytes([0x40 + width]) + uvarint(ref % M64) + to_bytes(bits, fill)


def rice_words(z, k):
    low, quotients, escapes = [], [], b""
    for v in z:
        q = min(v >> k, 32)
        low += field(v, k)
        quotients += [0] * q + [1]
        if q == 32:
            escapes += struct.pack("<Q", v)
    q = to_bytes(quotients)
    return uvarint(len(q)) + to_bytes(low) + q + escapes


def rice(x, k, ref):
    return bytes([0x80 + k]) + uvarint(ref % M64) + rice_words([zigzag(v - ref) for v in x], k)


def bell(x, k, s, ref):
    quotients, low, pairs, escapes = [], [], [], b""
    for v in x:
        z = zigzag(v - ref)
        low += field(z, k)
        if z >> k < 2 * s:  # the quotients 0 and 1 as 0, 2 and 3 as 1, ...
            quotients += [0] * (z >> k >> 1) + [1]
            pairs += [z >> k & 1]
        elif (z >> k) - s < 32:
            quotients += [0] * ((z >> k) - s) + [1]
        else:
            quotients += [0] * 32 + [1]
            escapes += struct.pack("<Q", z)
    return bytes([0x10 + 4 * k + s]) + uvarint(ref % M64) + to_bytes(quotients) + to_bytes(low + pairs) + escapes


def differences(x, k, ref, step):
    before = [ref] + list(x[:-1])
    z = [zigzag(v - last - step) for v, last in zip(x, before)]
    return bytes([0xC0 + k]) + uvarint(ref % M64) + uvarint(zigzag(step)) + rice_words(z, k)


# Section 6: counts.


def counts_payload(lengths, channels, pauses=b"", dead=b"", uncertainty=b"", flags=b"", value_flags=None, number=None,
                   schema=1, more_columns=0, mask=None):
    """All columns come coded. value_flags: channel number -> column."""
    present = more_columns
    for bit, column in enumerate((pauses, dead, uncertainty, flags)):
        present |= (1 << bit) if column else 0
    if value_flags is not None:
        present |= 16
    out = bytes([schema, present]) + (uvarint(len(channels)) if number is None else number)
    if value_flags is not None:
        out += to_bytes([1 if i in value_flags else 0 for i in range(len(channels))]) if mask is None else mask
    out += lengths + pauses + dead + uncertainty + flags
    for i, column in enumerate(channels):
        out += column
        if value_flags and i in value_flags:
            out += value_flags[i]
    return out


def strings(x):
    return [str(v) for v in x]


def signed(v):
    v %= M64
    return v - M64 if v >= M64 // 2 else v


def counts(name, about, lengths, values, coded):
    """Writes a vector of contiguous readings. coded: the columns as bytes, or the whole payload; the rest is what they mean."""
    begin = [T0 + sum(lengths[:i]) for i in range(len(lengths))]
    meaning = {"begin": strings(begin), "length": strings(lengths), "values": [strings(v) for v in values]}
    payload = coded if isinstance(coded, bytes) else counts_payload(*coded)
    frame_with(name, about, T0, len(lengths), payload, meaning)


def frame_with(name, about, time, n, payload, meaning):
    good(name, about, [(stored("counts", payload, count=n, time=time), {"counts": meaning})])


# Writing.


def put(name, about, read, content, **expected):
    assert name not in WRITTEN, name
    WRITTEN.add(name)
    with open(os.path.join(OUT, name + ".bin"), "wb") as f:
        f.write(content)
    with open(os.path.join(OUT, name + ".json"), "w", encoding="utf-8", newline="\n") as f:
        json.dump({"about": about, "read": read, **expected}, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def described(raw_frame, meaning):
    return {"header": header_of(raw_frame), **meaning}


def good(name, about, frames):
    put(name, about, "frames", b"".join(f for f, _ in frames), frames=[described(f, m) for f, m in frames])


def good_json(name, about, kind, value, ignored=None, **more):
    """ignored: fields a reader of version 1 does not know and leaves out."""
    header = more if NAMES[kind] >= 32 else dict(dict(stream=1, epoch=3, seq=812, index=40211, time=1795181412100000000), **more)
    good(name, about, [(frame(kind, text({**value, **(ignored or {})}), **header), {"json": value})])


def bad(name, about, error, content, read="frames"):
    put(name, about, read, content, error=error)


def bad_counts(name, about, error, payload, count=3):
    bad(name, about, error, stored("counts", payload, count=count))


# The vectors.

JOURNAL, BASE, ARCHIVE = "000102030405060708090a0b0c0d0e0f", "f0e1d2c3b4a5968778695a4b3c2d1e0f", "a" * 32
T0 = 1795181412100000000
GATE = 100000000
DESCRIPTOR = {"stream": "bench", "base": BASE, "boot": "7f9c", "software": "photongate 0.1.0", "cause": "gateway started",
              "previous": {"epoch": 2, "seq": "811", "cause": "unplugged"}, "driver": "cd48", "model": "CD48", "firmware": "1.2",
              "identity": "confirmed", "port": "/dev/ttyACM0", "gate_ns": "100000000", "timing": "host-clearing", "unverified": True,
              "blind": "nothing shows a restart <within> a gate & no überflow",
              "channels": [{"name": "A", "input": "counter 0", "kind": "count", "width": 24, "exponent": 0},
                           {"name": "T", "kind": "auxiliary", "exponent": -3, "unit": "K", "signed": True}],
              "settings": [{"key": "gate", "value": "100", "unit": "ms", "how": "read back", "asked": "200"}]}
CLOCK = {"kind": "host", "utc_ns": str(T0 + 17), "mono_ns": "123456789", "cause": "step", "sync": "synchronised", "step_ns": "-250000",
         "freq_ppb": -1234, "est_error_ns": "1500", "max_error_ns": "0"}


MEASUREMENT = {"id": "c0ffee" + "0" * 26, "title": "HWP 22.5°", "sample": "ppKTP-3", "operator": "ana",
               "set": [{"key": "hwp_deg", "value": "22.5"}, {"key": "crystal", "value": ""}], "streams": ["bench", "l?b*"],
               "for_ns": "60000000000", "asked": "600"}
SET = {"what": "set", "who": "ana@desk", "from": "10.0.0.7", "old": "100 ms", "new": "200ms", "key": "gate", "read_back": "200 ms"}


def event_vectors():
    """What people do, and alarms (section 7.3)."""
    good_json("event-set", "a setting, with the readings it stands between", "event",
              {**SET, "before": {"epoch": 3, "index": "811"}, "after": {"epoch": 4, "index": str(2**64 - 1)}}, {"mood": "good"})
    good_json("event-alarm", "", "event", {"what": "alarm", "who": "gateway", "channel": "A", "old": "3 Mcps", "new": "3.41 Mcps",
                                           "text": "A counts 3.41 Mcps, above its limit of 3 Mcps"})
    good_json("event-alarm-over", "", "event", {"what": "alarm over", "who": "gateway", "channel": "A"})
    good_json("event-begin", "in the stream gateway", "event", {"what": "measurement begin", "who": "ana@desk", "from": "10.0.0.7",
                                                                "measurement": MEASUREMENT}, stream=2, index=0)
    good_json("event-end", "in the stream gateway, said by the gateway itself", "event",
              {"what": "measurement end", "who": "gateway", "text": "who measured has gone",
               "measurement": {**MEASUREMENT, "readings": "599", "state": "abandoned"}}, stream=2, index=0)
    good_json("event-note", "in the stream gateway, two lines", "event", {"what": "note", "who": "ana", "text": "aligned\nby hand"}, stream=2, index=0)
    good_json("descriptor-limits", "late edges, coincidences, limits", "descriptor",
              {**DESCRIPTOR, "late_ns": "20000000", "channels": [
                  {"name": "A", "kind": "count", "exponent": 0, "warn_above_cps": 3e6, "warn_below_cps": 0.5},
                  {"name": "B", "kind": "count", "exponent": 0},
                  {"name": "AB", "kind": "count", "exponent": 0, "of": ["A", "B"], "window_ns": "25"}]}, seq=1, index=0)


def descriptor_vectors():
    """Streams of tags, and of counts made from them (section 7.1)."""
    tagger = {k: v for k, v in DESCRIPTOR.items() if k != "gate_ns"}
    tagger.update(stream="tagger", timing="device", tick=["81", "1000000000000"], channels=[
        {"name": "A", "kind": "tag", "exponent": 0, "edge": "rising"}, {"name": "B", "kind": "tag", "exponent": 0, "edge": "falling"},
        {"name": "sync", "kind": "marker", "exponent": 0}])
    good_json("descriptor-tags", "a stream of tags, of ticks of 81 ps", "descriptor", tagger, seq=1, index=0)
    counts = {**DESCRIPTOR, "stream": "tagger.counts", "timing": "device", "parent": {"stream": "tagger", "epoch": 2**32 - 1}, "channels": [
        {"name": "A", "kind": "count", "width": 64, "exponent": 0}, {"name": "B", "kind": "count", "width": 64, "exponent": 0},
        {"name": "AB", "kind": "count", "width": 64, "exponent": 0, "of": ["A", "B"], "window_ps": "2025"}]}
    good_json("descriptor-counts-of-tags", "counts made from the tags of another stream", "descriptor", counts, seq=1, index=0)
    for name, tick in (("none", ["0", "1"]), ("of-nothing", ["1", "0"])):
        bad("descriptor-tick-" + name, "a tick of %s/%s s" % tuple(tick), "format", stored("descriptor", text({**tagger, "tick": tick}), seq=1, index=0))


def request_vectors():
    """Requests and replies (section 9.5)."""
    ask = lambda n, do, **more: {"id": n, "do": do, **more}
    mine = {"id": MEASUREMENT["id"]}
    for name, value in {
            "now": ask("0", "now"), "status": ask("1", "status"), "get": ask("2", "get"), "get-one": ask("3", "get", device="bench", key="gate"),
            "set": ask(str(2**64 - 1), "set", who="ana@desk", device="bench", key="gate", value="200ms", force=True, measurement=mine),
            "begin": ask("5", "begin", who="ana@desk", measurement=MEASUREMENT),
            "end": ask("6", "end", measurement={**mine, "readings": "600", "state": "complete"}),
            "note": ask("7", "note", text="grün <&>"), "forget": ask("8", "forget", name="desk")}.items():
        good_json("request-" + name, "", "request", value)
    answer = lambda n, **more: {"id": n, "t_ns": str(T0), **more}
    gate = {"device": "bench", "key": "gate", "value": "200", "unit": "ms", "how": "read back", "title": "integration time",
            "kind": "duration", "min": "10ms", "max": "65.535s"}
    word = {"device": "bench", "key": "impedance", "value": "", "kind": "word", "choices": ["50", "high"], "locked": "bench is not open"}
    status = {"name": "pi-lab3", "software": "photongate 0.1.0", "listen": ["127.0.0.1:7310"], "started": "2026-11-21T08:00:00Z", "now_ns": str(T0),
              "utc_ns": str(T0 + 17), "clock_sync": "synchronised", "clock_err_ns": "1500", "control": "token",
              "journal": {"id": JOURNAL, "folder": "/var/lib/photongate", "state": "degraded", "trouble": "no space left", "bytes": "1048576",
                          "quota_bytes": "2000000", "free_bytes": "0", "keep_free_bytes": "1073741824", "held_bytes": "4096", "rate_bytes_per_s": 950.5,
                          "lasts_s": 1000.5, "tail_bytes": "33554432", "tail_used_bytes": "120", "tail_lasts_s": 35300, "dropped_bytes": "65536",
                          "dropped": "the oldest 2 h 10 min of bench, which desk had not fetched",
                          "streams": [{"name": "bench", "bytes": "1048000", "share": 0.5, "oldest_utc": "2026-11-20T08:00:00Z"}]},
              "devices": [{"name": "bench", "driver": "cd48", "model": "CD48", "port": "/dev/ttyACM0", "state": "running", "since": "2026-11-21T08:00:01Z",
                           "epoch": 3, "readings": "40211", "gaps": "2", "gate_ns": "100000000", "last_reading_ns": str(T0 - 5),
                           "rates": [{"channel": "A", "cps": 57120.5}, {"channel": "T"}],
                           "alarms": [{"channel": "A", "kind": "above", "on": True, "since": "2026-11-21T08:10:00Z", "times": "3", "text": "A counts much"}],
                           "settings_note": "gate = \"200ms\", until the gateway ends", "unverified": "gate", "left_behind": "open, since 08:00:01"}],
              "sessions": [{"name": "desk", "address": "10.0.0.7:4711", "since": "2026-11-21T09:00:00Z", "tls": True, "rights": ["read"], "archive": False, "forward": True}],
              "archives": [{"name": "desk", "id": ARCHIVE, "last_seen": "2026-11-21T09:00:00Z", "connected": True, "holds": True,
                            "behind_bytes": "4096", "behind_s": 2.5, "lost_bytes": "65536"}],
              "forwards": [{"address": "10.0.0.7:7310", "state": "trying", "since": "2026-11-21T09:00:00Z", "trouble": "nothing listens there"}],
              "outputs": [{"name": "text", "kind": "text", "address": "127.0.0.1:7311", "clients": 2, "dropped": "0"}],
              "measurement": {"measurement": MEASUREMENT, "who": "ana@desk", "from": "10.0.0.7", "since": "2026-11-21T09:30:00Z"}}
    for name, value in {
            "done": answer("0"), "busy": answer("4", code="busy", text='ana@desk measures "HWP 22.5°" since 14:30:12'),
            "settings": answer("2", settings=[gate, word]), "change": answer(str(2**64 - 1), settings=[gate], change=SET, text="until the gateway ends"),
            "status": answer("1", status=status)}.items():
        good_json("reply-" + name, "", "reply", value)
    bad("request-without-id", "", "format", frame("request", text({"do": "now"})))
    bad("reply-without-time", "", "format", frame("reply", text({"id": "1"})))
    bad("request-number", "an id that is a number", "format", frame("request", text({"id": 7, "do": "now"})))


def json_vectors():
    good_json("descriptor", "first frame of an epoch; bit 7 of the type is set", "descriptor", DESCRIPTOR, seq=1, index=0)
    good_json("descriptor-gateway", "of the stream gateway: no driver, no channels; fields that are not known", "descriptor",
              {"stream": "gateway", "base": BASE, "software": "photongate 9", "cause": "gateway started", "channels": []},
              {"colour": {"deep": [1, 2.5, None, True]}, "later": "4711"}, seq=1, epoch=1)
    good_json("gap", "of known extent", "gap", {"cause": "damaged bytes", "detail": "3 bytes", "duration_ns": "200000000", "missing": "2"})
    good_json("gap-unknown", "of unknown extent, across a restart", "gap", {"cause": "gateway stopped", "approximate": True})
    good_json("gap-extremes", "64-bit extremes as text", "gap", {"cause": "overrun", "duration_ns": str(-2**63), "missing": str(2**64 - 1)})
    good_json("event", "", "event", {"what": "set", "who": "anna", "from": "10.0.0.7:4711", "old": "100 ms", "new": "1 s", "text": "grün"})
    event_vectors()
    descriptor_vectors()
    good_json("end", "", "end", {"cause": "unplugged", "detail": "no such device"})
    good_json("clock-host", "", "clock", CLOCK)
    good_json("clock-boot", "with the clock under the time base", "clock", CLOCK | {"boot_ns": "7200123456789"})
    good_json("clock-device", "", "clock", {"kind": "device", "pairs": [["40211", str(T0)], [str(2**64 - 1), "-1"]]})
    good_json("hole", "unnumbered: its sequence is the first missing one", "hole",
              {"to": "900", "cause": "quota", "by": "pi-lab3"}, index=0, time=0)
    session = {
        "refuse": {"code": "name", "text": "known with another id"},
        "subscribe": {"sub": 65535, "kind": "archive", "streams": ["bench", "l?b*"], "from": "cursor", "rest": "oldest", "to_ns": str(T0),
                      "cursors": [{"stream": "bench", "epoch": 3, "seq": "811", "crc": "0a2b3c4d"}], "credit": "4194304", "take_over": True},
        "subscribed": {"sub": 1, "streams": [
            {"name": "bench", "id": 1, "answer": "resumed", "epoch": 3, "seq": "812", "oldest": {"epoch": 1, "seq": "1", "time_ns": "5"},
             "newest": {"epoch": 3, "seq": "4000", "time_ns": str(T0)}}, {"name": "old", "id": 2, "answer": "unknown journal"}]},
        "turn": {"sub": 1}, "credit": {"sub": 1, "bytes": "1048576"}, "ack": {"sub": 1, "streams": [{"id": 1, "epoch": 3, "seq": "900"}]},
        "heartbeat": {"t_ns": "17", "echo": {"t_ns": "-5", "received_ns": "16"}},
        "skip": {"sub": 2, "stream": 1, "epoch": 3, "seq": "1200"},
        "bad": {"sub": 1, "stream": 1, "epoch": 3, "seq": "77", "detail": "payload CRC"}, "finished": {"sub": 1},
        "bye": {"reason": "gateway stops"}}
    for kind, value in session.items():
        good_json(kind, "", kind, value)
    request_vectors()
    inner = stored("clock", text(CLOCK))
    good("copy", "the payload is a whole frame", [(frame("copy", inner), {"payload": inner.hex()})])
    j = lambda payload: stored("gap", payload)
    deep = lambda n: b'{"cause":"x","a":' + b'[' * (n - 1) + b']' * (n - 1) + b'}'
    good("json-nesting-8", "as deep as allowed", [(j(deep(8)), {"json": {"cause": "x"}})])
    good("json-space", "white space around and within", [(j(b' {\n"cause"\t: "x" }\r\n'), {"json": {"cause": "x"}})])
    good("json-null", "null is an absent field", [(j(b'{"cause":"x","missing":null}'), {"json": {"cause": "x"}})])
    good("json-escapes", "", [(j(b'{"c\\u0061use":"\\u00fc\\ud83d\\ude00"}'), {"json": {"cause": "ü\U0001F600"}})])
    full = b'{"cause":"' + b'x' * (65536 - 12) + b'"}'
    good("json-64k", "as long as allowed", [(j(full), {"json": {"cause": "x" * (65536 - 12)}})])
    bad("json-too-long", "one byte more", "limit", j(full + b" "))
    bad("json-too-deep", "nine within each other", "limit", j(deep(9)))
    for name, payload in (("empty", b""), ("array", b'[{"cause":"x"}]'), ("text", b'"cause"'), ("two", b'{"cause":"x"}{}'),
                          ("trailing", b'{"cause":"x"}x'), ("cut", b'{"cause":"x"'), ("bom", b'\xEF\xBB\xBF{"cause":"x"}'),
                          ("utf8", b'{"cause":"\xC3"}'), ("key-twice", b'{"cause":"x","cause":"x"}'),
                          ("key-twice-deep", b'{"cause":"x","a":[{"b":1,"\\u0062":2}]}'), ("key-upper", b'{"cause":"x","Detail":"y"}'),
                          ("key-empty", b'{"cause":"x","":1}'), ("missing", b'{"detail":"x"}'), ("missing-null", b'{"cause":null}'),
                          ("number", b'{"cause":"x","missing":2}'), ("zeros", b'{"cause":"x","missing":"02"}'),
                          ("plus", b'{"cause":"x","duration_ns":"+2"}'), ("minus-zero", b'{"cause":"x","duration_ns":"-0"}'),
                          ("blank", b'{"cause":"x","missing":" 2"}'), ("float", b'{"cause":"x","missing":"2.0"}'),
                          ("too-large", b'{"cause":"x","missing":"18446744073709551616"}'),
                          ("negative", b'{"cause":"x","missing":"-1"}'), ("kind", b'{"cause":1}')):
        bad("json-" + name, "a gap's payload: " + repr(payload)[1:], "format", j(payload))


def counts_vectors():
    gate = constant(GATE)
    eight = [[5712], [2700], [30], [0], [16777215], [1], [127], [128]]
    counts("counts-one", "one reading of eight channels", [GATE], eight, (gate, [constant(v[0]) for v in eight]))
    r = random.Random(1)
    twenty = [[round(r.gauss(1000, 31.6)) for _ in range(20)] for _ in range(8)]
    counts("counts-twenty", "twenty readings of eight channels, Rice of k = 5 around 1000", [GATE] * 20, twenty,
           (gate, [rice(v, 5, 1000) for v in twenty]))
    top = M64 - 1
    wild = [0, top, 1 << 63, (1 << 63) - 1, 1, 0x0123456789ABCDEF]
    codecs = {
        "raw": (wild, raw(wild)), "constant": ([77] * 6, constant(77)), "constant-top": ([top] * 3, constant(top)),
        "fixed-1": ([9, 10, 10, 9, 9, 10, 9, 10, 9], fixed([9, 10, 10, 9, 9, 10, 9, 10, 9], 1, 9)),
        "fixed-13": ([1000, 9191, 1234, 1000], fixed([1000, 9191, 1234, 1000], 13, 1000)),
        "fixed-63": ([5, 4, 4 + (1 << 63) - 1, 4 + (1 << 62)], fixed([5, 4, 4 + (1 << 63) - 1, 4 + (1 << 62)], 63, 4)),
        "fixed-wrap": ([top, 1, 0, top - 1], fixed([top, 1, 0, top - 1], 2, top - 1)),
        "fixed-unused-bits": ([1, 2, 3], fixed([1, 2, 3], 3, 0, fill=1)),
        "rice-k0": ([7, 7, 8, 6, 7, 9], rice([7, 7, 8, 6, 7, 9], 0, 7)),
        "rice-k63": (wild, rice(wild, 63, 0)), "rice-k62": (wild, rice(wild, 62, 5)), "rice-k57": (wild, rice(wild, 57, 5)),
        "rice-31-32": ([15, 100 + 15, 84, 116, 99, 100], rice([15, 100 + 15, 84, 116, 99, 100], 0, 100)),
        "rice-escapes": (wild + [1000, 999], rice(wild + [1000, 999], 3, 1000)),
        "rice-all-escapes": ([1 << 40] * 9, rice([1 << 40] * 9, 0, 0)),
        "differences": ([100, 1103, 2090, 3101, 4099], differences([100, 1103, 2090, 3101, 4099], 3, 100 - 1000, 1000)),
        "differences-wrap": ([top - 1, 3, 4, 1 << 63, 0], differences([top - 1, 3, 4, 1 << 63, 0], 2, 0, 0)),
        "differences-falling": ([90, 79, 70, 61], differences([90, 79, 70, 61], 1, 100, -10)),
    }
    codecs.update(bell_columns(wild))
    for name, (x, column) in codecs.items():
        counts("codec-" + name, "", [GATE] * len(x), [x], (gate, [column]))
    for k in range(0, 64, 7):
        x = [(1 << 63) + r.randrange(-20 << k, 20 << k) for _ in range(70)]
        counts("codec-rice-70-k%d" % k, "70 values, no multiple of 8 bits", [GATE] * 70, [[v % M64 for v in x]], (gate, [rice(x, k, 1 << 63)]))
    for w in (7, 14, 15, 28, 29, 56, 57, 62):
        x = [r.randrange(1 << w) for _ in range(39)]
        counts("codec-fixed-39-w%d" % w, "39 values, no multiple of 8 bits", [GATE] * 39, [x], (gate, [fixed(x, w, 0)]))
    spread = b"\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00"  # 1 in ten bytes
    counts("uvarint-longer", "uvarints longer than needed are read", [1] * 2, [[1, 1]],
           b"\x01\x00\x81\x00" + b"\x01" + spread + b"\x01\x81\x00")
    pauses, lengths = [0, 500, -499, 0], [0, GATE, GATE + 1, GATE]
    dead, uncertain = [0, 41000, 41100, 1], [0, 12500, 13000, 12500]
    flags, vflags = [1, 2 | 4, 8 | 16, 32], {0: [0, 1, 0, 0], 2: [4, 2, 0, 3]}
    values = [[1, 0, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    all_columns(pauses, lengths, dead, uncertain, flags, vflags, values)
    extremes()
    many = [[i] for i in range(1024)]
    counts("counts-1024-channels", "", [GATE], many, (gate, [constant(i) for i in range(1024)]))
    huge = {"begin": {"from": str(T0), "step": "100000000"}, "length": {"from": "100000000", "step": "0"}, "values": [{"from": "12", "step": "0"}]}
    good("counts-4194304-values", "as many values as a frame may have, all constant",
         [(stored("counts", counts_payload(gate, [constant(12)]), count=4 << 20), {"counts": huge})])


def bell_columns(wild):
    r = random.Random(11)
    columns = {
        # z = 0 1 2 3 4 5: s = 2 pairs 0 with 1 and 2 with 3
        "bell-k0": ([10, 9, 11, 8, 12, 7], bell([10, 9, 11, 8, 12, 7], 0, 2, 10)),
        "bell-no-pairs": ([20, 30, 21], bell([20, 30, 21], 0, 1, 10)),
        "bell-31-32": ([15, 16, 17, 14, 13, 0], bell([15, 16, 17, 14, 13, 0], 0, 3, 0)),  # z = 34 is the last that is no escape: 31 + 3
        "bell-escapes": (wild + [1000, 999], bell(wild + [1000, 999], 3, 3, 1000)),
        "bell-k11-escapes": (wild + [1000, 31000, 999], bell(wild + [1000, 31000, 999], 11, 1, 1000)),
        "bell-all-escapes": ([1 << 40] * 65, bell([1 << 40] * 65, 0, 2, 0)),
    }
    x, column = [5, 6, 5], bell([5, 6, 5], 1, 1, 5)
    columns["bell-unused-bits"] = (x, column[:-1] + bytes([column[-1] | 0xC0]))
    for k in range(12):
        for s in (1, 2, 3):
            n = 61 + 5 * k + s  # with and without NumPy, no multiple of 8 bits
            x = [(M64 - 3 + round(r.gauss(0, 1.3 * 2**k))) % M64 for _ in range(n)]
            columns["bell-k%d-s%d" % (k, s)] = (x, bell(x, k, s, M64 - 3))
    return columns


def all_columns(pauses, lengths, dead, uncertain, flags, vflags, values):
    begin = [T0]
    for i in range(1, 4):
        begin.append(begin[-1] + lengths[i - 1] + pauses[i])
    meaning = {"begin": strings(begin), "length": strings(lengths), "dead": strings(dead), "uncertainty": strings(uncertain), "flags": flags,
               "values": [strings(v) for v in values], "value_flags": [vflags.get(i, []) for i in range(3)]}
    payload = counts_payload(rice(lengths, 26, GATE), [rice(v, 1, v[1]) for v in values], pauses=rice(pauses, 8, 0), dead=fixed(dead, 16, 0),
                             uncertainty=raw(uncertain), flags=fixed(flags, 6, 0), value_flags={i: raw(f) for i, f in vflags.items()})
    frame_with("counts-all-columns", "every optional column, all flags of version 1, a negative pause; two of three channels have value flags",
               T0, 4, payload, meaning)
    payload = counts_payload(constant(7), [constant(1)], flags=raw([0, 1 << 31, 64]), value_flags={0: raw([128, 8, 0])})
    frame_with("counts-unknown-flags", "flag bits that version 1 does not know are kept", T0, 3, payload,
               {"begin": strings([T0, T0 + 7, T0 + 14]), "length": ["7"] * 3, "values": [["1"] * 3], "flags": [0, 1 << 31, 64], "value_flags": [[128, 8, 0]]})
    payload = counts_payload(constant(7), [constant(1), constant(2)], value_flags={}, mask=b"\xFC")
    frame_with("counts-empty-mask", "value flags announced and for no channel; unused bits of the mask are not looked at", T0, 1, payload,
               {"begin": [str(T0)], "length": ["7"], "values": [["1"], ["2"]]})


def extremes():
    low, high = -2**63, 2**63 - 1
    payload = counts_payload(raw([high, high, -1]), [raw([0, M64 - 1, 1 << 63])], pauses=raw([12345, 1, low]), dead=constant(-1), uncertainty=constant(high))
    frame_with("counts-extremes", "64-bit extremes; times are sums modulo 2^64; the first pause means nothing", low, 3, payload,
               {"begin": strings([low, signed(low + high + 1), signed(low + high + 1 + high + low)]), "length": strings([high, high, -1]),
                "dead": ["-1"] * 3, "uncertainty": [str(high)] * 3, "values": [strings([0, M64 - 1, 1 << 63])]})


def bad_counts_vectors():
    gate, one = constant(GATE), constant(1)
    whole = counts_payload(gate, [one])
    bad_counts("counts-none", "count 0", "format", whole, count=0)
    bad_counts("counts-no-channels", "", "format", counts_payload(gate, []))
    bad_counts("counts-1025-channels", "", "limit", counts_payload(gate, [one] * 1025), count=1)
    bad_counts("counts-too-many-readings", "one more than values allowed; the header tells", "limit", whole, count=(4 << 20) + 1)
    bad_counts("counts-too-many-values", "4097 readings of 1024 channels", "limit", counts_payload(gate, [one] * 1024), count=4097)
    bad_counts("counts-schema-2", "", "unknown", counts_payload(gate, [one], schema=2))
    for bit in (5, 6, 7):
        bad_counts("counts-column-bit-%d" % bit, "", "unknown", counts_payload(gate, [one], more_columns=1 << bit))
    for codec in (0x02, 0x0F, 0x10, 0x3C, 0x40):
        bad_counts("counts-codec-%02x" % codec, "", "unknown", counts_payload(gate, [bytes([codec, 1])]))
    bad_counts("counts-trailing", "a byte behind the last column", "format", whole + b"\x00")
    bad_counts("counts-no-payload", "", "format", b"")
    bad_counts("counts-no-values", "the channel's column is lacking", "format", whole[:-2])
    bad_counts("counts-no-mask", "the payload ends where the mask should be", "format", b"\x01\x10\x09\x00")
    bad_counts("counts-reading-flags-wide", "2^32", "format", counts_payload(gate, [one], flags=constant(1 << 32)))
    bad_counts("counts-value-flags-wide", "2^8", "format", counts_payload(gate, [one], value_flags={0: constant(1 << 8)}))
    cases = {
        "uvarint-eleven": b"\x01" + b"\x80" * 10 + b"\x00", "uvarint-tenth-2": b"\x01" + b"\x80" * 9 + b"\x02", "uvarint-cut": b"\x01\x80",
        "raw-short": raw([1, 2, 3])[:-1], "fixed-short": fixed([1, 2, 3], 7, 0)[:-1], "fixed-no-reference": b"\x47",
        # three values of k = 0 around 0: quotients in one byte
        "rice-two-ones": b"\x80\x00\x01\x03", "rice-four-ones": b"\x80\x00\x01\x0F", "rice-eight-zeros": b"\x80\x00\x02\x07\x00",
        "rice-no-quotients": b"\x80\x00\x00", "rice-quotients-beyond": b"\x80\x00\x02\x07", "rice-length-huge": b"\x80\x00" + b"\xFF" * 9 + b"\x01\x07",
        "rice-low-bits-short": b"\x88\x00\x01\x01\x02", "rice-33": b"\x80\x00" + uvarint(5) + to_bytes([0] * 33 + [1, 1, 1]),
        "rice-escape-short": b"\x80\x00" + uvarint(5) + to_bytes([0] * 32 + [1, 1, 1]) + b"\x01" * 7,
        # k = 0, s = 1: quotients, then as many bits as there are quotients of 0
        "bell-no-reference": b"\x11", "bell-no-quotients": b"\x11\x00", "bell-two-ones": b"\x11\x00\x03", "bell-four-ones": b"\x11\x00\x0F\x00",
        "bell-no-pairs": b"\x11\x00\x07", "bell-low-bits-short": bell([300, 301, 302], 8, 3, 300)[:-1],
        "bell-33": b"\x11\x00" + to_bytes([0] * 33 + [1, 1, 1]) + b"\x00", "bell-33-many": b"\x11\x00" + to_bytes([0] * 90 + [1, 1, 1]) + b"\x00",
        "bell-escape-short": (bell([0, 1 << 20, 1], 0, 1, 0))[:-1],
        "differences-no-step": b"\xC0\x00", "differences-short": b"\xC0\x00\x00\x01",
    }
    for name, column in cases.items():
        bad_counts("column-" + name, "three values: " + column.hex(), "format", counts_payload(gate, [column]))
    descriptor = stored("descriptor", text(DESCRIPTOR), seq=1, index=0)
    bad("counts-other-channels", "a descriptor with two channels, then counts with one", "format",
        descriptor + stored("counts", whole, count=3, seq=2))


def frame_vectors():
    gap = stored("gap", b'{"cause":"x"}')
    meaning = {"json": {"cause": "x"}}
    good("frames-three", "back to back", [(gap, meaning), (stored("end", b'{"cause":"y"}', seq=813), {"json": {"cause": "y"}}), (gap, meaning)])
    longer = stored("gap", b'{"cause":"x"}', extension=b"12345678")
    good("header-longer", "a header of 64 bytes: what is not known is skipped", [(longer, meaning)])
    good("header-longest", "252 bytes", [(stored("gap", b'{"cause":"x"}', extension=bytes(range(196))), meaning)])
    good("flags-low", "flag bits that need not be understood", [(stored("gap", b'{"cause":"x"}', flags=0x00FF), meaning)])
    good("type-20", "an unknown type without bit 7 is skipped by a reader, kept by an archive", [(stored(20, b"\x00\x01"), {"payload": "0001"})])
    good("payload-empty", "the payload's CRC is 0", [(frame(46), {"payload": ""})])
    good("bye-empty", "a frame is good, its payload is no JSON: only the payload is refused by those who read it", [(frame(45), {"payload": ""})])
    good("header-extremes", "", [(frame(31, b"x", stream=2**32 - 1, epoch=2**32 - 1, count=2**32 - 1, seq=2**64 - 1, index=2**64 - 1, time=-2**63),
                                  {"payload": "78"})])
    bad("type-20-critical", "an unknown type with bit 7", "unknown", stored(20, b"\x00\x01", critical=True))
    bad("flags-high", "a flag that must be understood", "unknown", stored("gap", b'{"cause":"x"}', flags=0x0100))
    bad("magic", "", "magic", b"\xF5QG\x01" + gap[4:])
    bad("magic-first", "one wrong byte is all there is", "magic", b"\x16")
    bad("version-2", "major number 2 of the magic; nothing else is looked at", "version", b"\xF5PG\x02" + bytes(60))
    for words in (0, 13, 64, 255):
        bad("header-words-%d" % words, "header length out of 14..63", "format", gap[:4] + bytes([words]) + gap[5:])
    bad("header-crc", "a bit of the sequence", "header-crc", gap[:32] + bytes([gap[32] ^ 1]) + gap[33:])
    bad("header-crc-extension", "a bit of what is not known", "header-crc", longer[:60] + bytes([longer[60] ^ 128]) + longer[61:])
    bad("header-crc-own", "a bit of the checksum", "header-crc", gap[:12] + bytes([gap[12] ^ 1]) + gap[13:])
    bad("payload-crc", "the last bit", "payload-crc", gap[:-1] + bytes([gap[-1] ^ 128]))
    for n in (1, 3, 4, 55, 56, len(gap) - 1):
        bad("truncated-%d" % n, "the first %d bytes of a frame of %d" % (n, len(gap)), "truncated", gap[:n])
    bad("truncated-extension", "", "truncated", longer[:60])
    bad("frame-over-1-mib", "the header tells", "limit", stored("counts", b"", length=(1 << 20) - 55))
    bad("frame-4-gib", "the header tells", "limit", stored("counts", b"", length=2**32 - 1))
    bad("gap-over-64-kib", "the header tells", "limit", stored("gap", b"", length=65537))
    bad("subscribe-over-64-kib", "the header tells", "limit", frame("subscribe", b"", length=65537))
    bad("hello-over-4-kib", "4096 bytes with the header", "limit", frame("hello", b"", length=4096 - 55))


def mark_bytes(offset, last, length=32, magic=b"\xF5PM\x01"):
    b = magic + struct.pack("<IQQI", length, offset, last, 0)
    return b + struct.pack("<I", crc32c(b))


def preamble_bytes(value, copies=b"", magic=b"\xF5PS\x01", length=None, text_length=None):
    value = value if isinstance(value, bytes) else text(value)
    body = value + copies
    b = magic + struct.pack("<III", 20 + len(body) if length is None else length, len(value) if text_length is None else text_length, crc32c(body))
    return b + struct.pack("<I", crc32c(b)) + body


def file_vectors():
    mark = mark_bytes(4711, 2**64 - 1)
    put("mark", "", "mark", mark, mark={"offset": "4711", "last_seq": str(2**64 - 1)})
    bad("mark-crc", "", "header-crc", mark[:-1] + bytes([mark[-1] ^ 1]), "mark")
    bad("mark-short", "", "truncated", mark[:-1], "mark")
    bad("mark-version", "", "version", b"\xF5PM\x02" + mark[4:], "mark")
    bad("mark-magic", "a frame is no mark", "magic", frame(46), "mark")
    bad("mark-length", "33", "format", mark_bytes(1, 1, length=33), "mark")
    p = {"format": 1, "journal": JOURNAL, "gateway": "pi-lab3", "stream": "bench", "stream_id": 1, "epoch": 3, "first_seq": "812",
         "place": "journal", "created_utc_ns": str(T0)}
    descriptor, clock = stored("descriptor", text(DESCRIPTOR), seq=1, index=0), stored("clock", text(CLOCK), stream=2, epoch=1, seq=9)
    copies = [described(descriptor, {"json": DESCRIPTOR}), described(clock, {"json": CLOCK})]
    good_bytes = preamble_bytes(p, descriptor + clock)
    put("preamble", "with copies of a descriptor and a clock frame", "preamble", good_bytes, preamble=p, copies=copies, size=len(good_bytes))
    put("preamble-longer", "fields that are not known; bytes behind it are not its own", "preamble",
        preamble_bytes({**p, "colour": "red"}) + b"more", preamble=p, copies=[], size=len(preamble_bytes({**p, "colour": "red"})))
    flip = lambda at: good_bytes[:at] + bytes([good_bytes[at] ^ 1]) + good_bytes[at + 1:]
    lacking = {k: v for k, v in p.items() if k != "epoch"}
    for name, error, b in (("head-crc", "header-crc", flip(5)), ("body-crc", "payload-crc", flip(30)), ("cut", "truncated", good_bytes[:-1]),
                           ("head-cut", "truncated", good_bytes[:19]), ("version", "version", b"\xF5PS\x02" + good_bytes[4:]),
                           ("magic", "magic", descriptor), ("over-256-kib", "limit", preamble_bytes(p, length=(256 << 10) + 1)),
                           ("json-over-64-kib", "limit", preamble_bytes(p, length=200000, text_length=65537)),
                           ("json-beyond", "format", preamble_bytes(p, text_length=len(text(p)) + 1)), ("tiny", "format", preamble_bytes(p, length=19, text_length=0)),
                           ("format-2", "version", preamble_bytes({**p, "format": 2})), ("missing", "format", preamble_bytes(lacking)),
                           ("name", "format", preamble_bytes({**p, "gateway": "../etc"})), ("copy-cut", "format", preamble_bytes(p, descriptor[:-1])),
                           ("copy-crc", "format", preamble_bytes(p, descriptor[:-1] + b"?"))):
        bad("preamble-" + name, "", error, b, "preamble")
    segment(p, good_bytes, copies)


def segment(p, head, copies):
    frames = [stored("counts", counts_payload(constant(GATE), [constant(v), constant(2)]), count=10, seq=812 + i, index=40211 + 10 * i,
                     time=T0 + 10 * GATE * i) for i, v in enumerate((7, 8, 9))]
    frames.append(stored("end", b'{"cause":"gateway stopped"}', seq=815))
    items, content = [], head

    def add(raw_bytes, what):
        nonlocal content
        items.append({"at": len(content), **what})
        content += raw_bytes

    add(frames[0], {"header": header_of(frames[0])})
    add(frames[1], {"header": header_of(frames[1])})
    offset = len(content)
    add(mark_bytes(offset, 813), {"mark": {"offset": str(offset), "last_seq": "813"}})
    add(frames[2], {"header": header_of(frames[2])})
    add(frames[3], {"header": header_of(frames[3])})
    put("segment", "a small segment file", "segment", content, preamble=p, copies=copies, size=len(head), items=items)
    at = items[1]["at"] + 60
    damaged = content[:at] + bytes([content[at] ^ 4]) + content[at + 1:-5]
    put("segment-damaged", "a bit of the second frame's payload has fallen over, and the file ends within its last frame: both are passed over",
        "segment", damaged, preamble=p, copies=copies, size=len(head), items=[items[0], items[2], items[3]])


def session_vectors():
    dialer = {"format": [1, 1], "role": "receiver", "name": "workstation", "id": ARCHIVE, "software": "photongate 0.1.0", "nonce": "0" * 31 + "1"}
    listener = {"format": [1, 1], "role": "gateway", "name": "pi-lab3", "id": JOURNAL, "software": "photongate 0.1.0", "nonce": "f" * 32,
                "base": BASE, "boot": "7f9c", "now_ns": str(T0), "utc_ns": str(T0 + 17)}
    a, b = text(dialer), text(listener)

    def mac(token, label, binding):
        said = label + struct.pack("<I", len(a)) + a + struct.pack("<I", len(b)) + b + binding
        return hmac.new(token, said, hashlib.sha256).hexdigest()

    for name, about, token, binding in (("session-token", "over plain TCP", b"correct horse battery staple", b""),
                                        ("session-tls", "bound to a TLS connection", bytes(range(32)), bytes(range(100, 132)))):
        first = {"mac": mac(token, b"photongate 1 dialer", binding)}
        second = {"mac": mac(token, b"photongate 1 listener", binding), "rights": ["read", "archive"]}
        frames = [(frame("hello", a), {"json": dialer}), (frame("hello", b), {"json": listener}),
                  (frame("proof", text(first)), {"json": first}), (frame("proof", text(second)), {"json": second})]
        put(name, "opening of a session, " + about + ": dialer, listener, dialer, listener", "session", b"".join(f for f, _ in frames),
            frames=[described(f, m) for f, m in frames], token=token.hex(), binding=binding.hex())


def main():
    from tag_vectors import tag_vectors
    os.makedirs(OUT, exist_ok=True)
    for part in (json_vectors, counts_vectors, bad_counts_vectors, tag_vectors, frame_vectors, file_vectors, session_vectors):
        part()
    for name in os.listdir(OUT):
        if os.path.splitext(name)[0] not in WRITTEN:
            os.remove(os.path.join(OUT, name))
    print(len(WRITTEN), "vectors")


if __name__ == "__main__":
    import make_vectors  # so that tag_vectors.py shares what is noted there
    make_vectors.main()
