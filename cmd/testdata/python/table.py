"""Prints a recording as CSV, as photonrecv cat does. Usage: table.py PATH STREAM. With "pandas" behind it, pandas writes the CSV.

The gaps go to standard error: part, index, cause, readings missing.
"""

import sys

import photongate

run = photongate.open(sys.argv[1])
counts = run.counts(sys.argv[2])
if "pandas" in sys.argv:
    counts.to_pandas().to_csv(sys.stdout, index=False)
else:
    print("time_utc,t_s,gate_s,live_s,stream,part,index,flags," + ",".join(counts.channels))
    for i in range(len(counts)):
        moment = counts.time[i]
        moment = str(moment)[:26] if hasattr(moment, "dtype") else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
        cells = [moment + "Z", "%.9f" % counts.t_s[i], "%.9f" % counts.gate_s[i], "%.9f" % counts.live_s[i], counts.stream, counts.part[i], counts.index[i], counts.flags[i]]
        print(",".join(str(c) for c in cells + [counts[name][i] for name in counts.channels]))
for gap in counts.gaps:
    print("gap: %d,%d,%s,%s" % (gap.part, gap.index, gap.cause, "" if gap.missing is None else gap.missing), file=sys.stderr)
for trouble in run.damage:
    print("damage:", trouble, file=sys.stderr)
