"""Objects that are called at fixed moments of training, evaluation and prediction."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.callbacks.backup_and_restore import BackupAndRestore as BackupAndRestore
    from labkeras.callbacks.callback import Callback as Callback
    from labkeras.callbacks.callback_list import CallbackList as CallbackList
    from labkeras.callbacks.csv_logger import CSVLogger as CSVLogger
    from labkeras.callbacks.diagnostics import Diagnostics as Diagnostics
    from labkeras.callbacks.early_stopping import EarlyStopping as EarlyStopping
    from labkeras.callbacks.history import History as History
    from labkeras.callbacks.lambda_callback import LambdaCallback as LambdaCallback
    from labkeras.callbacks.learning_rate_scheduler import LearningRateScheduler as LearningRateScheduler
    from labkeras.callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
    from labkeras.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
    from labkeras.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
    from labkeras.callbacks.remote_monitor import RemoteMonitor as RemoteMonitor
    from labkeras.callbacks.swap_ema_weights import SwapEMAWeights as SwapEMAWeights
    from labkeras.callbacks.tensorboard import TensorBoard as TensorBoard
    from labkeras.callbacks.terminate_on_nan import TerminateOnNaN as TerminateOnNaN

ALIASES = {"terminate_on_nan": "TerminateOnNaN"}

__all__, __getattr__, __dir__ = exports(__name__)
