"""inductor: a recorded graph as a program, made by torch's compiler."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from labkeras.training.compilation.kernels import keep_kernels

__all__ = ["made_program", "missing_compiler"]

Program = Callable[..., Sequence[Tensor]]


def made_program(graph: GraphModule, examples: Sequence[Tensor]) -> Program:
    """The program of a graph; it takes tensors of the shapes, strides and types of the examples.

    Args:
        graph: takes tensors, returns a tuple of tensors.
        examples: tensors to compile for; they stay as they are.
    """
    import torch._inductor as inductor  # a second to import, which only compiling should cost

    keep_kernels(graph)
    for node in graph.graph.nodes:
        node.meta.clear()  # what was recorded about shapes, in a way that inductor would have in its own
    with warnings.catch_warnings(), torch.no_grad():
        # Remarks on its own working, such as on float32 matrix products, that nobody asked for.
        warnings.simplefilter("ignore")
        program: Any = inductor.compile(graph, [example.detach() for example in examples])
    made: Program = program
    return made


def missing_compiler() -> str | None:
    """What is missing on this machine to make programs for its CPU; None if nothing is."""
    named = os.environ.get("CXX")
    known = [named] if named else ["cl"] if sys.platform == "win32" else ["g++", "clang++"]
    if any(shutil.which(name.split()[0]) for name in known):
        return None
    return f"there is no C++ compiler ({' or '.join(known)}; the environment variable CXX names another)"
