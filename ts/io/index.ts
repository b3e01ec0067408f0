// The public face of hebb/io: files of tensors.

export { readSafetensors, writeSafetensors, SafetensorsError } from './safetensors.js'
export type { SafeData, SafeTensor, SafetensorsFile, WriteOptions } from './safetensors.js'
