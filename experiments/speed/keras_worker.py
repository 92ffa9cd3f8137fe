"""Trains a model with Keras on the backend of `KERAS_BACKEND`, once for each line that it reads; answers with seconds.

A process of its own, because a process has one backend.
"""

import sys
import time

import keras
from cases import CASES
from training import compiled_model, fitting


def main() -> None:
    """Warms up, says so, and serves."""
    case = CASES[sys.argv[1]]
    run = fitting(compiled_model(keras, case), case)
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
