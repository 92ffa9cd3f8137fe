"""RematScope and remat: layers and functions whose inner results are computed again for the backward pass, not kept.

Training keeps what each operation needs for its gradient until the backward pass has been there. For a layer made
within a `RematScope` only its inputs are kept, and it runs once more when its gradient is due: less memory, more time.
torch's checkpoints do the work. What is added here: a second run changes nothing that the first has changed already
(moving averages, seeds, metrics, losses), and sees what the first one saw.
"""

import functools
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from labkeras.errors import InvalidArgumentError, did_you_mean
from labkeras.graph.symbolic import KerasTensor, any_symbolic
from labkeras.layers.calling import calls
from labkeras.nest import flatten, map_structure
from labkeras.random import SeedGenerator

if TYPE_CHECKING:
    from labkeras.layers.layer import Layer

__all__ = ["RematScope", "current_scope", "remat", "run_layer", "warn_of_scope"]

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)
# Kernels of torch's change moving averages without counting that as a change: tensors of up to so many values, as many
# as a layer may have channels, are taken to be changed by any call. Larger ones are tables that no call changes, unless
# it is counted.
_FEW = 2**16

_Returned = TypeVar("_Returned")


class _Scopes(threading.local):
    """The scopes that this thread is within, the outermost first."""

    def __init__(self) -> None:
        self.open: list[RematScope] = []


_scopes = _Scopes()


class RematScope:
    """Layers that are made within it compute again in the backward pass what they would else keep for it.

    Of scopes within each other the innermost counts. Of layers within each other the outermost computes again, and
    those within it with it. Under `torch.compile`, layers that compute with a changing state of their own, such as a
    seed, keep their results; under `jit_compile=True`, which compiles both passes as one, the compiler decides what is
    kept.

    Args:
        mode: which layers.

            - "full": all. A model is no layer here: its layers are, one by one.
            - "activations": of all that have an `activation`, this alone.
            - "larger_than": those whose outputs have more than `output_size_threshold` values, the batch included.
            - "list_of_layers": those named in `layer_names`, models too.
            - None: none.
        output_size_threshold: number of values for "larger_than".
        layer_names: names for "list_of_layers".

    Raises:
        InvalidArgumentError: if there is no such mode.

    Reference:
        Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv:1604.06174

    Example:
        >>> from labkeras import layers
        >>> with RematScope(mode="full"):
        ...     layer = layers.Dense(2, activation="gelu")
        >>> layer(torch.ones(1, 3)).shape
        torch.Size([1, 2])
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Sequence[str] | None = None
    ) -> None:
        if mode not in _MODES:
            hint = did_you_mean(mode, [name for name in _MODES if name]) if isinstance(mode, str) else ""
            raise InvalidArgumentError(f"`mode` must be one of {_MODES}.{hint} Received: mode={mode!r}")
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = list(layer_names or [])

    def __enter__(self) -> "RematScope":
        _scopes.open.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _scopes.open.pop()

    def covers(self, layer: "Layer") -> bool:
        """Whether a layer may have to compute again; with "larger_than", its outputs decide.

        Args:
            layer: a layer; its name is known.
        """
        if self.mode == "list_of_layers":
            return layer.name in self.layer_names
        # Differs from Keras: a model is not run again as a whole, which would keep all inner results of all its layers
        # at once, and saves nothing.
        return self.mode is not None and layer._is_one_step

    def __repr__(self) -> str:
        return (
            f"RematScope(mode={self.mode!r}, output_size_threshold={self.output_size_threshold!r}, "
            f"layer_names={self.layer_names!r})"
        )


def warn_of_scope(layer: "Layer") -> None:
    """Warns that the scope that one is within is not that of a layer that is called in it."""
    scope = current_scope()
    if scope is not None and layer._remat is None and scope.covers(layer):
        warnings.warn(
            f"layer {layer.name!r} ({type(layer).__name__}) is called within a RematScope, but was made outside of it, "
            "and keeps its results: make it within the scope.",
            stacklevel=3,
        )


def current_scope() -> RematScope | None:
    """The innermost scope that this thread is within."""
    return _scopes.open[-1] if _scopes.open else None


def remat(f: Callable[..., _Returned]) -> Callable[..., _Returned]:
    """A function that does what `f` does, and does it again in the backward pass, so that nothing is kept for it.

    Called on placeholders, it is `f`, whose calls are recorded one by one: make layers within a `RematScope` instead.

    Args:
        f: a function of tensors, or a layer; it must do the same each time.

    Reference:
        Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv:1604.06174

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> remat(lambda x: x.sin().exp())(x).sum().backward()
        >>> torch.allclose(x.grad, x.cos() * x.sin().exp())
        True
    """
    owner = f if isinstance(f, torch.nn.Module) else getattr(f, "__self__", None)
    known = [owner] if isinstance(owner, torch.nn.Module) else []

    def run(*args: Any, **kwargs: Any) -> _Returned:
        if any_symbolic(args, kwargs):
            return f(*args, **kwargs)
        returned: _Returned = _checkpointed(f, args, kwargs, _Watch(known, is_complete=owner is f))
        return returned

    # A layer, unlike a function, has no name of its own to take over.
    return run if isinstance(f, torch.nn.Module) else functools.wraps(f)(run)


def run_layer(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs a layer that was made within a scope, as the scope says.

    Args:
        layer: the layer.
        args, kwargs: of its `forward`.
    """
    scope = layer._remat
    assert scope is not None  # or nobody would call this
    if scope.mode == "activations":
        return _with_activation_again(layer, args, kwargs)
    if scope.mode == "larger_than" and _size_of_outputs(layer, args, kwargs) <= scope.output_size_threshold:
        return type(layer).forward(layer, *args, **kwargs)
    forward = functools.partial(type(layer).forward, layer)
    return _checkpointed(forward, args, kwargs, _Watch([layer], is_complete=True))


def _checkpointed(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], watch: "_Watch") -> Any:
    if calls.checkpointed or calls.symbolic or not torch.is_grad_enabled():
        return function(*args, **kwargs)
    # Keywords are bound here: `checkpoint` has some of its own.
    bound = functools.partial(function, **kwargs) if kwargs else function
    if torch.compiler.is_compiling():
        # Where forward and backward pass are compiled as one, the compiler decides what is kept.
        if not (torch.compiler.is_dynamo_compiling() and watch.is_harmless()):
            return function(*args, **kwargs)
        calls.checkpointed = True
        try:
            return checkpoint(bound, *args, use_reentrant=False)
        finally:
            calls.checkpointed = False
    return checkpoint(bound, *args, use_reentrant=False, context_fn=watch.contexts)


def _with_activation_again(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    activation = layer.__dict__.get("activation")
    # Compilers compute cheap operations again by themselves.
    if activation is None or torch.compiler.is_compiling():
        return type(layer).forward(layer, *args, **kwargs)
    layer.__dict__["activation"] = remat(activation)
    try:
        return type(layer).forward(layer, *args, **kwargs)
    finally:
        layer.__dict__["activation"] = activation


def _size_of_outputs(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """The number of values in the outputs for such inputs; the last answer is kept."""
    size: int
    shapes = [tuple(leaf.shape) for leaf in flatten([args, kwargs]) if isinstance(leaf, Tensor)]
    known, size = layer.__dict__.get("_remat_size", (None, 0))
    if shapes == known:
        return size
    if type(layer).compute_output_shape.__qualname__ != "Layer.compute_output_shape":
        first = args[0] if args else next(iter(kwargs.values()))
        size = _values(layer.compute_output_shape(map_structure(lambda leaf: tuple(leaf.shape), first)))
    elif torch.compiler.is_compiling():
        return 0  # no rule, and a compiler cannot follow a trial run
    else:
        size = _values(map_structure(lambda leaf: leaf.shape, _trial(layer, args, kwargs)))
    layer.__dict__["_remat_size"] = shapes, size
    return size


def _trial(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    before, calls.symbolic = calls.symbolic, True
    try:
        return layer.compute_output_spec(*map_structure(_placeholder, args), **map_structure(_placeholder, kwargs))
    finally:
        calls.symbolic = before


def _placeholder(leaf: Any) -> Any:
    return KerasTensor(leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf


def _values(shapes: Any) -> int:
    """The number of values in tensors of these shapes, nested in lists and dicts."""
    items = list(shapes.values()) if isinstance(shapes, dict) else list(shapes)
    return sum(map(_values, items)) if items and isinstance(items[0], list | tuple | dict) else math.prod(items)


class _Each(AbstractContextManager[None]):
    """A context that can be entered again after it was left: there are as many second runs as backward passes."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make = make

    def __enter__(self) -> None:
        self._current = self._make()
        self._current.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._current.__exit__(*error)


class _Watch:
    """What a run sees beside its arguments, and may change: noted in the first run, put back for the second.

    Args:
        modules: modules that take part.
        is_complete: whether no others do; if some may, torch tells when they are called.
    """

    def __init__(self, modules: Sequence[torch.nn.Module], is_complete: bool) -> None:
        self._modules = modules
        self._is_complete = is_complete
        self._before: dict[int, tuple[Tensor, Tensor, int]] = {}
        self._modes: dict[torch.nn.Module, bool] = {}

    def is_harmless(self) -> bool:
        """Whether a second run can do without being watched: no module's result depends on what it has changed.

        A compiled program runs again what a compiler made of the layer, and finds what the first run left behind.
        """
        return not any(_depends_on_its_changes(one) for module in self._modules for one in module.modules())

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """The contexts of the first and of the second run, as `checkpoint` wants them."""
        return self._first_run(), _Each(self._second_run)

    @contextmanager
    def _first_run(self) -> Iterator[None]:
        self._state = calls.training, calls.root, calls.casting
        for module in self._modules:
            self._note(module)
        with ExitStack() as stack:
            if not self._is_complete:
                hook = torch.nn.modules.module.register_module_forward_pre_hook(lambda module, _: self._note(module))
                stack.callback(hook.remove)
            calls.checkpointed = True
            try:
                yield
            finally:
                calls.checkpointed = False
        self._before = {key: kept for key, kept in self._before.items() if _may_have_changed(*kept)}

    @contextmanager
    def _second_run(self) -> Iterator[None]:
        # Perhaps in a thread of autograd's, whose state knows nothing of the call.
        outer = calls.training, calls.root, calls.casting, calls.symbolic, calls.checkpointed
        calls.training, calls.root, calls.casting = self._state
        # Losses were added by the first run.
        calls.symbolic = calls.checkpointed = True
        modes = [(module, module.training) for module in self._modes]
        now = [(buffer, buffer.data) for buffer, _, _ in self._before.values()]
        try:
            for module, training in self._modes.items():
                module.training = training
            # Not copied: that would count as a change of what autograd may have kept.
            for buffer, values, _ in self._before.values():
                # A copy, too: `retain_graph` may ask for a third run.
                buffer.data = values.clone()
            yield
        finally:
            for buffer, data in now:
                buffer.data = data
            for module, training in modes:
                module.training = training
            calls.training, calls.root, calls.casting, calls.symbolic, calls.checkpointed = outer

    def _note(self, module: torch.nn.Module) -> None:
        for one in module.modules():
            self._modes.setdefault(one, one.training)
        for buffer in module.buffers():
            if id(buffer) not in self._before:
                self._before[id(buffer)] = buffer, buffer.detach().clone(), buffer._version


def _depends_on_its_changes(module: torch.nn.Module) -> bool:
    """Whether a module may compute with buffers that it changes; batch normalization, in training, does not."""
    if getattr(module, "activity_regularizer", None) is not None:
        return True  # its loss is noted on the way, which a compiler does not follow here
    if isinstance(module, SeedGenerator):
        return module.seed is not None
    is_batch_norm = (
        isinstance(module, torch.nn.modules.batchnorm._BatchNorm) or getattr(module, "renorm", True) is False
    )
    return bool(module._buffers) and not is_batch_norm


def _may_have_changed(buffer: Tensor, values: Tensor, version: int) -> bool:
    return buffer._version != version or values.numel() <= _FEW
