// The public face of hebb/worker: training in a thread of its own. It doesn't load the engine, so a page that only starts a training stays light.

export { trainInWorker, type TrainInWorkerOptions, type WorkerLike } from './start.js'
export { workerTraining, type TrainingContext, type TrainingFunction, type WorkerModules } from './answer.js'
