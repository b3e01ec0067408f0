// The build puts a safetensors file into the bundle as its bytes.
declare module '*.safetensors' {
  const bytes: Uint8Array
  export default bytes
}
