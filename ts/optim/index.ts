// Optimizers in order of increasing complexity, gradient clipping, and schedules.
export { Optimizer, type GroupOptions, type OptimizerState, type ParamGroup, type Params } from './optimizer.js'
export { SGD, type SGDOptions } from './sgd.js'
export { Adadelta, Adagrad, RMSprop, type AdadeltaOptions, type AdagradOptions, type RMSpropOptions } from './adagrad.js'
export { Adam, Adamax, AdamW, NAdam, RAdam, type AdamOptions, type NAdamOptions, type PlainAdamOptions } from './adam.js'
export { Lion, Rprop, type LionOptions, type RpropOptions } from './sign.js'
export { LBFGS, type LBFGSOptions } from './lbfgs.js'
export { clipGradNorm, clipGradValue, type ClipNormOptions } from './clip.js'
export {
  ChainedScheduler, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LambdaLR, LinearLR, MultiStepLR, PolynomialLR,
  Schedule, SequentialLR, StepLR,
} from './schedule.js'
export { CyclicLR, OneCycleLR, type CyclicLROptions, type OneCycleLROptions } from './cycle.js'
export { ReduceLROnPlateau, type PlateauOptions } from './plateau.js'
