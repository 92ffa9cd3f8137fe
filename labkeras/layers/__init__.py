"""Layers: a file a layer, in Keras's families. A new layer needs its file, its test, and its line here."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.graph.input import Input as Input
    from labkeras.graph.input import InputLayer as InputLayer
    from labkeras.layers.activations.activation import Activation as Activation
    from labkeras.layers.attention.multi_head_attention import MultiHeadAttention as MultiHeadAttention
    from labkeras.layers.convolutional.conv2d import Conv2D as Conv2D
    from labkeras.layers.convolutional.conv2d import Conv2D as Convolution2D  # noqa: F401  # Keras's second name
    from labkeras.layers.core.dense import Dense as Dense
    from labkeras.layers.core.einsum_dense import EinsumDense as EinsumDense
    from labkeras.layers.core.embedding import Embedding as Embedding
    from labkeras.layers.image_preprocessing.random_translation import RandomTranslation as RandomTranslation
    from labkeras.layers.input_spec import InputSpec as InputSpec
    from labkeras.layers.layer import Layer as Layer
    from labkeras.layers.merging.add import Add as Add
    from labkeras.layers.merging.add import add as add
    from labkeras.layers.merging.concatenate import Concatenate as Concatenate
    from labkeras.layers.merging.concatenate import concatenate as concatenate
    from labkeras.layers.normalization.batch_normalization import BatchNormalization as BatchNormalization
    from labkeras.layers.normalization.layer_normalization import LayerNormalization as LayerNormalization
    from labkeras.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D as GlobalAveragePooling1D
    from labkeras.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D as GlobalAvgPool1D  # noqa: F401  # Keras's second name
    from labkeras.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D as GlobalAveragePooling2D
    from labkeras.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D as GlobalAvgPool2D  # noqa: F401  # Keras's second name
    from labkeras.layers.pooling.max_pooling2d import MaxPooling2D as MaxPool2D  # noqa: F401  # Keras's second name
    from labkeras.layers.pooling.max_pooling2d import MaxPooling2D as MaxPooling2D
    from labkeras.layers.preprocessing.rescaling import Rescaling as Rescaling
    from labkeras.layers.regularization.dropout import Dropout as Dropout
    from labkeras.layers.reshaping.flatten import Flatten as Flatten
    from labkeras.layers.reshaping.reshape import Reshape as Reshape
    from labkeras.layers.rnn.gru import GRU as GRU
    from labkeras.layers.rnn.gru import GRUCell as GRUCell
    from labkeras.layers.rnn.lstm import LSTM as LSTM
    from labkeras.layers.rnn.lstm import LSTMCell as LSTMCell
    from labkeras.layers.rnn.rnn import RNN as RNN
    from labkeras.layers.rnn.simple_rnn import SimpleRNN as SimpleRNN
    from labkeras.layers.rnn.simple_rnn import SimpleRNNCell as SimpleRNNCell
    from labkeras.layers.rnn.stacked_rnn_cells import StackedRNNCells as StackedRNNCells

__all__, __getattr__, __dir__ = exports(__name__)

# Keras's second names of the same classes: for `from labkeras.layers import …`; the registry knows the first ones.
ALIASES = {
    "Convolution2D": "Conv2D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "MaxPool2D": "MaxPooling2D",
}
