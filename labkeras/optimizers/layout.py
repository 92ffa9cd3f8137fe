"""Tensors as torch's fused kernels like them: contiguous. Others, they go through one value at a time."""

from torch import Tensor

__all__ = ["in_memory_order"]

# Fewer values than these are faster updated than looked at in another order.
_FEW = 4096


def in_memory_order(*lists: list[Tensor]) -> tuple[list[Tensor], ...]:
    """Lists of tensors of the same sizes, with the large ones as flat views, where they lie in memory in one order.

    What is done to them value by value is the same. Kernels of convolutions, which are kept in torch's order and shown
    in Keras's, are such tensors.

    Args:
        *lists: parameters, gradients and slots, place by place of the same shape; a list may be empty.
    """
    params = lists[0]
    places = [
        place
        for place, param in enumerate(params)
        if not param.is_contiguous() and param.numel() > _FEW and _lie_alike([each[place] for each in lists if each])
    ]
    if not places:
        return lists
    flat = [list(each) for each in lists]
    for each in flat:
        for place in places if each else ():
            each[place] = each[place].as_strided((params[place].numel(),), (1,))
    return tuple(flat)


def _lie_alike(tensors: list[Tensor]) -> bool:
    """Whether tensors fill their memory, in one order of the axes."""
    first = tensors[0]
    strides = first.stride()
    span = 1 + sum((size - 1) * stride for size, stride in zip(first.shape, strides, strict=True))
    return span == first.numel() and all(tensor.stride() == strides for tensor in tensors)
