"""Whatever the bytes are, reading them ends soon, in a result or in a PhotongateError."""

import json
import os
import random
import socket
import tempfile
import threading
import unittest
from unittest import mock

from . import made, support
import photongate

VECTORS = os.path.join(support.HERE, "..", "..", "testdata", "vectors")


def mutated(rng, content, times=4):
    """A copy with some bytes changed, cut out, doubled or put in."""
    out = bytearray(content)
    for _ in range(rng.randint(1, times)):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1 and at < len(out):
            out[at] = rng.choice([0, 1, 0x40, 0x7F, 0x80, 0xFF])
        elif what == 2:
            del out[at:at + rng.randint(1, 9)]
        elif what == 3:
            out[at:at] = out[at:at + rng.randint(1, 40)]
        else:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 9)))
    return bytes(out)


def sealed(raw):
    """A frame with its checksums made to hold, so that what lies behind them is reached."""
    raw = bytearray(raw)
    size = max(56, 4 * raw[4])
    raw[16:20] = photongate.crc32c(bytes(raw[size:])).to_bytes(4, "little")
    raw[8:12] = max(0, len(raw) - size).to_bytes(4, "little")
    raw[12:16] = bytes(4)
    raw[12:16] = photongate.crc32c(bytes(raw[:size])).to_bytes(4, "little")
    return bytes(raw)


class Random(support.BothWays):
    def setUp(self):
        seed = random.randrange(1 << 32)
        self.rng = random.Random(seed)
        self.seed = "seed %d" % seed

    def only_our_errors(self, do, content):
        try:
            return do(content)
        except photongate.PhotongateError as e:
            self.assertNotIn("mistake in photongate.py", str(e), self.seed)
            return None
        except Exception as e:
            self.fail("%s: %r of %s" % (self.seed, e, content[:400].hex()))

    def test_random_bytes(self):
        for _ in range(300):
            content = bytes(self.rng.randrange(256) for _ in range(self.rng.randrange(200)))
            for magic in (b"", b"\xF5PG\x01", b"\xF5PS\x01", b"\xF5PM\x01"):
                for do in (photongate.read_frame, photongate.read_preamble, photongate.read_mark, lambda c: list(photongate.scan_segment(c, 0))):
                    self.only_our_errors(do, magic + content)

    def test_mutated_payloads(self):
        names = [n for n in sorted(os.listdir(VECTORS)) if n.endswith(".bin") and os.path.getsize(os.path.join(VECTORS, n)) < 4000
                 and not n.startswith(("preamble", "mark", "segment"))]

        def decode(raw):
            h, payload, _ = photongate.read_frame(raw)
            if h.count > 2000:
                h.count = self.rng.randint(0, 2000)
            photongate.decode_payload(h, payload)
        reached = 0
        for _ in range(1500):
            with open(os.path.join(VECTORS, self.rng.choice(names)), "rb") as f:
                content = f.read()
            if len(content) < 60:
                continue
            raw = sealed(content[:4] + b"\x0E" + content[5:56] + mutated(self.rng, content[56:]))
            self.only_our_errors(decode, raw)
            reached += 1
        self.assertGreater(reached, 500)

    def test_mutated_files(self):
        s, g = made.Stream(), made.Stream("gateway", 2)
        frames = [s.descriptor(), s.counts([1, 2, 3]), s.gap(missing=2), s.event(what="note"), s.counts(list(range(60))), s.hole(9, 9, "quota"), s.end()]
        clocks = [g.descriptor(channels=()), g.clock(5), g.clock(7, "unsynchronised")]
        for _ in range(60):
            with tempfile.TemporaryDirectory() as path:
                bench = [sealed(mutated(self.rng, f)) if self.rng.random() < 0.3 and len(f) > 100 else f for f in frames]
                content = made.segment(s, bench)
                if self.rng.random() < 0.5:
                    content = mutated(self.rng, content)
                gateway = made.segment(g, [sealed(mutated(self.rng, f)) if self.rng.random() < 0.3 else f for f in clocks])
                made.archive(path, {("bench", "1.pgs"): content, ("gateway", "1.pgs"): gateway}, ends={"bench": {1: 7}})
                name = os.path.join(path, "pi-lab3-01234567", "journal.json")
                if self.rng.random() < 0.3:
                    with open(name, "rb") as f:
                        text = f.read()
                    with open(name, "wb") as f:
                        f.write(mutated(self.rng, text))
                if self.rng.random() < 0.3:
                    with open(os.path.join(path, "measurement.json"), "wb") as f:
                        f.write(mutated(self.rng, json.dumps({"limits": {"base": made.BASE, "begin_ns": str(made.T0), "for_s": 1}}).encode()))

                def everything(_):
                    run = photongate.open(path)
                    for stream in run.streams:
                        for batch in run.batches(stream):
                            list(batch.flags), list(batch.t), list(batch.t_s), list(batch.live_s), [list(batch[c]) for c in batch.channels], str(batch.gaps)
                        run.events(stream)
                    run.events("gateway")
                self.only_our_errors(everything, content)

    def test_random_gateway(self):
        """Something that is no gateway, before and after the session is open."""
        def serve(listener, answer):
            for _ in range(2):
                try:
                    conn, _ = listener.accept()
                    conn.settimeout(5)
                    conn.recv(100)
                    conn.sendall(answer)
                    conn.shutdown(socket.SHUT_WR)
                    while conn.recv(4096):
                        pass
                    conn.close()
                except OSError:
                    pass

        hello = {"format": [1, 1], "role": "gateway", "name": "pi-lab3", "id": made.JOURNAL, "software": "x", "nonce": "0" * 32, "base": made.BASE}
        opened = made.frame(32, hello) + made.frame(33, {"mac": "", "rights": ["read"]})
        with tempfile.TemporaryDirectory() as config, mock.patch.dict(os.environ, {"PHOTONGATE_CONFIG": config}):
            for i in range(12):
                noise = bytes(self.rng.randrange(256) for _ in range(300))
                answer = (noise, mutated(self.rng, opened), opened + noise, opened + sealed(mutated(self.rng, made.frame(36, {"sub": 1, "streams": []}))))[i % 4]
                listener = socket.socket()
                listener.bind(("127.0.0.1", 0))
                listener.listen(4)
                thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
                thread.start()
                address = "127.0.0.1:%d" % listener.getsockname()[1]

                def use(_):
                    with photongate.connect(address, timeout=1) as gw:
                        next(gw.stream("bench", timeout=0.2))
                self.only_our_errors(use, answer)
                listener.close()


if __name__ == "__main__":
    unittest.main()
