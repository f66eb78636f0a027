"""A waveplate scan on simulated light: N times the light steps at a random moment, and then a count is taken.

Usage: scan.py GATEWAY CONTROL N. Prints a JSON object for each step: from when on the new light holds, and the counts.
"""

import json
import random
import socket
import sys
import time

import photongate

address, control, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
host, port = control.rsplit(":", 1)

with photongate.connect(address) as gw, socket.create_connection((host, int(port))) as light:
    answers = light.makefile()
    live = gw.stream()
    next(live)  # somebody iterates beside the scan, and falls behind: what waits there must never be taken
    for i in range(n):
        time.sleep(random.uniform(0, 0.25))  # somebody turns a waveplate; the next line is at no particular moment of a gate
        light.sendall(b"rates %d\n" % random.choice([20000, 50000, 90000]))
        step_ns = int(answers.readline().split()[1])
        shot = gw.take(readings=1) if i % 2 else gw.take(seconds=0.2)
        b = shot.batch
        rows = [[int(b[channel][r]) for channel in b.channels] for r in range(len(b))]
        print(json.dumps({"step_ns": step_ns, "rows": rows, "sum": [int(shot.sum[c]) for c in b.channels], "live_s": shot.live_s, "flags": shot.flags}))
        if i % 5 == 0:
            next(live)
    live.close()
