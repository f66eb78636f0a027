"""Time tags in files: what is there comes out, and what may be missing is told."""

import fractions
import math
import os
import tempfile
import unittest

from . import made, support
from .test_files import listed
import photongate

TICK = ["4", "1000000000"]  # 4 ns
CHANNELS = ({"name": "A", "kind": "tag"}, {"name": "B", "kind": "tag"})


class TagFiles(support.BothWays):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "tags")
        os.mkdir(self.path)

    def one(self, make):
        """Opens an archive of one stream in one file, of the frames that make(stream) returns."""
        s = made.Stream("tagger")
        frames = make(s)
        path = tempfile.mkdtemp(dir=self.path)
        return photongate.open(made.archive(path, {("tagger", "1.pgs"): made.segment(s, frames)}))

    def test_tags_and_times(self):
        big = 1 << 62
        run = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK, gate_ns=None),
                                  s.tags([big, big + 5, big + 250_000_000], [0, 1, 0], losses=[(big + 6, big + 8, 1, None), (big + 7, big + 9, None, 3)]),
                                  s.tags([], [], until=big + 500_000_000),
                                  s.tags([big + 750_000_000], [1], time=made.T0 + 3_000_000_000)])
        t = run.tags()
        self.assertIsInstance(t, photongate.TagBatch)
        self.assertEqual((len(t), t.stream, t.channels), (4, "pi-lab3/tagger", ["A", "B"]))
        self.assertEqual(listed(t.tick), [big, big + 5, big + 250_000_000, big + 750_000_000])
        self.assertEqual(listed(t.channel), [0, 1, 0, 1])
        self.assertEqual(listed(t["B"]), [big + 5, big + 750_000_000])
        self.assertEqual(t.tick_s, fractions.Fraction(4, 10**9))
        self.assertEqual(listed(t.s), [0, 2e-8, 1, 3])
        self.assertEqual(t.totals, {"A": 2, "B": 2})
        self.assertEqual(t.losses, [{"part": 1, "begin": big + 6, "end": big + 8, "channel": "B", "missing": None},
                                    {"part": 1, "begin": big + 7, "end": big + 9, "channel": None, "missing": 3}])
        self.assertEqual(listed(t.begin_ns), [made.T0, made.T0 + 20, made.T0 + 1_000_000_000, made.T0 + 3_000_000_000])
        self.assertEqual((listed(t.index), listed(t.part)), ([0, 1, 2, 3], [1] * 4))
        self.assertAlmostEqual(t.t[2], made.T0 / 1e9 + 1, places=6)
        self.assertIn("4 tags of pi-lab3/tagger: A B", repr(t))
        with self.assertRaisesRegex(KeyError, "has no channel 'C'; it has A, B"):
            t["C"]
        with self.assertRaisesRegex(photongate.PhotongateError, "has time tags, no counts"):
            run.counts()

    def test_none(self):
        t = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK)]).tags()
        self.assertEqual((len(t), listed(t.tick), listed(t.channel), listed(t.s), t.losses), (0, [], [], [], []))
        with self.assertRaisesRegex(photongate.PhotongateError, "has readings, no time tags"):
            self.one(lambda s: [s.descriptor(), s.counts([1])]).tags()

    def test_gaps_between_tags(self):
        t = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK), s.tags([1, 2], [0, 0]), s.gap(missing=7, duration_ns=1000), s.tags([9], [1])]).tags()
        gap, = t.gaps
        self.assertEqual((gap.position, gap.missing, gap.cause), (2, 7, "bytes lost"))
        self.assertEqual(listed(t.index), [0, 1, 9])

    def test_damaged_tags_are_missed(self):
        def make(s):
            good = [s.descriptor(channels=CHANNELS, tick=TICK), s.tags([1, 2], [0, 0])]
            wrong = s.tags([3, 4, 5], [0, 1, 2], number=3)  # of three channels, the descriptor has two
            return good + [wrong, s.tags([6], [1])]
        t = self.one(make).tags()
        self.assertEqual(listed(t.tick), [1, 2, 6])
        gap, = t.gaps
        self.assertEqual((gap.kind, gap.missing, gap.position), ("undecoded", 3, 2))

    def test_batches(self):
        run = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK)] + [s.tags([10 * i, 10 * i + 1], [0, 1]) for i in range(10)])
        sizes = [len(b) for b in run.batches(readings=6)]
        self.assertEqual((sum(sizes), max(sizes)), (20, 6))

    @unittest.skipIf(support.PANDAS is None, "no pandas")
    def test_pandas(self):
        if photongate._np is None:
            return  # pandas needs it
        table = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK), s.tags([1, 2], [0, 1])]).tags().to_pandas()
        self.assertEqual(list(table["channel"]), ["A", "B"])
        self.assertEqual(list(table["tick"]), [1, 2])

    def test_not_a_number(self):
        t = self.one(lambda s: [s.descriptor(channels=CHANNELS, tick=TICK), s.tags([1], [0], time=1)]).tags()
        self.assertTrue(math.isnan(t.t[0]))  # a clock that was never set


if __name__ == "__main__":
    unittest.main()
