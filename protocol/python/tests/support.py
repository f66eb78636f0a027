"""What the tests share: the folder, and running a test with NumPy and without."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import photongate  # noqa: E402

NUMPY = photongate._np


class BothWays(unittest.TestCase):
    """Runs every test once with NumPy, where it is installed, and once without.

    With NumPy even the shortest columns take the way through it, which users only
    meet on longer ones; the plain way sees all of them without it.
    """

    def run(self, result=None):
        few = photongate._FEW
        try:
            photongate._np = None
            super().run(result)
            if NUMPY is not None:
                photongate._np = NUMPY
                super().run(result)
                photongate._FEW = 0
                super().run(result)
        finally:
            photongate._np, photongate._FEW = NUMPY, few


try:
    import pandas as PANDAS
except ImportError:
    PANDAS = None
