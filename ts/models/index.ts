// Models of the course. Each is built when its constructor runs, not when this file is imported.
export { ConvNet } from './convnet.js'
export { LeNet5 } from './lenet5.js'
export { MLP, Perceptron } from './mlp.js'
