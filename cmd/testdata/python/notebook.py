"""Runs the cells of a notebook as they stand, up to the one that wants a recording. Usage: notebook.py NOTEBOOK CONTROL CELLS.

Who is asked to turn the waveplate changes the simulated light instead, as a plate would that shows fringes of visibility 0.9. Takes are made
shorter, or the test would last three minutes.
"""

import builtins
import json
import math
import re
import socket
import sys

notebook, control, cells = sys.argv[1], sys.argv[2], int(sys.argv[3])
host, port = control.rsplit(":", 1)


def turn(prompt):
    theta = math.radians(float(re.search(r"to ([0-9.]+) degrees", prompt).group(1)))
    light.sendall(b"pairs AB=%d\n" % (2500 * (1 + 0.9 * math.cos(4 * theta))))
    answer = answers.readline()
    assert answer.startswith("ok "), answer
    return ""


with socket.create_connection((host, int(port))) as light, open(notebook, encoding="utf-8") as f:
    answers = light.makefile()
    builtins.input = turn
    code = ["".join(c["source"]) for c in json.load(f)["cells"] if c["cell_type"] == "code"]
    assert "waveplate scan" in code[0] and "take(seconds=5)" in code[0], code[0]
    names = {"__name__": "__main__"}
    for cell in code[:cells]:
        exec(compile(cell.replace("take(seconds=5)", "take(seconds=0.2)"), "cell", "exec"), names)
