// Optimizers and schedules.
export { Optimizer, type GroupOptions, type OptimizerState, type ParamGroup, type Params } from './optimizer.js'
export { SGD, type SGDOptions } from './sgd.js'
export { Adam, type AdamOptions } from './adam.js'
export { CosineAnnealingLR, Schedule, StepLR } from './schedule.js'
