// Training: fit, evaluate, checkpoints, metrics.
export { evaluate, predict, type Evaluation } from './evaluate.js'
export { fit, newProgress, TrainingError, type BatchReport, type Callbacks, type EpochReport, type FitOptions, type FitResult, type PhaseTimes, type Progress } from './fit.js'
export { loadCheckpoint, readRecipe, readStateDict, saveCheckpoint, weightsHash, writeStateDict, type Training } from './checkpoint.js'
export { accuracy, confusionMatrix, f1Score, precision, recall, topKAccuracy, type Average, type Labels, type ScoreOptions } from './metrics.js'
export { lrRangeTest, type RangeTest, type RangeTestOptions, type RangeTestPoint } from './range-test.js'
