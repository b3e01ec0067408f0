// Data sets, loaders and file formats.
export { ArrayDataset, ImageDataset, pixelStatistics, split, Subset, TestSet, type Dataset, type PixelStatistics } from './dataset.js'
export { DataLoader, type Batch, type LoaderOptions, type LoaderState } from './loader.js'
export { DataError, gunzip } from './gzip.js'
export { parseIdx, readIdxImages, type Idx, type ImageSet, type ImageSetOptions, type NamedBytes } from './idx.js'
export { CIFAR10_CLASSES, readCifar10 } from './cifar.js'
