"""Prints part, UTC, t_s, counts and flags of a recording as CSV gives them. Usage: times.py FOLDER STREAM"""

import sys

import photongate

b = photongate.open(sys.argv[1]).counts(sys.argv[2])
times = [None if str(t) == "NaT" else t for t in (b.time.astype("datetime64[us]") if hasattr(b.time, "astype") else b.time)]
for i in range(len(b)):
    utc = "" if times[i] is None else str(times[i])[:19].replace(" ", "T") + ".000000Z"
    print(("%d %s %.6f %d %s" % (b.part[i], utc, b.t_s[i], b["A"][i], b.flags[i])).rstrip())
