// The build turns a .wasm import into a function that returns the compiled module, null where there is none of its kind, or throws where the runtime
// refuses it: from text inlined in the one file, from a module that the runtime has imported, or from a file (scripts/plugins.js).
declare module '*.wasm' {
  const compile: (rewritten?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) => WebAssembly.Module | null
  export default compile
}
