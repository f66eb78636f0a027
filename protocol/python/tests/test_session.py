"""Sessions with a gateway: what is taken, what is refused, what happens when the line breaks."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
import threading
import types
import unittest
from unittest import mock

from . import fake, made, support
import photongate


class Helper:
    """Does something in another thread; join() raises what went wrong there."""

    def __init__(self, do):
        self.do, self.error = do, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.do()
        except BaseException as e:
            self.error = e

    def join(self):
        self.thread.join(fake.DEADLINE)
        if self.error is not None:
            raise self.error


def listed(column):
    return column.tolist() if hasattr(column, "tolist") else list(column)


class Sessions(support.BothWays):
    def setUp(self):
        config = tempfile.TemporaryDirectory()
        self.addCleanup(config.cleanup)
        self.config = config.name
        patch = mock.patch.dict(os.environ, {"PHOTONGATE_CONFIG": config.name})
        patch.start()
        self.addCleanup(patch.stop)
        self.gateways = []
        before = threading.enumerate()  # of a test before one may just be ending
        self.fake = fake.Fake()
        self.addCleanup(self.no_threads_left, before)
        self.addCleanup(self.fake.close)

    def no_threads_left(self, before):
        self.assertEqual([t for t in threading.enumerate() if t not in before], [])

    def connect(self, **more):
        gw = photongate.connect(self.fake.address, timeout=fake.DEADLINE, **more)
        self.addCleanup(gw.close)
        self.fake.session()
        return gw

    def while_it_waits(self, do, feed):
        """Runs do() in this thread, and feed() in another as soon as do() has asked for the time."""
        def helper():
            self.fake.heard(46, do="now")
            feed()
        thread = Helper(helper)
        try:
            return do()
        finally:
            thread.join()

    def begin(self):
        """Sends the descriptor: readings can follow."""
        return self.fake.stream.descriptor()

    def test_take_takes_only_what_surely_began_after_the_call(self):
        s, gate = self.fake.stream, made.GATE
        gw = self.connect()
        # The gates begin at T0, T0 + 0.1 s, ...; the call comes at T0 + 0.25 s, so that the gate from 0.3 s on is the first one.
        cases = [
            ("exact edges", {}, {}, 3),
            ("the edge is the moment itself", {}, {"now": made.T0 + 3 * gate}, 3),
            ("a nanosecond later", {}, {"now": made.T0 + 3 * gate + 1}, 4),
            ("late by what remains", {"late_ns": str(gate // 2)}, {}, 3),
            ("late by a nanosecond more", {"late_ns": str(gate // 2 + 1)}, {}, 4),
            ("uncertain by what remains", {}, {"uncertainty": [gate // 2] * 8}, 3),
            ("uncertain by a nanosecond more", {}, {"uncertainty": [gate // 2 + 1] * 8}, 4),
            ("both", {"late_ns": str(gate)}, {"uncertainty": [gate // 2] * 8}, 4),
            ("only the first must be sure", {}, {"uncertainty": [0] * 4 + [gate] * 4}, 3),
            ("first is never taken", {}, {"flags": [0, 0, 0, 1, 0, 0, 0, 0]}, 4),
        ]
        for name, described, counts, want in cases:
            with self.subTest(name):
                s.time = made.T0
                self.fake.now = counts.pop("now", made.T0 + 250_000_000)
                frames = [s.descriptor(**described), s.counts([10, 11, 12, 13, 14, 15, 16, 17], **counts)]
                shot = self.while_it_waits(lambda: gw.take(readings=2), lambda: self.fake.send(*frames))
                self.assertEqual(listed(shot.batch["A"]), [10 + want, 11 + want])
                self.assertEqual((shot.readings, shot.sum["A"], shot.live_s, shot.gaps), (2, 21 + 2 * want, 0.2, []))

    def test_numbers_of_a_shot(self):
        s = self.fake.stream
        gw = self.connect()
        frames = [self.begin(), s.counts([100, 200, 300, 4], b=[0, 0, 0, 0], dead=[0, 20_000_000, 0, 0])]
        shot = self.while_it_waits(lambda: gw.take(readings=3), lambda: self.fake.send(*frames))
        self.assertEqual((shot.sum, shot.live_s, shot.gate_s), ({"A": 600, "B": 0}, 0.28, 0.3))
        self.assertAlmostEqual(shot.rate["A"], 600 / 0.28)
        self.assertAlmostEqual(shot.rate_err["A"], 600 ** 0.5 / 0.28)
        self.assertAlmostEqual(shot.rate_err["B"], 1 / 0.28)
        self.assertAlmostEqual(shot.begin.timestamp(), made.T0 / 1e9, places=5)
        self.assertAlmostEqual((shot.end - shot.begin).total_seconds(), 0.3)
        self.assertIn("3 readings", repr(shot))

    def test_seconds_are_the_gates_that_come_closest(self):
        s = self.fake.stream
        gw = self.connect()
        for seconds, want in ((0.3, 3), (0.34, 3), (0.36, 4), (0.01, 1)):
            s.time = self.fake.now = made.T0
            frames = [self.begin(), s.counts([1] * 8)]
            shot = self.while_it_waits(lambda: gw.take(seconds=seconds), lambda: self.fake.send(*frames))
            self.assertEqual(shot.readings, want, seconds)

    def test_what_came_before_is_never_taken(self):
        s = self.fake.stream
        gw = self.connect()
        live = gw.stream("bench", timeout=fake.DEADLINE)
        thread = Helper(lambda: (self.fake.heard(35), self.fake.send(self.begin(), s.counts([1, 2]))))
        self.assertEqual(listed(next(live)["A"]), [1, 2])
        thread.join()
        self.fake.send(s.counts([3]), s.counts([4]))  # nobody reads these
        self.fake.now = s.time
        feed = lambda: self.fake.send(made.frame(37, {"sub": 2}), self.copy(s), s.counts([5]), s.counts([6]))
        shot = self.while_it_waits(lambda: gw.take(readings=2), feed)
        self.assertEqual(shot.sum["A"], 11)
        self.assertEqual(listed(next(live)["A"]), [3, 4])  # the one who iterates misses nothing
        live.close()

    def copy(self, s):
        """The descriptor once more, for context."""
        return made.frame(38, made.frame(1, {"stream": "bench", "base": s.base, "software": "x", "cause": "x", "channels": [{"name": "A"}, {"name": "B"}]},
                                         1, s.epoch, 0, 1, 0, made.T0))

    def test_gaps_and_flags_raise(self):
        s = self.fake.stream
        gw = self.connect()
        cases = {
            "gap": (lambda: [s.counts([1]), s.gap(missing=2, duration_ns=2 * made.GATE), s.counts([2])], "2 readings missing"),
            "lost frame": (lambda: [s.counts([1]), s.counts([9])[:0] + s.counts([2])], "not received"),
            "restart": (lambda: [s.counts([1]), s.descriptor(), s.counts([2])], "not received"),
            "overflow": (lambda: [s.counts([1, 2], value_flags=[0, 2])], "overflow:A"),
            "unknown value": (lambda: [s.counts([1, 2], value_flags=[0, 1])], "absent:A"),
            "mixed": (lambda: [s.counts([1, 2], flags=[0, 4])], "mixed"),
            "unknown flag": (lambda: [s.counts([1, 2], flags=[0, 1 << 20])], "flag20"),
        }
        for name, (frames, words) in cases.items():
            with self.subTest(name):
                s.time = self.fake.now = made.T0
                with self.assertRaisesRegex(photongate.GapError, words) as caught:
                    self.while_it_waits(lambda: gw.take(readings=2), lambda: self.fake.send(self.begin(), *frames()))
                self.assertEqual(caught.exception.shot.readings, 1)
                s.time = self.fake.now = made.T0
                shot = self.while_it_waits(lambda: gw.take(readings=2, allow_gaps=True), lambda: self.fake.send(self.begin(), *frames()))
                self.assertEqual(shot.readings, 2)
                self.assertEqual(len(shot.gaps) + len(shot.flags) > 0 or name == "unknown value", True)

    def test_late_and_unverified_do_not_raise(self):
        s = self.fake.stream
        gw = self.connect()
        shot = self.while_it_waits(lambda: gw.take(readings=2), lambda: self.fake.send(self.begin(), s.counts([1, 2], flags=[32, 2])))
        self.assertEqual(shot.flags, ["late", "unverified"])

    def test_many_readings(self):
        s = self.fake.stream
        gw = self.connect()
        frames = [self.begin()] + [s.counts([i] * 500, dead=[1000] * 500 if i % 2 else None) for i in range(8)]
        shot = self.while_it_waits(lambda: gw.take(readings=3100), lambda: self.fake.send(*frames))
        self.assertEqual((shot.readings, shot.sum["A"]), (3100, 500 * 15 + 600))
        self.assertAlmostEqual(shot.live_s, 310 - 1500e-6)
        self.assertEqual([listed(shot.batch.t_s)[i] for i in (0, 1, 3099)], [0, 0.1, 309.9])
        self.assertEqual(listed(shot.batch.index), list(range(3100)))

    def test_gateway_restarted_while_taking(self):
        """Another time base: what it says of now counts there."""
        s = self.fake.stream
        gw = self.connect()

        def feed():
            self.fake.send(self.begin())
            self.fake.base, self.fake.now = made.BASE2, made.T0 + made.GATE
            self.fake.hang_up()
            self.fake.session()
            s.base, s.time = made.BASE2, made.T0
            self.fake.heard(35)
            self.fake.send(s.descriptor(), s.counts([1]))
            self.fake.heard(46, do="now")
            self.fake.send(s.counts([2]), s.counts([3]))

        shot = self.while_it_waits(lambda: gw.take(readings=2), feed)
        self.assertEqual(listed(shot.batch["A"]), [2, 3])

    def test_a_break_without_loss_is_no_gap(self):
        s = self.fake.stream
        gw = self.connect()
        seen = []

        def feed():
            sub = self.fake.heard(35)
            self.assertEqual((sub["kind"], sub["from"], sub["streams"]), ("view", "now", ["gateway", "bench"]))
            last = s.descriptor(), s.counts([1]), s.counts([2])
            self.fake.send(*last)
            self.fake.hang_up()
            self.fake.session()
            sub = self.fake.heard(35)
            crc = "%08x" % photongate.read_header(last[-1]).header_crc
            self.assertEqual((sub["from"], sub["cursors"]), ("cursor", [{"stream": "bench", "epoch": 1, "seq": "3", "crc": crc}]))
            self.fake.send(s.counts([3]))
            self.fake.hang_up()
            self.fake.session()
            self.fake.heard(35)
            s.counts([4])  # is lost
            self.fake.send(s.counts([5]))

        thread = Helper(feed)
        for batch in gw.stream(timeout=fake.DEADLINE):
            for i, a in enumerate(listed(batch["A"])):
                seen += [(g.kind, g.cause, g.missing) for g in batch.gaps if g.position == i] + [a]
            if seen[-1] == 5:
                break
        thread.join()
        self.assertEqual(seen, [1, 2, 3, ("hole", "not received", 1), 5])

    def test_skip_is_a_gap_with_its_cause(self):
        s = self.fake.stream
        gw = self.connect()

        def feed():
            self.fake.heard(35)
            self.fake.send(self.begin(), s.counts([1]))
            s.counts([2])
            self.fake.send(made.frame(42, {"sub": 1, "stream": 1, "epoch": 1, "seq": "4"}), s.counts([3]))

        thread = Helper(feed)
        live = gw.stream(timeout=fake.DEADLINE)
        first = next(live)
        batch = first if len(first) == 2 else next(live)
        thread.join()
        live.close()
        self.assertEqual([(g.cause, g.missing, g.position) for g in batch.gaps], [("skipped", 1, len(batch) - 1)])

    def test_damage_on_the_way(self):
        gw = self.connect()
        live = gw.stream(timeout=fake.DEADLINE)
        s = self.fake.stream

        def feed():
            self.fake.heard(35)
            good = s.descriptor(), s.counts([1])
            self.fake.send(good[0], good[1][:-1] + b"?")
            self.assertEqual(self.fake.heard(43)["seq"], "2")
            self.fake.session()
            self.fake.heard(35)
            self.fake.send(good[1])
            self.fake.send(b"\x16 no frame at all, but bytes enough to be taken for one ------------------------")
            self.assertEqual(self.fake.heard(34)["code"], "protocol")
            self.fake.session()

        thread = Helper(feed)
        batch = next(live)
        thread.join()
        live.close()
        self.assertEqual((listed(batch["A"]), batch.gaps), ([1], []))

    def test_a_slow_loop_gets_longer_batches(self):
        s = self.fake.stream
        gw = self.connect()
        live = gw.stream(timeout=fake.DEADLINE)
        thread = Helper(lambda: (self.fake.heard(35), self.fake.send(self.begin(), s.counts([1]))))
        next(live)
        thread.join()
        self.fake.now = s.time
        self.fake.send(s.counts([2]), s.gap(missing=1), s.counts([3]), s.descriptor(channels=("A",)), made.frame(47, {"id": "1", "t_ns": "0"}))
        gw.status()  # what was sent before the answer has arrived
        batch = next(live)
        self.assertEqual((listed(batch["A"]), [g.position for g in batch.gaps]), ([2, 3], [1]))
        live.close()

    def test_credit_comes_back_and_bounds_what_waits(self):
        s = self.fake.stream
        gw = self.connect()
        live = gw.stream(timeout=fake.DEADLINE)
        thread = Helper(lambda: (self.fake.heard(35), self.fake.send(self.begin(), s.counts(range(30000)))))
        next(live)
        thread.join()
        big = [s.counts(range(40000)) for _ in range(2)]
        self.fake.send(*big)
        next(live)
        self.assertGreater(int(self.fake.heard(39)["bytes"]), photongate._CREDIT_BYTES // 8 - 1)
        live.close()

    def test_nothing_comes(self):
        self.fake.status["devices"][0].update(state="gone", cause="unplugged", hint="plug it in")
        gw = self.connect()
        with self.assertRaisesRegex(photongate.UnreachableError, "no counts from pi-lab3/bench for 0.2 s: the gateway says of it: gone, unplugged, plug it in"):
            gw.take(readings=1, timeout=0.2)
        with self.assertRaisesRegex(photongate.UnreachableError, "no counts"):
            next(gw.stream(timeout=0.1))

    def test_requests(self):
        gw = self.connect()
        self.assertEqual(gw.streams, ["bench"])
        setting = gw.get("bench", "gate")
        self.assertEqual((setting, float(setting), setting.unit, setting.how), ("100 ms", 0.1, "ms", "read back"))
        for value, want in (("200ms", 0.2), ("1m30s", 90), ("65.535s", 65.535), ("0.5", 0.5), ("-3", -3)):
            self.assertAlmostEqual(float(photongate.Setting({"value": value})), want)
        with self.assertRaises(ValueError):
            float(photongate.Setting({"value": "rising"}))
        with self.assertRaisesRegex(photongate.PhotongateError, "no setting 'gat'; it has gate"):
            gw.get("bench", "gat")
        self.assertEqual(gw.set("bench", gate="200ms", repeat=True)["repeat"]["new"], "true")
        gw.note("grün")
        self.assertEqual(self.fake.heard(46, do="note")["text"], "grün")
        with gw.measure(title="HWP 22.5", operator="ana", hwp_deg=22.5) as m:
            gw.set("bench", gate="1s")
        begin, during, end = self.fake.requests[-3:]
        self.assertEqual((begin["do"], begin["measurement"]["set"], begin["measurement"]["operator"]), ("begin", [{"key": "hwp_deg", "value": "22.5"}], "ana"))
        self.assertEqual((during["do"], during["measurement"]), ("set", {"id": m.id}))
        self.assertEqual((end["do"], end["measurement"]), ("end", {"id": m.id, "state": "complete"}))
        with self.assertRaises(ZeroDivisionError):
            with gw.measure():
                1 / 0
        self.assertEqual(self.fake.requests[-1]["measurement"]["state"], "incomplete")
        self.fake.refused_requests["set"] = ("busy", "ana measures since 14:30")
        with self.assertRaisesRegex(photongate.RefusedError, "ana measures") as caught:
            gw.set("bench", gate="1s")
        self.assertEqual(caught.exception.code, "busy")

    def test_a_measurement_is_kept_alive_across_a_break(self):
        gw = self.connect()
        with gw.measure() as m:
            self.fake.hang_up()
            self.fake.session()
            self.assertEqual(self.fake.heard(46, do="now")["measurement"], {"id": m.id})

    def test_wrong_questions(self):
        gw = self.connect()
        for do, words in ((lambda: gw.take(), "take how much"), (lambda: gw.take(seconds=-1), "take how much"), (lambda: gw.take(1, 2), "take how much"),
                          (lambda: gw.take(1, stream="x"), "reads no instrument 'x'; it reads bench"), (lambda: gw.set("bench"), "set what")):
            with self.assertRaisesRegex(photongate.PhotongateError, words):
                do()
        self.fake.status["devices"].append({"name": "second"})
        with self.assertRaisesRegex(photongate.PhotongateError, "reads the instruments bench, second: say which"):
            photongate.Gateway._only(self.connect(), None)

    def test_of_a_tagger_the_counts_are_meant(self):
        self.fake.status["devices"][0:1] = [{"name": "tagger", "state": "running", "tags": True}, {"name": "tagger.counts", "state": "running"}]
        gw = self.connect()
        self.assertEqual(photongate.Gateway._only(gw, None), "tagger.counts")
        self.assertEqual(photongate.Gateway._only(gw, "tagger"), "tagger")

    def test_closed(self):
        gw = self.connect()
        live = gw.stream(timeout=fake.DEADLINE)
        thread = Helper(lambda: (self.fake.heard(35), gw.close()))
        with self.assertRaisesRegex(photongate.PhotongateError, "was closed"):
            next(live)
        thread.join()
        self.assertEqual(self.fake.heard(45)["reason"], "done")

    def test_async(self):
        s = self.fake.stream
        gw = self.connect()

        async def go():
            seen = []
            async with gw:
                async for batch in gw.aiter():
                    seen += listed(batch["A"])
                    if len(seen) == 3:
                        return seen

        thread = Helper(lambda: (self.fake.heard(35), self.fake.send(self.begin(), s.counts([1]), s.counts([2]), s.counts([3]))))
        self.assertEqual(asyncio.run(go()), [1, 2, 3])
        thread.join()

    # Who is there?

    def token_file(self, folder, name, **fields):
        os.makedirs(os.path.join(self.config, folder), exist_ok=True)
        value = {"format": 1, "name": "pi-lab3", "gateway": "pi-lab3", "journal": made.JOURNAL, "addresses": [self.fake.address],
                 "certificate_sha256": "", "token": base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")}
        value.update(fields)
        with open(os.path.join(self.config, folder, name + ".json"), "w") as f:
            json.dump(value, f)

    def test_local_token_is_found(self):
        self.fake.token = bytes(range(32))
        self.token_file("local", made.JOURNAL)
        self.assertIn("change", self.connect().rights)

    def test_local_token_out_of_date(self):
        self.token_file("local", made.JOURNAL)  # the fake has none, and refuses it
        self.assertEqual(self.connect().name, "pi-lab3")

    def test_another_gateway_of_the_same_name(self):
        other = types.SimpleNamespace(hello={"name": "pi-lab3", "id": "f" * 32}, close=lambda: None)
        line = "pi-lab3@1.2.3.4:7310/%s/%s" % ("A" * 43, "A" * 43)
        self.token_file("gateways", "pi-lab3")
        kept = os.path.join(self.config, "gateways", "pi-lab3.json")

        def journal():
            with open(kept) as f:
                return json.load(f)["journal"]

        with mock.patch.object(photongate, "_open_wire", return_value=other):
            with self.assertRaisesRegex(photongate.PhotongateError, "may be a copy of it"):
                photongate.pair(line)
            self.assertEqual(journal(), made.JOURNAL)
            self.assertEqual(photongate.pair(line, name="other"), "other")
            photongate.pair(line, replace=True)
            self.assertEqual(journal(), "f" * 32)
            with open(kept, "w") as f:
                f.write("{")
            photongate.pair(line)
            self.assertEqual(journal(), "f" * 32)

    def test_paired_by_name_and_by_address(self):
        self.fake.token = bytes(range(32))
        self.token_file("gateways", "lab")
        for address in ("lab", self.fake.address):
            with photongate.connect(address) as gw:
                self.assertEqual(gw.name, "pi-lab3")
                self.fake.session()

    def test_refusals_in_plain_words(self):
        token = base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")

        def wrong_journal():
            self.token_file("gateways", "lab", journal="f" * 32)
            return {"address": "lab"}

        def lie():
            self.fake.token, self.fake.lie = b"x" * 32, True
            return {"token": token}

        cases = {
            "no token": (lambda: setattr(self.fake, "token", b"x" * 32), photongate.NotPairedError, "refuses the token.*that is not the token.*pair"),
            "wrong token": (lambda: {"token": token}, photongate.NotPairedError, "refuses the token"),
            "no token at all": (lambda: {"token": "short"}, photongate.PhotongateError, "the token is not one"),
            "another gateway": (wrong_journal, photongate.NotPairedError, "another journal"),
            "gateway without the token": (lie, photongate.NotPairedError, "cannot show that it knows the token"),
            "never paired": (lambda: {"address": "pi-lab9"}, photongate.NotPairedError, "pi-lab9 is not paired with this computer"),
            "no address": (lambda: {"address": "a b:c"}, photongate.PhotongateError, "is no address"),
            "busy": (lambda: setattr(self.fake, "refuse", ("busy", "too many")), photongate.RefusedError, "too many"),
            "nobody listens": (lambda: {"address": "127.0.0.1:1"}, photongate.UnreachableError, "no gateway listens on 127.0.0.1:1: start one"),
        }
        for name, (arrange, kind, words) in cases.items():
            with self.subTest(name):
                self.fake.token, self.fake.lie, self.fake.refuse = b"", False, None
                shutil.rmtree(os.path.join(self.config, "gateways"), ignore_errors=True)
                arguments = {"address": self.fake.address}
                arguments.update(arrange() or {})
                with self.assertRaisesRegex(kind, words):
                    photongate.connect(timeout=2, **arguments)

    def test_line_to_pair_with(self):
        token = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
        for line in ("", "pi-lab3", "pi-lab3@1.2.3.4/%s" % token, "../x@1.2.3.4/%s/%s" % (token, token), "pi-lab3@1.2.3.4/%s/%s" % (token, token[:-1])):
            with self.assertRaisesRegex(photongate.PhotongateError, "not a line to pair with"):
                photongate.pair(line)


if __name__ == "__main__":
    unittest.main()
