"""The speed figures of labkeras: as ratios to the same work done by hand in torch, and by Keras, the two sides in turn.

    python experiments/speed/figures.py                          all figures, as a table
    python experiments/speed/figures.py forward fit --cases tiny
    python experiments/speed/figures.py --write                  also into figures.csv and the README
    KERAS_PYTHON=…/bin/python python experiments/speed/figures.py compiled     with a Keras on JAX or TensorFlow there

Each figure is the median of interleaved rounds. Sides within one process are measured in processor time, several
processes by the clock; all of it on one thread of one core, so that nobody is faster by having more of them.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Oversubscribed OpenMP makes tiny models several times slower. Before torch is imported, as is Keras's backend.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("KERAS_BACKEND", "torch")

from cases import CASES, Case
from measuring import HERE, Row, child_seconds, interleaved, ratio_row, table, value_row, write
from training import compiled_model, fitting, hand_loop

# Keras on JAX and TensorFlow may live in an environment of its own: they want other versions of what all share.
KERAS_PYTHON = os.environ.get("KERAS_PYTHON", sys.executable)

Figure = Callable[[int, list[str]], list[Row]]


def imports(rounds: int, cases: list[str]) -> list[Row]:
    """`import labkeras`, and `labkeras.layers` against torch alone, each in a fresh process."""
    bare = [_import_seconds("import labkeras") for _ in range(rounds)]
    pairs = [
        (_import_seconds("import labkeras.layers; labkeras.layers.Dense"), _import_seconds("import torch"))
        for _ in range(rounds)
    ]
    return [
        value_row("import labkeras, seconds", "< 0.1", bare),
        ratio_row("import labkeras.layers : import torch", "≤ 1.15", pairs),
    ]


def start(rounds: int, cases: list[str]) -> list[Row]:
    """From the start of a process to the end of its first training step, against Keras on torch."""
    script = str(HERE / "first_step.py")

    def seconds(package: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, script, package], check=True)
        return time.perf_counter() - begin

    seconds("labkeras"), seconds("keras")
    pairs = [(seconds("labkeras"), seconds("keras")) for _ in range(rounds)]
    ours = value_row("process start to first step of a tiny model, seconds", "", [first for first, _ in pairs], 2)
    return [ours, ratio_row("the same : Keras on torch", "< 1", pairs)]


def forward(rounds: int, cases: list[str]) -> list[Row]:
    """A functional model of 20 layers on tiny tensors, batch 4, against the same model written by hand."""
    import torch

    from labkeras.layers import Dense, Input
    from labkeras.models import Model

    ours_input = x = Input((16,))
    for _ in range(20):
        x = Dense(16, activation="relu")(x)
    ours, hand = Model(ours_input, x), _hand_written_20(torch)
    batch = torch.randn(4, 16)
    pairs = interleaved(lambda: _repeat(ours, batch, 500), lambda: _repeat(hand, batch, 500), rounds)
    with torch.no_grad():
        without = interleaved(lambda: _repeat(ours, batch, 500), lambda: _repeat(hand, batch, 500), rounds)
    return [
        ratio_row("forward of 20 layers, batch 4 : hand-written module", "≤ 1.1", pairs),
        ratio_row("the same without gradients", "≤ 1.1", without),
    ]


def fit(rounds: int, cases: list[str]) -> list[Row]:
    """`fit` with accuracy against the hand-written loop."""
    import labkeras

    rows = []
    for name in cases:
        case = CASES[name]
        pairs = interleaved(fitting(compiled_model(labkeras, case), case), hand_loop(case), rounds)
        rows.append(ratio_row(f"fit, {case.title} : hand-written loop", "≤ 1.05", pairs))
        if name == "tiny":
            rows.append(value_row("the same, microseconds a step more", "≤ 50", _more(pairs, case), 0))
    return rows


def callback(rounds: int, cases: list[str]) -> list[Row]:
    """The same with a callback that looks at the logs of every batch."""
    import labkeras

    class Looks(labkeras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            self.loss = logs["loss"]

    case = CASES["tiny"]
    run = fitting(compiled_model(labkeras, case), case, callbacks=[Looks()])
    pairs = interleaved(run, hand_loop(case), rounds)
    figure = f"fit with a callback a batch, {case.title}, microseconds a step more than the hand-written loop"
    return [value_row(figure, "≤ 350", _more(pairs, case), 0)]


def keras(rounds: int, cases: list[str]) -> list[Row]:
    """Keras on torch against `fit`: how many times longer it takes."""
    import keras as real_keras

    import labkeras

    goals = {"tiny": "≥ 3", "lstm": "≥ 3", "cnn": "≥ 1.5", "resnet20": "≥ 1.5"}
    rows = []
    for name in cases:
        case = CASES[name]
        theirs, ours = (fitting(compiled_model(package, case), case) for package in (real_keras, labkeras))
        pairs = interleaved(theirs, ours, rounds)
        rows.append(ratio_row(f"Keras on torch : fit, {case.title}", goals.get(name, "> 1"), pairs))
    return rows


def compiled(rounds: int, cases: list[str]) -> list[Row]:
    """`fit` with `jit_compile=True`, warm, against Keras on JAX and on TensorFlow, where they are installed."""
    import labkeras

    backends = [backend for backend in ("jax", "tensorflow") if _has(backend)]
    rows = []
    for name in cases:
        case = CASES[name]
        ours = fitting(compiled_model(labkeras, case, jit_compile=True), case)
        rows.append(
            ratio_row(
                f"fit, jit_compile=True, {case.title} : hand-written loop",
                "< 1",
                interleaved(ours, hand_loop(case), rounds),
            )
        )
        for backend in backends:
            with _keras_on(backend, name) as theirs:
                pairs = interleaved(theirs, ours, rounds, clock=time.perf_counter)
            rows.append(ratio_row(f"Keras on {backend} : the same", "> 1", pairs))
    return rows


def predict(rounds: int, cases: list[str]) -> list[Row]:
    """`predict` of 8,192 rows and `model(x)` of a single one, against the bare torch module."""
    import torch

    import labkeras

    rows = []
    for name in ("tiny", "mlp"):
        case = CASES[name]
        model, module = compiled_model(labkeras, case), case.by_hand().eval()
        x = case.data(8192)
        tensor = torch.as_tensor(x)

        def by_hand(module: torch.nn.Module = module, tensor: torch.Tensor = tensor, size: int = case.batch) -> None:
            with torch.no_grad():
                torch.cat([module(tensor[first : first + size]) for first in range(0, len(tensor), size)]).numpy()

        ours = _often(lambda model=model, x=x, size=case.batch: model.predict(x, batch_size=size, verbose=0), 5)
        pairs = interleaved(ours, _often(by_hand, 5), rounds)
        rows.append(ratio_row(f"predict of 8,192 rows, {case.title} : bare torch", "≤ 1.05", pairs))
        with torch.no_grad():
            pairs = interleaved(
                lambda model=model, row=tensor[:1]: _repeat(model, row, 1000),
                lambda module=module, row=tensor[:1]: _repeat(module, row, 1000),
                rounds,
            )
        rows.append(ratio_row(f"model(x) of a single row, {case.title} : bare torch", "≤ 1.5", pairs))
    return rows


def build(rounds: int, cases: list[str]) -> list[Row]:
    """Building a ResNet of 50 layers for 224×224 images: all of it, and without drawing its 25 million weights."""
    import torch

    import labkeras

    class Undrawn(labkeras.initializers.Initializer):  # type: ignore[misc]
        def __call__(self, shape: tuple[int, ...], dtype: object = None) -> torch.Tensor:
            return torch.empty(shape, device="meta")

    def seconds(initializer: object) -> float:
        begin = time.process_time()
        _resnet50(labkeras, initializer)
        return time.process_time() - begin

    _resnet50(labkeras, "glorot_uniform")
    draw = []
    for _ in range(rounds):
        begin = time.process_time()
        torch.empty(25_000_000).uniform_(-1, 1)
        draw.append(time.process_time() - begin)
    drawn = [seconds("glorot_uniform") for _ in range(rounds)]
    undrawn = [seconds(Undrawn()) for _ in range(rounds)]
    return [
        value_row("building a ResNet of 50 layers, seconds", "≤ 0.05", drawn),
        value_row("the same without its weights' values", "", undrawn),
        value_row("drawing 25 million uniform numbers with torch, seconds", "", draw),
    ]


def memory(rounds: int, cases: list[str]) -> list[Row]:
    """The most memory that tensors take in training, beyond what stood before; it does not change from run to run."""
    import labkeras

    rows = []
    for name in cases:
        case = CASES[name]
        ours, hand = fitting(compiled_model(labkeras, case), case), hand_loop(case)
        ours(), hand()
        figure = f"peak memory of tensors in fit, {case.title} : hand-written loop"
        rows.append(ratio_row(figure, "≤ 1.1", [(_peak_bytes(ours), _peak_bytes(hand))]))
    return rows


def _peak_bytes(run: Callable[[], object]) -> float:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return float(peak)


def _hand_written_20(torch: object) -> object:
    nn = torch.nn  # type: ignore[attr-defined]

    class Hand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for index in range(20):
                setattr(self, f"dense_{index}", nn.Linear(16, 16))

        def forward(self, x: object) -> object:
            relu = torch.relu  # type: ignore[attr-defined]
            x = relu(self.dense_1(relu(self.dense_0(x))))
            x = relu(self.dense_3(relu(self.dense_2(x))))
            x = relu(self.dense_5(relu(self.dense_4(x))))
            x = relu(self.dense_7(relu(self.dense_6(x))))
            x = relu(self.dense_9(relu(self.dense_8(x))))
            x = relu(self.dense_11(relu(self.dense_10(x))))
            x = relu(self.dense_13(relu(self.dense_12(x))))
            x = relu(self.dense_15(relu(self.dense_14(x))))
            x = relu(self.dense_17(relu(self.dense_16(x))))
            return relu(self.dense_19(relu(self.dense_18(x))))

    return Hand().eval()


def _resnet50(package: object, initializer: object) -> object:
    layers = package.layers  # type: ignore[attr-defined]

    def normed(x: object, filters: int, size: int, strides: int = 1) -> object:
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer=initializer)(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.Activation("relu")(normed(inputs, 64, 7, 2)))
    for stage, (blocks, filters) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            shortcut = x if block else normed(x, 4 * filters, 1, strides)
            x = layers.Activation("relu")(normed(x, filters, 1, strides))
            x = layers.Activation("relu")(normed(x, filters, 3))
            x = layers.Activation("relu")(layers.Add()([normed(x, 4 * filters, 1), shortcut]))
    return package.Model(inputs, layers.Dense(1000, kernel_initializer=initializer)(layers.GlobalAveragePooling2D()(x)))  # type: ignore[attr-defined]


@contextmanager
def _keras_on(backend: str, name: str) -> Iterator[Callable[[], None]]:
    """Keras in a process of its own, warm; what it yields trains once."""
    words = [KERAS_PYTHON, str(HERE / "keras_worker.py"), name]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        requests, answers = worker.stdin, worker.stdout
        if answers.readline().strip() != "ready":
            raise RuntimeError(f"Keras on {backend} did not train the case {name!r}")

        def train() -> None:
            requests.write("\n")
            requests.flush()
            answers.readline()

        yield train
        requests.close()


def _has(backend: str) -> bool:
    """Whether Keras runs on a backend in the Python that is to run it."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    words = [KERAS_PYTHON, "-c", f"import keras, {backend}"]
    return subprocess.run(words, capture_output=True, env=environment).returncode == 0


def _more(pairs: list[tuple[float, float]], case: Case) -> list[float]:
    """Microseconds a step that the first side takes more than the second."""
    steps = case.epochs * case.batches
    return [(first - second) / steps * 1e6 for first, second in pairs]


def _often(function: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            function()

    return run


def _repeat(function: Callable[[object], object], argument: object, times: int) -> None:
    for _ in range(times):
        function(argument)


def _import_seconds(statement: str) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return child_seconds("-c", code)


FIGURES: dict[str, Figure] = {
    "imports": imports,
    "start": start,
    "forward": forward,
    "fit": fit,
    "callback": callback,
    "keras": keras,
    "compiled": compiled,
    "predict": predict,
    "build": build,
    "memory": memory,
}


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], help="which to measure; all unless given")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES), help="the models to train")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds, at least 5 for figures to quote")
    parser.add_argument("--write", action="store_true", help="also write figures.csv and the README's table")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        # Everybody on one core: the compilers of JAX and TensorFlow would take all.
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    rows = []
    for name in arguments.figures or FIGURES:
        rows += FIGURES[name](arguments.rounds, arguments.cases)
        print(f"{name}: done", file=sys.stderr)
    print(table(rows))
    if arguments.write:
        write(rows)


if __name__ == "__main__":
    main()
