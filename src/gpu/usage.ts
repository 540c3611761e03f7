/** WebGPU's bits, which the module gives as globals of a browser only. https://www.w3.org/TR/webgpu/#buffer-usage */
export const USAGE = {
  mapRead: 0x0001,
  mapWrite: 0x0002,
  copySource: 0x0004,
  copyTarget: 0x0008,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

export const MAP = { read: 0x0001, write: 0x0002 } as const;
