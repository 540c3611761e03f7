import { damaged } from '../native/frame-error.js';
import type { MemberCoder } from '../native/stream-struct.js';
import type { StreamDecoder } from './codec.js';

export interface MemberFormat {
  /** What each member begins with. */
  firstByte: number;
  /** Zeros that may lie behind a member: gzip's at the end of the file only, xz's between streams too, in fours. */
  padding: 'none' | 'zeros to the end' | 'zeros in fours';
}

/** Decodes a file of members, one after another; whatever else lies behind a member is damage. */
export function createMemberStream(codec: string, coder: MemberCoder, format: MemberFormat): StreamDecoder {
  let inMember = false;
  let members = 0;
  let paddingBytes = 0;

  /** @returns whether the byte was padding; if not, a member begins with it */
  const isPadding = (byte: number): boolean => {
    if (byte === 0 && members > 0 && format.padding !== 'none') return true;
    const misplaced = format.padding === 'zeros to the end' ? paddingBytes > 0 : paddingBytes % 4 !== 0;
    if (misplaced || (members > 0 && byte !== format.firstByte)) {
      throw damaged(codec, `there are bytes behind the end of number ${members} that are no further one`);
    }
    return false;
  };
  const mayEnd = () => !inMember && members > 0 && (format.padding === 'zeros to the end' || paddingBytes % 4 === 0);

  return {
    step(input, output) {
      let consumedBytes = 0;
      let producedBytes = 0;
      for (;;) {
        if (!inMember) {
          const byte = input[consumedBytes];
          if (byte === undefined) break;
          if (isPadding(byte)) {
            paddingBytes++;
            consumedBytes++;
            continue;
          }
          coder.restart();
          inMember = true;
          paddingBytes = 0;
        }
        const done = coder.run(input.subarray(consumedBytes), output.subarray(producedBytes));
        consumedBytes += done.consumedBytes;
        producedBytes += done.producedBytes;
        if (done.ended) {
          inMember = false;
          members++;
        } else if (done.consumedBytes === 0 && done.producedBytes === 0) {
          break;
        } else if (consumedBytes === input.length && producedBytes < output.length) {
          break;
        }
      }
      return { consumedBytes, producedBytes, atEnd: mayEnd() };
    },
    close: () => coder.close(),
  };
}
