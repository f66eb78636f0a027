"""The golden vectors of the format, all of them, with NumPy and without."""

import json
import os
import unittest

from . import support
import photongate

VECTORS = os.path.join(support.HERE, "..", "..", "testdata", "vectors")


def load(name):
    with open(os.path.join(VECTORS, name + ".json"), encoding="utf-8") as f:
        expected = json.load(f)
    with open(os.path.join(VECTORS, name + ".bin"), "rb") as f:
        return expected, f.read()


def names():
    return sorted(n[:-5] for n in os.listdir(VECTORS) if n.endswith(".json"))


def header_of(h):
    return {"type": h.type, "critical": h.critical, "flags": h.flags, "header_len": h.size, "payload_len": h.length,
            "header_crc": "%08x" % h.header_crc, "payload_crc": "%08x" % h.payload_crc, "stream": h.stream, "epoch": h.epoch,
            "count": h.count, "seq": str(h.seq), "index": str(h.index), "time": str(h.time)}


def column_of(expected, n):
    """A column of a vector as numbers."""
    if isinstance(expected, dict):
        first, step = int(expected["from"]), int(expected["step"])
        return range(first, first + n * step, step) if step else [first] * n
    return [int(v) for v in expected]


def tags_column(expected, n):
    """A column of tags, which may also be one that comes round again and again."""
    if isinstance(expected, dict) and "cycle" in expected:
        cycle = expected["cycle"]
        return [cycle[i % len(cycle)] for i in range(n)]
    return list(column_of(expected, n))


def plain(column):
    return None if column is None else [int(v) for v in column]


class Vectors(support.BothWays):
    def test_every_vector(self):
        some = names()
        self.assertGreater(len(some), 150, "the vectors are not there: %s" % VECTORS)
        for name in some:
            with self.subTest(name):
                expected, content = load(name)
                if "error" in expected:
                    self.check_refused(expected, content)
                else:
                    getattr(self, "check_" + expected["read"])(expected, content)

    def check_refused(self, expected, content):
        with self.assertRaises(photongate.FormatError) as caught:
            if expected["read"] == "frames":
                at, channels = 0, None
                while at < len(content):
                    h, payload, at = photongate.read_frame(content, at)
                    value = photongate.decode_payload(h, payload, channels)
                    if h.type == 1:
                        channels = len(value["channels"])
            elif expected["read"] == "mark":
                photongate.read_mark(content)
            else:
                photongate.read_preamble(content)
        self.assertEqual(caught.exception.kind, expected["error"], str(caught.exception))

    def check_frames(self, expected, content):
        at = 0
        for frame in expected["frames"]:
            h, payload, at = photongate.read_frame(content, at)
            self.check_frame(frame, h, payload)
        self.assertEqual(at, len(content))

    def check_frame(self, frame, h, payload):
        self.assertEqual(header_of(h), frame["header"])
        if "payload" in frame:
            self.assertEqual(payload.hex(), frame["payload"])
        elif "json" in frame:
            self.assertEqual(photongate.decode_payload(h, payload), frame["json"])
        elif "tags" in frame:
            self.check_tags(frame["tags"], photongate.decode_payload(h, payload))
        else:
            self.check_counts(frame["counts"], photongate.decode_payload(h, payload))

    def check_tags(self, expected, tags):
        self.assert_column(tags.ticks, tags_column(expected["ticks"], tags.n))
        self.assert_column(tags.channels, tags_column(expected["channels"], tags.n))
        self.assertEqual(str(tags.until), expected["until"])
        self.assertEqual([str(v) for v in tags.totals], expected["totals"])
        losses = [(int(l["from"]), int(l["to"]), None if l["channel"] < 0 else l["channel"], int(l["missing"]) if "missing" in l else None)
                  for l in expected.get("losses", [])]
        self.assertEqual([tuple(l) for l in tags.losses], losses)

    def check_counts(self, expected, counts):
        for name in ("begin", "length"):
            self.assert_column(getattr(counts, name), column_of(expected[name], counts.n))
        for name in ("dead", "uncertainty", "flags"):
            column = getattr(counts, name)
            if name in expected:
                self.assert_column(column, column_of(expected[name], counts.n))
            else:
                self.assertTrue(column is None or not any(plain(column)), name)
        self.assertEqual(len(counts.values), len(expected["values"]))
        for column, want in zip(counts.values, expected["values"]):
            self.assert_column(column, column_of(want, counts.n))
        for i, column in enumerate(counts.value_flags):
            want = expected.get("value_flags", [[]] * len(counts.values))[i]
            self.assertEqual(plain(column) or [], want)

    def assert_column(self, got, want):
        if len(want) > 100000:  # as long as a frame allows: compared as a whole
            self.assertEqual(len(got), len(want))
            self.assertTrue(all(a == b for a, b in zip(got if isinstance(got, list) else got.tolist(), want)))
        else:
            self.assertEqual(plain(got), list(want))

    def check_preamble(self, expected, content):
        value, copies, size = photongate.read_preamble(content)
        self.assertEqual((value, size, len(copies)), (expected["preamble"], expected["size"], len(expected["copies"])))
        for (h, payload), want in zip(copies, expected["copies"]):
            self.check_frame(want, h, payload)
        return size

    def check_mark(self, expected, content):
        offset, last = photongate.read_mark(content)
        self.assertEqual({"offset": str(offset), "last_seq": str(last)}, expected["mark"])

    def check_segment(self, expected, content):
        size = self.check_preamble(expected, content)
        items = []
        for at, what, found in photongate.scan_segment(content, size):
            if what == "frame":
                items.append({"at": at, "header": header_of(found[0])})
            elif what == "mark":
                items.append({"at": at, "mark": {"offset": str(found[0]), "last_seq": str(found[1])}})
        self.assertEqual(items, expected["items"])

    def check_session(self, expected, content):
        self.check_frames(expected, content)
        token, binding = bytes.fromhex(expected["token"]), bytes.fromhex(expected["binding"])
        payloads, at = [], 0
        while at < len(content):
            _, payload, at = photongate.read_frame(content, at)
            payloads.append(payload)
        for number, label in ((2, "dialer"), (3, "listener")):
            self.assertEqual(photongate.session_mac(token, label, payloads[0], payloads[1], binding), json.loads(payloads[number])["mac"])


if __name__ == "__main__":
    unittest.main()
