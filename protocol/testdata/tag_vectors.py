"""Golden vectors of frames of tags, SPEC.md section 13: a part of make_vectors.py."""

import random
import struct

from make_vectors import (DESCRIPTOR, M64, T0, bad, bell, constant, differences, field, fixed, good, raw, rice, rice_words,
                          stored, strings, text, to_bytes, uvarint, zigzag)

# Section 13: the payload.


def tags_payload(ticks, channels, coded_ticks, coded_channels, number, until=None, losses=b"", schema=1, bits=None, last=None, totals=None):
    """Ticks and channels come coded as well; losses too, with their number."""
    at = ticks[-1] if ticks else until
    until = at if until is None else until
    if bits is None:
        bits = (1 if sorted(ticks) == list(ticks) else 0) | (2 if losses else 0)
    if totals is None:
        totals = [list(channels).count(c) for c in range(number)]
    out = bytes([schema, bits]) + uvarint(number) + uvarint(at if last is None else last)
    for n in totals:
        out += uvarint(n)
    return out + uvarint(zigzag(until - at)) + losses + coded_ticks + coded_channels


def loss_list(losses):
    """losses: (from, to, channel or -1, missing or None)."""
    out, before = uvarint(len(losses)), 0
    for begin, end, channel, missing in losses:
        out += uvarint(begin - before) + uvarint(end - begin) + uvarint(channel + 1)
        out += b"\x00" if missing is None else b"\x01" + uvarint(missing)
        before = begin
    return out


# Section 13.1: ticks.


def block(gaps, k, thirds):
    if not thirds:
        return bytes([k]) + rice_words(gaps, k)
    out = bytes([k | 64])
    for i in range(0, len(gaps), 5):
        out += bytes([sum(z % 3 * 3 ** j for j, z in enumerate(gaps[i:i + 5]))])
    return out + rice_words([z // 3 for z in gaps], k)


def rising(ticks, shift, blocks, first=None):
    """blocks: k of each block, plus 64 for thirds."""
    first = ticks[0] if first is None else first
    gaps = [(t - before) % M64 for t, before in zip(ticks, [first] + list(ticks[:-1]))]
    out, size = b"\x02" + bytes([shift]) + uvarint(first), 1 << shift
    assert len(blocks) == (len(gaps) + size - 1) // size
    for i, k in enumerate(blocks):
        out += block(gaps[i * size:(i + 1) * size], k & 63, k >= 64)
    return out


def pulses(first, period, fraction, coded_pulses, coded_places):
    return b"\x03" + uvarint(first) + uvarint(period) + struct.pack("<I", fraction) + coded_pulses + coded_places


# Section 13.2: channels.


def c_raw(c):
    return b"\x00" + bytes(c)


def c_constant(c):
    return b"\x01" + bytes([c])


def c_digits(c, base, each, palette, unused=0, lacking=0):
    bits = []
    for i in range(0, len(c), each):
        digits = [palette.index(v) for v in c[i:i + each]]
        digits += [lacking] * (each - len(digits))
        bits += field(sum(d * base ** j for j, d in enumerate(digits)), (base ** each - 1).bit_length())
    return bytes([2, base, each]) + bytes(palette) + to_bytes(bits, unused)


def c_split(c, k, chosen, few, others):
    """few and others turn what stands on either side into its column."""
    places = [i for i, v in enumerate(c) if v in chosen]
    gaps = [p - before - 1 for p, before in zip(places, [-1] + places[:-1])]
    return b"\x03" + uvarint(len(places)) + bytes([k]) + rice_words(gaps, k) + few([c[p] for p in places]) + others([v for v in c if v not in chosen])


def c_runs(c, k, inner):
    lengths, heads = [], []
    for v in c:
        if heads and heads[-1] == v:
            lengths[-1] += 1
        else:
            heads.append(v)
            lengths.append(1)
    return b"\x04" + uvarint(len(heads)) + bytes([k]) + rice_words([n - 1 for n in lengths], k) + inner(heads)


# The vectors.


def meaning_of(ticks, channels, number, until, losses):
    out = {"ticks": strings(ticks), "channels": list(channels), "until": str(until), "last": str(ticks[-1] if ticks else until),
           "totals": strings([list(channels).count(c) for c in range(number)])}
    if losses:
        out["losses"] = [{"from": str(begin), "to": str(end), "channel": channel, **({} if missing is None else {"missing": str(missing)})}
                         for begin, end, channel, missing in losses]
    return out


def tags(name, about, ticks, channels, coded_ticks, coded_channels, number=4, until=None, losses=(), **more):
    payload = tags_payload(ticks, channels, coded_ticks, coded_channels, number, until, loss_list(losses) if losses else b"", **more)
    until = (ticks[-1] if until is None else until)
    good(name, about, [(stored("tags", payload, count=len(ticks)), {"tags": meaning_of(ticks, channels, number, until, losses)})])


def summed(first, gaps):
    out = []
    for gap in gaps:
        first = (first + gap) % M64
        out.append(first)
    return out


def tag_vectors():
    tick_vectors()
    pulse_vectors()
    channel_vectors()
    loss_vectors()
    big_vectors()
    bad_tag_vectors()
    bad_tick_vectors()
    bad_channel_vectors()


def tick_vectors():
    one = c_constant(2)
    first = 123456789012345
    gaps = [0, 5, 0, 17, 1000, 3, 12, 40, 7, 64, 90, 2, 33]
    ticks = summed(first, gaps)
    n = len(ticks)
    tags("tags-one", "a single tag", [7], [0], rising([7], 16, [0]), c_constant(0), number=1)
    tags("tags-ticks-raw", "", ticks, [2] * n, raw(ticks), one)
    tags("tags-ticks-constant", "coincidences", [first] * 4, [0, 1, 2, 3], constant(first), c_digits([0, 1, 2, 3], 4, 4, [0, 1, 2, 3]))
    tags("tags-ticks-fixed", "", ticks, [2] * n, fixed(ticks, 11, first), one)
    tags("tags-ticks-rice", "", ticks, [2] * n, rice(ticks, 9, first + 200), one)
    tags("tags-ticks-bell", "", ticks, [2] * n, bell(ticks, 7, 3, first + 200), one)
    some = [first + zigzagged for zigzagged in range(-60, 60)]
    tags("tags-ticks-bell-many", "all quotients up to escapes", some, [2] * 120, bell(some, 1, 2, first), one)
    tags("tags-ticks-differences", "signed differences around a step", ticks, [2] * n, differences(ticks, 5, first - 20, 20), one)
    tags("tags-rising", "the begin of the differences is the first tick; a gap of 1000 in quotients", ticks, [2] * n, rising(ticks, 16, [5]), one)
    tags("tags-rising-escape", "k = 2: gaps of 128 and more escape; their low bits are ignored", ticks, [2] * n, rising(ticks, 6, [2]), one)
    tags("tags-rising-first", "the differences begin before the first tick", ticks, [2] * n, rising(ticks, 16, [5], first=first - 50), one)
    for k in (0, 1, 7, 14, 15, 28, 29, 57, 58, 63):
        r = random.Random(k)
        some = summed(1, [min(r.getrandbits(k + 1), 1 << 58) for _ in range(150 if k < 57 else 4)])
        tags("tags-rising-k%d" % k, "k = %d" % k, some, [2] * len(some), rising(some, 16, [k]), one)
    for count in (1, 4, 5, 6, 61):
        r = random.Random(count)
        some = summed(10**12, [int(r.expovariate(1 / 500)) for _ in range(count)])
        tags("tags-thirds-%d" % count, "%d gaps and their thirds" % count, some, [2] * count, rising(some, 16, [64 + 7]), one)
    tags("tags-thirds-escape", "with thirds what escapes is the third part", ticks, [2] * n, rising(ticks, 16, [64 + 1]), one)
    r = random.Random(11)
    far = summed(first, [(r.choice((30, 31, 32, 33, 40)) << 3) + 5 if i % 5 == 4 else r.randrange(16) for i in range(150)])
    tags("tags-rising-far", "quotients of 30, 31 and 32 at all places", far, [2] * 150, rising(far, 16, [3]), one)
    near = summed(first, [(31 << 3) + 7 if i % 5 == 4 else r.randrange(16) for i in range(150)])
    tags("tags-rising-near", "the longest quotients that are no escapes", near, [2] * 150, rising(near, 16, [3]), one)
    lacking = rising(ticks[:6], 16, [64 + 7])
    at = 2 + len(uvarint(ticks[0])) + 1 + 1
    lacking = lacking[:at] + bytes([lacking[at] + 3 + 54 + 162]) + lacking[at + 1:]
    tags("tags-thirds-lacking", "thirds of gaps that there are not are not looked at", ticks[:6], [2] * 6, lacking, one)
    r = random.Random(5)
    bursts = summed(5, [r.randrange(1 << (3 if i // 64 % 2 else 12)) for i in range(200)])
    tags("tags-rising-blocks", "blocks of 64 with a parameter of their own, the last one short", bursts, [2] * 200, rising(bursts, 6, [11, 2, 64 + 9, 1]), one)
    top = [M64 - 3, M64 - 3, M64 - 1]
    tags("tags-extremes", "ticks up to 2^64 - 1", top, [2] * 3, rising(top, 16, [1]), one, until=M64 - 1)
    mixed = [1000, 990, 1010, 1005, 1005, 2000, 0]
    tags("tags-unsorted", "in the order in which they were recorded", mixed, [2] * 7, differences(mixed, 3, 1000, 0), one, until=2010)
    around = [M64 - 5, 3, 20]
    tags("tags-unsorted-rising", "rising is modulo 2^64: not sorted, but small", around, [2] * 3, rising(around, 16, [3]), one, until=30)
    tags("tags-sorted-unsaid", "sorted ticks may do without the flag", ticks, [2] * n, raw(ticks), one, bits=0)


def pulse_vectors():
    period, fraction = 12500, 0x40000000
    numbers, places = [0, 3, 3, 100, 4000000, 4000001], [12, 0, 44, 60, 31, 25]
    ticks = [5000 + p * period + (p * fraction >> 32) + f for p, f in zip(numbers, places)]
    c = [0, 0, 3, 0, 0, 1]
    column = c_raw(c)
    tags("tags-pulses", "a period of 12500.25 ticks", ticks, c, pulses(5000, period, fraction, rising(numbers, 16, [20]), fixed(places, 6, 0)), column)
    tags("tags-pulses-plain", "the numbers of the pulses in a column of section 5, places around their mean, also negative ones", ticks, c,
         pulses(5030, period, fraction, differences(numbers, 20, 0, 0), rice([f - 30 for f in places], 4, 1)), column)
    around = [3, -1, 0, 5, -2, 1]
    ticks_around = [5000 + p * period + (p * fraction >> 32) + f for p, f in zip(numbers, around)]
    tags("tags-pulses-bell", "places as bell", ticks_around, c, pulses(5000, period, fraction, rising(numbers, 16, [20]), bell(around, 1, 2, 0)), column)
    tags("tags-pulses-blocks", "", ticks, c, pulses(5000, period, fraction, rising(numbers, 6, [64 + 19]), raw(places)), column)
    most = [0, 2**32 - 1]
    ticks = [1 + p * (2**31 + 7) + (p * (2**32 - 1) >> 32) for p in most]
    assert ticks[1] < M64
    tags("tags-pulses-most", "the largest number of a pulse and fraction", ticks, [1, 1], pulses(1, 2**31 + 7, 2**32 - 1, fixed(most, 32, 0), constant(0)), c_constant(1))
    unsorted = [5000 + p * period + f for p, f in zip([5, 4, 9], [0, 0, 7])]
    tags("tags-pulses-unsorted", "", unsorted, [1] * 3, pulses(5000, period, 0, raw([5, 4, 9]), raw([0, 0, 7])), c_constant(1))


def channel_vectors():
    def put(name, about, c, column, number=4):
        ticks = list(range(100, 100 + len(c)))
        tags(name, about, ticks, c, differences(ticks, 0, 99, 1), column, number=number)

    r = random.Random(3)
    c = [r.randrange(4) for _ in range(37)]
    put("tags-channels-raw", "", c, c_raw(c))
    put("tags-channels-256", "as many channels as a stream may have", list(range(0, 256, 5)), c_raw(range(0, 256, 5)), number=256)
    put("tags-channels-constant", "", [255] * 9, c_constant(255), number=256)
    for base, each in ((2, 1), (2, 8), (2, 16), (3, 5), (3, 10), (4, 1), (4, 4), (4, 8), (5, 3), (6, 4), (7, 5), (8, 1), (8, 4), (9, 5), (16, 2), (16, 4), (40, 3), (255, 1), (255, 2)):
        some = [r.randrange(base) for _ in range(3 * each + max(each - 1, 1))]
        put("tags-digits-%d-%d" % (base, each), "base %d, %d in a group" % (base, each), some, c_digits(some, base, each, list(range(base))), number=256)
    some = [r.choice((1, 6, 7)) for _ in range(23)]
    put("tags-digits-palette", "three of eight channels occur", some, c_digits(some, 3, 5, [6, 1, 7]), number=8)
    twice = c_digits(some, 4, 4, [1, 6, 7, 1])
    put("tags-digits-palette-twice", "an entry may stand twice, and what no digit names may be any", some, twice[:6] + b"\xFF" + twice[7:], number=8)
    put("tags-digits-unused", "unused bits are not looked at, nor are digits of tags that there are not", [2, 0, 1, 2], c_digits([2, 0, 1, 2], 3, 3, [0, 1, 2], unused=1, lacking=2))
    rare = [0] * 60
    for place, channel in ((0, 1), (17, 2), (18, 3), (59, 1)):
        rare[place] = channel
    three = lambda x: c_digits(x, 3, 5, [1, 2, 3])
    put("tags-split", "the rare ones out of the most frequent one", rare, c_split(rare, 3, (1, 2, 3), three, lambda x: c_constant(0)))
    put("tags-split-escape", "k = 0: a gap of 40 escapes", rare, c_split(rare, 0, (1, 2, 3), three, lambda x: c_constant(0)))
    mixed = [r.choice((0, 0, 0, 0, 1, 1, 2, 3)) for _ in range(64)]
    two = lambda x: c_digits(x, 2, 8, [2, 3])
    put("tags-split-both", "digits on either side", mixed, c_split(mixed, 1, (2, 3), two, lambda x: c_digits(x, 2, 8, [0, 1])))
    inner = lambda x: c_split(x, 1, (2, 3), two, lambda y: c_constant(1))
    put("tags-split-split", "a split within what was taken out", mixed, c_split(mixed, 0, (1, 2, 3), inner, lambda x: c_constant(0)))
    inner = lambda x: c_split(x, 1, (1,), lambda y: c_constant(1), lambda y: c_constant(0))
    put("tags-split-others", "a split within the others", mixed, c_split(mixed, 2, (2, 3), c_raw, inner))
    most = [1] * 9 + [0]
    put("tags-split-most", "all tags but one are taken out", most, c_split(most, 0, (1,), lambda x: c_constant(1), lambda x: c_constant(0)))
    runs = [1] * 20 + [3] + [0] * 9 + [1] * 2 + [2] * 40
    put("tags-runs", "", runs, c_runs(runs, 3, lambda x: c_digits(x, 4, 4, [0, 1, 2, 3])))
    put("tags-runs-one", "one run", [3] * 5, c_runs([3] * 5, 1, lambda x: c_constant(3)))
    put("tags-runs-all", "as many runs as tags, of one channel", [3] * 5, b"\x04\x05\x00" + rice_words([0] * 5, 0) + c_constant(3))
    put("tags-runs-split", "", runs, c_runs(runs, 3, lambda x: c_split(x, 0, (1,), lambda y: c_constant(1), c_raw)))
    put("tags-split-runs", "", runs, c_split(runs, 0, (0, 2), lambda x: c_runs(x, 2, c_raw), lambda x: c_runs(x, 2, c_raw)))
    put("tags-nested-8", "runs eight deep, the most that is allowed", [3] * 5, nested([3] * 5, 8))


def nested(c, depth):
    return c_runs(c, 1, lambda x: nested(x, depth - 1)) if depth else c_constant(3)


def loss_vectors():
    ticks, c = [1000, 1010, 1500], [0, 1, 1]
    coded = (raw(ticks), c_raw(c))
    tags("tags-until", "the clock has come further than the last tag", ticks, c, *coded, until=10**15)
    tags("tags-until-before", "or not as far, where there is disorder", ticks, c, *coded, until=1499)
    losses = [(0, 0, -1, None), (10, 1000, -1, 7), (10, 20, 3, None), (1020, 1400, 0, 0), (M64 - 2, M64 - 1, 1, M64 - 1)]
    tags("tags-losses", "of all channels and of some, of known number and not, empty ones and far ones", ticks, c, *coded, until=2000, losses=losses)
    tags("tags-none", "no tags: how far the clock came", [], [], b"", b"", until=4711)
    tags("tags-none-losses", "no tags, and a loss", [], [], b"", b"", until=4711, losses=[(5, 4711, -1, None)])
    payload = tags_payload(ticks, c, *coded, 4, until=2000, losses=uvarint(0), bits=3)
    good("tags-losses-none", "losses announced, and there are none", [(stored("tags", payload, count=3), {"tags": meaning_of(ticks, c, 4, 2000, ())})])


def big_vectors():
    """As many tags as a frame may have, in few bytes."""
    n = 65536
    ticks = list(range(10**9, 10**9 + 100 * n, 100))
    payload = tags_payload(ticks, [5] * n, differences(ticks, 0, ticks[0] - 100, 100), c_constant(5), 6)
    meaning = {"ticks": {"from": str(10**9), "step": "100"}, "channels": {"cycle": [5]}, "until": str(ticks[-1]), "last": str(ticks[-1]), "totals": ["0"] * 5 + [str(n)]}
    good("tags-65536", "as many tags as a frame may have", [(stored("tags", payload, count=n), {"tags": meaning})])
    c = [0, 1, 2, 3] * (n // 4)
    payload = tags_payload(ticks, c, rising(ticks, 10, [5] * 64), c_digits(c, 4, 4, [0, 1, 2, 3]), 4)
    meaning = {"ticks": {"from": str(10**9), "step": "100"}, "channels": {"cycle": [0, 1, 2, 3]}, "until": str(ticks[-1]), "last": str(ticks[-1]), "totals": [str(n // 4)] * 4}
    good("tags-65536-blocks", "in blocks of 1024", [(stored("tags", payload, count=n), {"tags": meaning})])
    r = random.Random(8)
    words = [r.getrandbits(64) for _ in range(500)]
    c = [r.randrange(256) for _ in words]
    tags("tags-worst", "nothing to save: nine bytes each", words, c, raw(words), c_raw(c), number=256)


def bad_tags(name, about, error, payload, count):
    bad(name, about, error, stored("tags", payload, count=count))


def bad_tag_vectors():
    ticks, c = [1000, 1010, 1500], [0, 1, 1]
    coded = (raw(ticks), c_raw(c))
    whole = tags_payload(ticks, c, *coded, 4)
    bad_tags("tags-schema-2", "", "unknown", tags_payload(ticks, c, *coded, 4, schema=2), 3)
    for bit in (2, 3, 4, 5, 6, 7):
        bad_tags("tags-bit-%d" % bit, "", "unknown", tags_payload(ticks, c, *coded, 4, bits=1 | 1 << bit), 3)
    bad_tags("tags-no-channels", "", "format", tags_payload([], [], b"", b"", 0, until=1), 0)
    bad_tags("tags-257-channels", "", "limit", tags_payload(ticks, c, *coded, 257), 3)
    bad_tags("tags-65537", "one more than allowed; the header tells", "limit", whole, 65537)
    bad_tags("tags-no-payload", "", "format", b"", 0)
    bad_tags("tags-trailing", "a byte behind the channels", "format", whole + b"\x00", 3)
    bad_tags("tags-none-trailing", "columns where there are no tags", "format", tags_payload([], [], b"", b"", 4, until=1) + constant(1), 0)
    same = tags_payload([7] * 3, [1] * 3, constant(7), c_constant(1), 4)
    bad_tags("tags-count-less", "three tags, the header says two", "format", same, 2)
    bad_tags("tags-count-more", "three tags, the header says four", "format", same, 4)
    bad_tags("tags-count-none", "three tags, the header says none", "format", same, 0)
    bad_tags("tags-last", "another last tick than the self-check says", "format", tags_payload(ticks, c, *coded, 4, last=1501), 3)
    bad_tags("tags-none-last", "no tags, and the last tick is not until", "format", tags_payload([], [], b"", b"", 4, until=1, last=2)[:-1] + uvarint(zigzag(1)), 0)
    bad_tags("tags-totals", "a tag is of another channel than the self-check says", "format", tags_payload(ticks, c, *coded, 4, totals=[2, 1, 0, 0]), 3)
    bad_tags("tags-totals-sum", "the self-check is of four tags", "format", tags_payload(ticks, c, *coded, 4, totals=[1, 2, 1, 0]), 3)
    bad_tags("tags-totals-huge", "", "format", tags_payload(ticks, c, *coded, 4, totals=[1, 2, M64 - 1, 1]), 3)
    bad_tags("tags-channel-4", "a tag of a channel that there is not", "format", tags_payload(ticks, [0, 1, 4], raw(ticks), c_raw([0, 1, 4]), 4), 3)
    for name, mixed, column in (("raw", [5, 7, 6, 8], raw([5, 7, 6, 8])), ("rising", [M64 - 5, 3, 20, 21], rising([M64 - 5, 3, 20, 21], 16, [3])),
                                ("differences", [5, 7, 6, 8], differences([5, 7, 6, 8], 2, 5, 0))):
        bad_tags("tags-not-sorted-" + name, "said to be sorted", "format", tags_payload(mixed, [2] * 4, column, c_constant(2), 4, bits=1), 4)
    for at in (2, 3, 5, 9, len(whole) - 1):
        bad_tags("tags-cut-%d" % at, "the first %d bytes of the payload" % at, "format", whole[:at], 3)
    cases = {"cut": b"\x02" + loss_list([(5, 6, -1, None)])[1:], "many": uvarint(M64 - 1) + b"\x00" * 8, "known-2": b"\x01\x05\x01\x00\x02",
             "channel": loss_list([(5, 6, 4, None)]), "channel-huge": b"\x01\x05\x01" + uvarint(M64 - 1) + b"\x00",
             "begin-over": uvarint(2) + uvarint(M64 - 1) + b"\x00\x00\x00" + b"\x01\x00\x00\x00",
             "end-over": uvarint(1) + uvarint(M64 - 1) + b"\x01\x00\x00", "no-number": b"\x01\x05\x01\x00\x01"}
    for name, losses in cases.items():
        payload = tags_payload([], [], b"", b"", 4, until=1, losses=losses, bits=3)
        bad_tags("tags-loss-" + name, losses.hex(), "format", payload, 0)
    bad("tags-other-channels", "a descriptor with two channels, then tags of four", "format",
        stored("descriptor", text(DESCRIPTOR), seq=1, index=0) + stored("tags", whole, count=3, seq=2))


def bad_tick_vectors():
    ticks, one = [1000, 1010, 1500], c_constant(2)
    numbers = rising([0, 1, 2], 16, [0])
    places = constant(3)
    good_thirds = rising(ticks, 16, [64 + 5])
    cases = {
        "codec-04": ("unknown", b"\x04"), "codec-0f": ("unknown", b"\x0F"), "codec-3c": ("unknown", b"\x3C\x00"), "codec-40": ("unknown", b"\x40\x00"), "empty": ("format", b""),
        "shift-5": ("format", rising(ticks, 5, [5])), "shift-17": ("format", rising(ticks, 17, [5])), "shift-255": ("format", b"\x02\xFF\x00"),
        "no-first": ("format", b"\x02\x10"), "no-block": ("format", b"\x02\x10\x00"), "bit-7": ("format", b"\x02\x10\x00\x85" + rice_words([1000, 10, 490], 5)),
        "rice-short": ("format", rising(ticks, 16, [5])[:-1]), "rice-two": ("format", b"\x02\x10\x00\x00\x01\x03"), "rice-four": ("format", b"\x02\x10\x00\x00\x01\x0F"),
        "rice-eight-zeros": ("format", b"\x02\x10\x00\x00\x02\x07\x00"), "rice-33": ("format", b"\x02\x10\x00\x00\x05" + to_bytes([0] * 33 + [1, 1, 1])),
        "rice-escape-short": ("format", b"\x02\x10\x00\x00\x05" + to_bytes([0] * 32 + [1, 1, 1]) + b"\x01" * 7), "rice-huge": ("format", b"\x02\x10\x00\x00" + uvarint(M64 - 1) + b"\x07"),
        "thirds-none": ("format", b"\x02\x10\x00\x40"), "thirds-short": ("format", good_thirds[:-1]),
        "pulses-none": ("format", b"\x03"), "pulses-no-period": ("format", b"\x03\x00"), "pulses-no-fraction": ("format", b"\x03\x00\x05\x00\x00\x00"),
        "pulses-pulses": ("unknown", pulses(0, 5, 0, pulses(0, 5, 0, numbers, places), places)), "pulses-no-places": ("format", pulses(0, 5, 0, numbers, b"")),
        "pulses-2-32": ("format", pulses(1000, 10, 0, raw([0, 1, 1 << 32]), raw([0, 0, (1500 - 1000 - 10 * (1 << 32)) % M64]))),
        "pulses-rising-places": ("unknown", pulses(0, 5, 0, numbers, rising(ticks, 16, [5]))),
    }
    for name, (error, column) in cases.items():
        # Nothing follows: where the ticks are whole, the channels are lacking as well.
        whole = tags_payload(ticks, [2] * 3, column, one if name in ("pulses-2-32", "shift-5", "shift-17", "bit-7") else b"", 4)
        bad_tags("tags-ticks-" + name, "three tags: " + column.hex(), error, whole, 3)
    bad_tags("tags-ticks-thirds-243", "three tags at 0", "format", tags_payload([0] * 3, [2] * 3, b"\x02\x10\x00\x40\xF3" + rice_words([0, 0, 0], 0), one, 4), 3)
    # What a reader may do in another way where there are many.
    many = [M64 - 100 + 3 * i for i in range(90)]
    wrapped = [t % M64 for t in many]
    bad_tags("tags-not-sorted-rising-long", "said to be sorted, goes beyond 2^64", "format", tags_payload(wrapped, [2] * 90, rising(wrapped, 16, [1]), one, 4, bits=1), 90)
    for name, quotients in (("eight-zeros", [1] * 90 + [0] * 14), ("one-less", [1] * 89), ("one-more", [1] * 91), ("none", []), ("33", [0] * 33 + [1] * 90)):
        b = to_bytes(quotients)
        last = 33 if name == "33" else 0
        bad_tags("tags-ticks-long-" + name, "90 tags, quotients that are not theirs", "format",
                 tags_payload([5] * 89 + [5 + last], [2] * 90, b"\x02\x10\x05\x00" + uvarint(len(b)) + b, one, 4), 90)


def bad_channel_vectors():
    ticks = [1000, 1010, 1500]

    def put(name, column, error="format", c=(1, 1, 1)):
        bad_tags("tags-channels-" + name, "three tags: " + column.hex(), error, tags_payload(ticks, c, raw(ticks), column, 4), 3)

    for codec in (5, 0x40, 0xFF):
        put("codec-%02x" % codec, bytes([codec, 1, 1, 1]), "unknown")
    put("none", b"")
    put("raw-short", b"\x00\x01\x01")
    put("constant-none", b"\x01")
    for base, each in ((0, 1), (1, 1), (2, 0), (2, 17), (255, 3), (4, 9), (3, 11)):
        put("digits-%d-%d" % (base, each), bytes([2, base, each]) + bytes([1] * 300))
    put("digits-none", b"\x02\x03")
    put("digits-palette-short", b"\x02\x03\x05\x00\x01")
    put("digits-short", b"\x02\x03\x05\x00\x01\x02")
    put("digits-243", b"\x02\x03\x05\x01\x01\x01\xF3")
    put("digits-256", b"\x02\x03\x01\x01\x01\x01\x30")
    places = lambda codec, number, gaps, k=0: bytes([codec]) + uvarint(number) + bytes([k]) + rice_words(gaps, k)
    put("split-0", places(3, 0, []) + c_constant(1) + c_constant(1))
    put("split-all", places(3, 3, [0, 0, 0]) + c_constant(1) + c_constant(1))
    put("split-huge", places(3, M64 - 1, [0]) + c_constant(1) + c_constant(1))
    put("split-k-64", b"\x03\x01\x40\x01\x01" + c_constant(1) + c_constant(1))
    put("split-no-k", b"\x03\x01")
    put("split-place-3", places(3, 1, [3]) + c_constant(1) + c_constant(1))
    put("split-second-place-3", places(3, 2, [1, 1]) + c_constant(1) + c_constant(1))
    put("split-place-over", places(3, 2, [1, M64 - 2], 63) + c_constant(1) + c_constant(1))
    put("split-place-back", places(3, 2, [1, M64 - 1], 63) + c_constant(1) + c_constant(1))
    put("split-no-few", places(3, 1, [1]))
    put("split-no-others", places(3, 1, [1]) + c_constant(1))
    put("split-constant-cut", places(3, 1, [1]) + c_constant(1) + b"\x01")
    put("runs-0", places(4, 0, []) + c_constant(1))
    put("runs-4", places(4, 4, [0, 0, 0, 0]) + c_constant(1))
    put("runs-less", places(4, 2, [0, 0]) + c_constant(1))
    put("runs-more", places(4, 2, [1, 1]) + c_constant(1))
    put("runs-over", places(4, 2, [M64 - 1, 3], 63) + c_constant(1))
    put("runs-back", places(4, 2, [2, M64 - 1], 63) + c_constant(1))
    put("runs-cut", places(4, 1, [2]))
    put("nested-9", nested([3] * 3, 9), c=(3, 3, 3))
