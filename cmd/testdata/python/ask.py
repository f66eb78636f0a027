"""Does something with a gateway and prints what came of it. Usage: ask.py GATEWAY WHAT..."""

import sys

import photongate

address, what = sys.argv[1], sys.argv[2:]
try:
    if what[0] == "pair":
        print("paired with", photongate.pair(address, name=what[1] if len(what) > 1 else None))
        sys.exit()
    with photongate.connect(address) as gw:
        if what[0] == "take":
            shot = gw.take(readings=int(what[1]))
            print("rights", " ".join(gw.rights))
            for i in range(len(shot.batch)):
                print("row", ",".join(str(int(shot.batch[c][i])) for c in shot.batch.channels))
        elif what[0] == "set":
            for change in gw.set(what[1], **dict(pair.split("=") for pair in what[2:])).values():
                print("changed", change["key"], "from", change["old"], "to", change["new"])
            setting = gw.get(what[1], what[2].split("=")[0])
            print("now", setting, "=", float(setting))
            shot = gw.take(readings=2)
            print("gates", [round(float(g), 3) for g in shot.batch.gate_s], "flags", shot.flags)
        elif what[0] == "measure":
            with gw.measure(title=what[1], sample="ppKTP-3", operator="ana", hwp_deg=22.5) as m:
                shot = m.take(readings=5)
                m.note("turned by hand")
            print("id", m.id)
            for i in range(len(shot.batch)):
                print("row", ",".join(str(int(shot.batch[c][i])) for c in shot.batch.channels))
except photongate.PhotongateError as e:
    print("%s: %s" % (type(e).__name__, e))
    sys.exit(1)
