import type { CodecName } from '../codec/codec.js';
import type { Container } from './container.js';

/** bzip2 files and raw disks: frames and nothing else. Their index is kept in the manifest beside them. */
function bareContainer(codec: CodecName): Container {
  return {
    codec,
    selfProving: false,
    needsFrame: codec === 'bzip2',
    alignBytes: 1,
    prologueBytes: 0,
    indexedLength: (frame) => frame.length,
    prologue: () => Buffer.alloc(0),
    parsePrologue: () => undefined,
    epilogue: () => Buffer.alloc(0),
    epilogueBytes: () => 0,
    readIndex: async () => undefined,
    walkFrame: async () => undefined,
  };
}

export const bzip2Container = bareContainer('bzip2');
export const noneContainer = bareContainer('none');
