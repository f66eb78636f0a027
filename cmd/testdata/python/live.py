"""Prints every reading as it comes, until interrupted. Usage: live.py GATEWAY [async].

One JSON object for each batch: rows are part, index, flags, then the counts; gaps are position, kind, cause, missing.
"""

import asyncio
import json
import sys
import threading

import photongate


def show(b):
    rows = [[int(b.part[i]), int(b.index[i]), b.flags[i]] + [int(b[c][i]) for c in b.channels] for i in range(len(b))]
    print(json.dumps({"rows": rows, "gaps": [[g.position, g.kind, g.cause, g.missing] for g in b.gaps]}))
    print("rows", flush=True, file=sys.stderr)


async def follow(gw):
    async for batch in gw.aiter():
        show(batch)


try:
    with photongate.connect(sys.argv[1]) as gateway:
        if "async" in sys.argv:
            asyncio.run(follow(gateway))
        else:
            for each in gateway:
                show(each)
except KeyboardInterrupt:
    print("interrupted, %d threads" % threading.active_count(), file=sys.stderr)
