"""Training, evaluation and prediction as compiled programs: what `compile(jit_compile=True)` does.

A step is run once while its operations are recorded (`recording`), the whole of it: forward, loss, backward, update of
the weights, metrics. torch's inductor makes one program of the record (`inductor`); `CompiledSteps` runs it.
"""
