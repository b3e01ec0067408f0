// The build turns a .wasm import into a function that returns the compiled module, or throws where the runtime refuses it: from text
// inlined in the one file, or from a module that the runtime has imported (scripts/plugins.js).
declare module '*.wasm' {
  const compile: (rewritten?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) => WebAssembly.Module
  export default compile
}
