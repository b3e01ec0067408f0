// The whole ABI of the WASM module, in the order of ts/kernels.ts. Every export takes plain numbers: sizes, flags, addresses.
export { fill, copy, copyFrom, copyTo, toInt, toFloat, gather, scatterAdd, indexSelect, indexAdd, oneHot } from './layout'
export { unary, unaryGrad } from './elementwise'
export { binary, where, axpby } from './broadcast'
export { reduce, argReduce, moments, logSumExp, cumsum } from './reduce'
export { softmax, softmaxGrad, logSoftmax, logSoftmaxGrad, crossEntropy, crossEntropyGrad } from './softmax'
export { gemm } from './gemm'
export { conv, convGradInput, convGradWeight } from './conv'
export { maxPool, maxPoolGrad, pickWinners } from './maxpool'
export { avgPool, avgPoolGrad } from './pool'
export { channelMoments, batchNorm, batchNormGrad, updateRunning } from './norm'
export { uniform, normal, bernoulli } from './random'
export { update } from './update'
export { firstNonFinite } from './reduce'

export { filterCount, makeFilters } from './conv'
export { setPrecise } from './microkernel'
export { setShare } from './share'

/** First address that static data does not use */
export function heapBase(): usize {
  return __heap_base
}
