"""Recordings in files: what is there comes out, and nothing that is missing is silent."""

import math
import os
import tempfile
import unittest

from . import made, support
import photongate


def listed(column):
    return column.tolist() if hasattr(column, "tolist") else list(column)


class Files(support.BothWays):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "counts")
        os.mkdir(self.path)

    def open(self, files, **more):
        return photongate.open(made.archive(self.path, files, **more))

    def one(self, *frames, stream=None, **more):
        """Opens an archive of one stream in one file."""
        return self.open({("bench", "1.pgs"): made.segment(stream or self.s, frames)}, **more)

    @property
    def s(self):
        if not hasattr(self, "_s"):
            self._s = made.Stream()
        return self._s

    def tearDown(self):
        if hasattr(self, "_s"):
            del self._s

    def test_counts_and_times(self):
        frames = [self.s.descriptor(), self.s.counts([1, 2, 3]), self.s.counts([4, 5], dead=[0, 20_000_000], uncertainty=[1000, 0], pauses=[0, 5000])]
        run = self.one(*frames)
        self.assertEqual(run.streams, ["bench"])
        b = run.counts()
        self.assertEqual((len(b), b.stream, b.channels), (5, "pi-lab3/bench", ["A", "B"]))
        self.assertEqual(listed(b["A"]), [1, 2, 3, 4, 5])
        self.assertEqual(listed(b["B"]), [0, 1, 2, 0, 1])
        self.assertEqual(listed(b.t_s), [0, 0.1, 0.2, 0.3, 0.400005])
        self.assertEqual(listed(b.gate_s), [0.1] * 5)
        self.assertEqual(listed(b.live_s), [0.1, 0.1, 0.1, 0.1, 0.08])
        self.assertEqual(listed(b.uncertainty_s), [0, 0, 0, 1e-6, 0])
        self.assertEqual(listed(b.index), [0, 1, 2, 3, 4])
        self.assertEqual(listed(b.part), [1] * 5)
        self.assertEqual(b.flags, [""] * 5)
        self.assertEqual((b.gaps, b.events), ([], []))
        self.assertAlmostEqual(b.t[0], made.T0 / 1e9, places=6)
        self.assertEqual(listed(b.rate("A"))[4], 5 / 0.08)
        with self.assertRaisesRegex(KeyError, "has no channel 'C'; it has A, B"):
            b["C"]
        with self.assertRaisesRegex(photongate.PhotongateError, "no stream 'other'"):
            run.counts("other")

    def test_unknown_counts_are_never_zero(self):
        b = self.one(self.s.descriptor(), self.s.counts([7, 0, 9], value_flags=[0, 1, 2], flags=[1, 0, 1 << 31 | 4])).counts()
        a = listed(b["A"])
        self.assertEqual((a[0], a[2]), (7, 9))
        self.assertTrue(a[1] is None or math.isnan(a[1]), a)
        self.assertEqual(b.flags, ["first", "", "mixed|flag31|overflow:A"])

    def test_signed_and_scaled(self):
        channels = [{"name": "A", "kind": "auxiliary", "exponent": -3, "unit": "K", "signed": True}, {"name": "B", "kind": "count"}]
        frames = [self.s.descriptor(channels=channels), self.s.counts([-1500, 20], b=[(1 << 64) - 1, 3])]
        b = self.one(*frames).counts()
        self.assertEqual(listed(b["A"]), [-1.5, 0.02])
        self.assertEqual(listed(b["B"]), [(1 << 64) - 1, 3])

    def test_gap_and_event(self):
        frames = [self.s.descriptor(), self.s.counts([1]), self.s.gap(missing=2, duration_ns=2 * made.GATE), self.s.event(what="set", key="gate", old="1", new="2"),
                  self.s.counts([4]), self.s.gap(cause="unplugged")]
        b = self.one(*frames).counts()
        self.assertEqual(listed(b.index), [0, 3])
        first, last = b.gaps
        self.assertEqual((first.kind, first.cause, first.missing, first.duration_s, first.index, first.position), ("gap", "bytes lost", 2, 0.2, 1, 1))
        self.assertEqual((last.cause, last.missing, last.duration_s, last.position), ("unplugged", None, None, 2))
        self.assertIn("2 readings missing", str(first))
        self.assertEqual([(e.what, e.new, e.index) for e in b.events], [("set", "2", 3)])

    def test_restart(self):
        frames = [self.s.descriptor(), self.s.counts([1, 2]), self.s.end()]
        second = [self.s.descriptor(), self.s.gap(cause="gateway stopped"), self.s.counts([3])]
        b = self.open({("bench", "1.pgs"): made.segment(self.s, frames, epoch=1), ("bench", "2.pgs"): made.segment(self.s, second)}).counts()
        self.assertEqual((listed(b["A"]), listed(b.part), listed(b.index)), ([1, 2, 3], [1, 1, 2], [0, 1, 0]))
        self.assertEqual([(g.cause, g.position) for g in b.gaps], [("gateway stopped", 2)])

    def test_lost_frames_are_holes(self):
        f = [self.s.descriptor()] + [self.s.counts([i, i]) for i in range(6)]
        cases = {
            "a frame is missing": (f[:3] + f[4:], [("hole", "unsynced tail", 2, 4, 4)]),
            "a hole says why": (f[:3] + [self.s.hole(4, 4, "quota")] + f[4:], [("hole", "quota", 2, 4, 4)]),
            "a hole filled later": (f[:3] + [self.s.hole(4, 4, "overrun")] + f[3:], []),
            "the end is missing": (f[:4], [("hole", "file missing", None, 6, 6)]),
            "a hole at the end": (f[:4] + [self.s.hole(5, 7, "damaged")], [("hole", "damaged", None, 6, 6)]),
            "a mark tells of more": (f[:4] + [made.mark(0, 6)], [("hole", "damaged", None, 6, 6), ("hole", "file missing", None, 6, 6)]),
            "never asked for": ([self.s.hole(1, 3, "not held")] + f[3:], []),
        }
        for name, (frames, want) in cases.items():
            with self.subTest(name):
                with tempfile.TemporaryDirectory() as path:
                    content = made.segment(self.s, frames, copies=f[0])
                    b = photongate.open(made.archive(path, {("bench", "1.pgs"): content}, ends={"bench": {1: 7}})).counts()
                    self.assertEqual([(g.kind, g.cause, g.missing, g.index, g.position) for g in b.gaps], want)

    def test_files_that_overlap_are_merged(self):
        f = [self.s.descriptor()] + [self.s.counts([i]) for i in range(9)]
        b = self.open({("bench", "1.pgs"): made.segment(self.s, f[:4] + [self.s.hole(5, 7, "overrun")] + f[7:9]),
                       ("bench", "2.pgs"): made.segment(self.s, f[4:8], first=5, copies=f[0]),
                       ("bench", "3.pgs"): made.segment(self.s, f[9:], first=10, copies=f[0])}).counts()
        self.assertEqual((listed(b["A"]), b.gaps), (list(range(9)), []))

    def test_damage_is_passed_over_and_told(self):
        f = [self.s.descriptor()] + [self.s.counts([i, i]) for i in range(4)]
        content = made.segment(self.s, f)
        content = bytearray(content + made.mark(len(content), 5))
        at = bytes(content).index(f[2]) + 70
        content[at] ^= 4
        run = self.open({("bench", "1.pgs"): bytes(content)})
        b = run.counts()
        self.assertEqual(listed(b["A"]), [0, 0, 2, 2, 3, 3])
        self.assertEqual([(g.kind, g.cause, g.missing, g.position) for g in b.gaps], [("hole", "damaged", 2, 2)])
        self.assertRegex(run.damage[0], r"1\.pgs: bytes [0-9]+ to [0-9]+ are damaged")

    def test_damaged_preamble(self):
        f = [self.s.descriptor(), self.s.counts([1, 2])]
        content = bytearray(made.segment(self.s, f))
        content[30] ^= 1
        run = self.open({("bench", "1.pgs"): bytes(content)})
        self.assertEqual(listed(run.counts()["A"]), [1, 2])
        self.assertIn("checksum", run.damage[0])

    def test_every_bit_of_a_preamble(self):
        f = [self.s.descriptor()] + [self.s.counts([i]) for i in range(5)]
        clock = made.Stream("gateway", 2)
        copies = f[0] + clock.descriptor() + f[1]
        content = made.segment(self.s, f[4:], first=5, copies=copies)
        for at in range(len(content) - sum(map(len, f[4:]))):
            with self.subTest(at), tempfile.TemporaryDirectory() as path:
                changed = bytearray(content)
                changed[at] ^= 1 << at % 8
                run = photongate.open(made.archive(path, {("bench", "1.pgs"): bytes(changed)}))
                self.assertTrue(run.damage, "nothing is told")
                if not content.index(f[0]) <= at < content.index(f[0]) + len(f[0]):  # else nothing tells the columns
                    self.assertEqual(listed(run.counts()["A"]), [3, 4])

    def test_unsynced_tail(self):
        f = [self.s.descriptor()] + [self.s.counts([i]) for i in range(4)]
        head = made.segment(self.s, f[:2])
        content = head + made.mark(len(head), 2) + f[2][:-1] + f[3]
        b = self.open({("bench", "1.pgs"): content}).counts()
        self.assertEqual([(g.cause, g.missing) for g in b.gaps], [("unsynced tail", 1)])

    def test_undecoded_is_told(self):
        good = self.s.counts
        d = self.s.descriptor()
        a, odd, b = good([1]), self.s.next(2, bytes([2, 0, 2, 9, 9]), 1), good([3])
        run = self.one(d, a, odd, b).counts()
        self.assertEqual(listed(run["A"]), [1, 3])
        self.assertEqual([(g.kind, g.missing) for g in run.gaps], [("undecoded", 1)])

    def test_clocks_are_corrected_later(self):
        hour = 3600 * 10**9
        s, g = self.s, made.Stream("gateway", 2)
        clocks = [g.descriptor(channels=()), g.clock(0, "unsynchronised"), g.clock(hour, at=made.T0 + 50 * made.GATE)]
        run = self.open({("bench", "1.pgs"): made.segment(s, [s.descriptor(), s.counts([1])]), ("gateway", "1.pgs"): made.segment(g, clocks)})
        b = run.counts()
        self.assertAlmostEqual(b.t[0], (made.T0 + hour) / 1e9, places=5)
        self.assertEqual((b.t_s[0], b.flags), (0, [""]))

    def test_utc_unknown(self):
        g = made.Stream("gateway", 2)
        self.s.time = g.time = 1000
        run = self.open({("bench", "1.pgs"): made.segment(self.s, [self.s.descriptor(), self.s.counts([1])]),
                         ("gateway", "1.pgs"): made.segment(g, [g.descriptor(channels=()), g.clock(0, "unsynchronised")])})
        b = run.counts()
        self.assertTrue(math.isnan(b.t[0]))
        self.assertEqual(b.flags, ["utc_unknown"])

    def test_one_boot_lends_its_time(self):
        hour = 3600 * 10**9
        s, g = self.s, made.Stream("gateway", 2)
        first = [g.descriptor(channels=()), g.clock(0, "unsynchronised", at=1000, mono=1000)]
        g.base, g.time = made.BASE2, made.T0
        second = [g.descriptor(channels=()), g.clock(0, mono=made.T0 - hour)]
        s.time = 2000
        run = self.open({("bench", "1.pgs"): made.segment(s, [s.descriptor(), s.counts([1])]),
                         ("gateway", "1.pgs"): made.segment(g, first, epoch=1), ("gateway", "2.pgs"): made.segment(g, second)})
        self.assertAlmostEqual(run.counts().t[0], (2000 + hour) / 1e9, places=5)

    def test_an_earlier_process_is_corrected_across_a_suspend(self):
        """The first process ended before the clock was set, at 1970; the computer slept an hour; the second one is synchronised."""
        sec, ns = 10**9, made.T0
        for at_boot, t, t_s in ((True, [ns - 3680 * sec, ns], [0, 3680]), (False, [ns - 80 * sec, ns], [0, 80])):
            s, g = made.Stream(), made.Stream("gateway", 2)
            first = [g.descriptor(channels=()), g.clock(0, "unsynchronised", at=10 * sec, mono=10 * sec, boot=10 * sec if at_boot else None)]
            s.time = 20 * sec  # 20 s after the boot
            bench1 = [s.descriptor(), s.counts([1])]
            g.base = s.base = made.BASE2
            g.time = s.time = ns  # 3700 s after the boot, of which the raw clock saw 100
            second = [g.descriptor(channels=()), g.clock(0, mono=100 * sec, boot=3700 * sec if at_boot else None)]
            bench2 = [s.descriptor(), s.counts([2])]
            with tempfile.TemporaryDirectory() as path:
                b = photongate.open(made.archive(path, {
                    ("bench", "1.pgs"): made.segment(s, bench1, epoch=1), ("bench", "2.pgs"): made.segment(s, bench2),
                    ("gateway", "1.pgs"): made.segment(g, first, epoch=1), ("gateway", "2.pgs"): made.segment(g, second)})).counts()
            self.assertEqual([round(x * 1e9 - ns, -6) for x in b.t], [x - ns for x in t])
            self.assertEqual([round(x, 6) for x in b.t_s], t_s)
            self.assertEqual(b.flags, ["", ""])

    def test_a_gap_over_a_weekend(self):
        """The next boot began with another time than was right: 43 minutes before the last reading, or in 1970, or it was never set."""
        minute, weekend = 60 * 10**9, 63 * 3600 * 10**9
        for start, right, duration in ((made.T0 - 43 * minute, weekend + 43 * minute, weekend), (0, made.T0 + weekend, weekend), (0, None, None)):
            s, g = made.Stream(), made.Stream("gateway", 2)
            g.time = s.time = start
            clocks = [g.descriptor(channels=()), g.clock(0, "unsynchronised")] + ([] if right is None else [g.clock(right, at=start + 10 * minute)])
            frames = [s.descriptor(), s.next(4, {"cause": "gateway stopped", "approximate": True}, time=made.T0), s.counts([1])]
            with tempfile.TemporaryDirectory() as path:
                gap, = photongate.open(made.archive(path, {("bench", "1.pgs"): made.segment(s, frames), ("gateway", "1.pgs"): made.segment(g, clocks)})).counts().gaps
            self.assertEqual((gap.duration_s, gap.time), (None, None) if duration is None else (duration / 1e9, photongate._utc_datetime(made.T0)))

    def test_a_gap_does_not_cover_what_is_held(self):
        """A gateway forgot in a crash what the archive has: it knew 2 of 4 frames, of which each holds one reading of 0.1 s."""
        for known, begin, duration, missing in ((2, 0.3, 0.7, None), (4, 0.1, 0.9, 5)):
            s = made.Stream()
            first = [s.descriptor()] + [s.counts([n]) for n in (1, 2, 3)]
            s.epoch, s.seq, s.index = 2, 0, 0
            gap = {"cause": "gateway crashed", "duration_ns": str(9 * 10**8), "missing": "5"}
            s.time = made.T0 + 10**9
            second = [s.descriptor(previous={"epoch": 1, "seq": str(known), "cause": "gateway crashed"}), s.next(4, gap, time=made.T0 + 10**8)]
            s.index = 5
            second.append(s.counts([4]))
            with tempfile.TemporaryDirectory() as path:
                gap, = photongate.open(made.archive(path, {("bench", "1.pgs"): made.segment(s, first, epoch=1), ("bench", "2.pgs"): made.segment(s, second)})).counts().gaps
            self.assertEqual((gap.time, round(gap.duration_s, 6), gap.missing), (photongate._utc_datetime(made.T0 + int(begin * 1e9)), duration, missing))

    def test_a_year_nobody_believes(self):
        """The clock fell to 1970 and came back, on a computer that does not say how well it knows UTC."""
        s, g = self.s, made.Stream("gateway", 2)
        clocks = [g.descriptor(channels=()), g.clock(0, "unknown"), g.clock(-made.T0, "unknown", at=made.T0 + 10**9), g.clock(0, "unknown", at=made.T0 + 2 * 10**9)]
        run = self.open({("bench", "1.pgs"): made.segment(s, [s.descriptor(), s.counts([1] * 30)]), ("gateway", "1.pgs"): made.segment(g, clocks)})
        b = run.counts()
        self.assertEqual([round((x - made.T0 / 1e9) * 10) for x in b.t], list(range(30)))

    def test_copy_of_the_clock_lets_one_file_stand_alone(self):
        s, g = self.s, made.Stream("gateway", 2)
        g.descriptor(channels=())
        content = made.segment(s, [s.descriptor(), s.counts([1])], copies=g.clock(10**9))
        path = os.path.join(self.path, "x.pgs")
        with open(path, "wb") as f:
            f.write(content)
        self.assertAlmostEqual(photongate.open(path).counts().t[0], (made.T0 + 10**9) / 1e9, places=5)

    def test_batches_and_changed_channels(self):
        f = [self.s.descriptor()] + [self.s.counts([i] * 4) for i in range(5)]
        self.assertEqual([len(b) for b in self.one(*f).batches(readings=8)], [8, 8, 4])
        later = [self.s.descriptor(channels=("A", "C")), self.s.counts([1])]
        with tempfile.TemporaryDirectory() as path:
            run = photongate.open(made.archive(path, {("bench", "1.pgs"): made.segment(self.s, f, epoch=1), ("bench", "2.pgs"): made.segment(self.s, later)}))
            self.assertEqual([b.channels for b in run.batches()], [["A", "B"], ["A", "C"]])
            with self.assertRaisesRegex(photongate.PhotongateError, "channels of pi-lab3/bench changed"):
                run.counts()

    def test_measurement_folder(self):
        os.mkdir(os.path.join(self.path, "raw"))
        made.archive(os.path.join(self.path, "raw"), {("bench", "1.pgs"): made.segment(self.s, [self.s.descriptor(), self.s.counts([5])])})
        with open(os.path.join(self.path, "measurement.json"), "w") as f:
            f.write('{"title": "HWP 22.5"}')
        run = photongate.open(self.path)
        self.assertEqual((listed(run.counts()["A"]), run.measurement["title"]), ([5], "HWP 22.5"))

    def test_nothing_there(self):
        for path, words in ((self.path, "no recording here"), (os.path.join(self.path, "x"), "no such folder")):
            with self.assertRaisesRegex(photongate.PhotongateError, words):
                photongate.open(path)

    def test_long_and_short_frames_join(self):
        f = [self.s.descriptor()] + [self.s.counts([i]) for i in range(3)] + [self.s.counts(list(range(3, 100)))] + [self.s.counts([100])]
        b = self.one(*f).counts()
        self.assertEqual(listed(b["A"]), list(range(101)))
        self.assertEqual(listed(b.index), list(range(101)))
        self.assertEqual([round(t, 6) for t in listed(b.t_s)], [round(i / 10, 6) for i in range(101)])

    @unittest.skipIf(support.PANDAS is None, "pandas is not installed for this Python")
    def test_to_pandas(self):
        if photongate._np is None:
            return
        run = self.one(self.s.descriptor(), self.s.counts([7, 0], value_flags=[0, 1]))
        table = run.to_pandas()
        self.assertEqual(list(table.columns), ["time_utc", "t_s", "gate_s", "live_s", "stream", "part", "index", "flags", "A", "B"])
        self.assertEqual(str(table["time_utc"].dt.tz), "UTC")
        self.assertEqual(table["time_utc"][0].value, made.T0)
        self.assertEqual((table["A"][0], str(table["A"][1])), (7, "nan"))
        self.assertEqual(len(photongate.Batch([], "x", None, None).to_pandas()), 0)


if __name__ == "__main__":
    unittest.main()
