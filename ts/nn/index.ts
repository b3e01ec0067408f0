// Layers and what they are made of.
export { Module, Sequential, type ForwardHook, type StateDict } from './module.js'
export {
  AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, AvgPool3d, BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Dropout, Flatten, Linear,
  MaxPool1d, MaxPool2d, MaxPool3d, type BatchNormLayerOptions, type ConvLayerOptions,
} from './layers.js'
export { ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activations.js'
export { GroupNorm, LayerNorm, LocalResponseNorm } from './norm.js'
export { Embedding, GRU, LSTM, MultiheadAttention, RNN, type RecurrentLayerOptions } from './sequence.js'
export * as init from './init.js'
