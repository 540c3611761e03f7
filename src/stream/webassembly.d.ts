/** The one piece of WebAssembly that is used here; TypeScript keeps its types in the DOM library, which a server lacks. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
  }
}
