// The build turns a .wasm import into the bytes of the module.
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>
  export default bytes
}
