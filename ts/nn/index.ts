// Layers and what they are made of.
export { Module, Sequential, type ForwardHook, type ForwardHookOptions, type ForwardPreHook, type StateDict } from './module.js'
export {
  AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, AvgPool3d, BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Dropout, Flatten, Linear,
  MaxPool1d, MaxPool2d, MaxPool3d, type BatchNormLayerOptions, type ConvLayerOptions,
} from './layers.js'
export { ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activations.js'
export { GroupNorm, LayerNorm, LocalResponseNorm } from './norm.js'
export { Embedding, GRU, LSTM, MultiheadAttention, RNN, type RecurrentLayerOptions } from './sequence.js'
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, RMSNorm, type InstanceNormOptions } from './instance-norm.js'
export { GRUCell, LSTMCell, RNNCell, type LstmState } from './cells.js'
export { TransformerEncoderLayer, type TransformerEncoderLayerOptions } from './transformer.js'
export { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, type ConvTransposeLayerOptions } from './transposed.js'
export { AdaptiveAvgPool1d, Dropout2d, Upsample } from './resize.js'
export { Identity, ModuleList, Residual } from './containers.js'
export { removeSpectralNorm, removeWeightNorm, spectralNorm, weightNorm, type SpectralNormOptions } from './parametrize.js'
export {
  BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, MSELoss, MultiMarginLoss, NLLLoss, SmoothL1Loss,
} from './losses.js'
export * as init from './init.js'
