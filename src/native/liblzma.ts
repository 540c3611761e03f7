import { damaged, outOfMemory } from './frame-error.js';
import { bindLibrary } from './library.js';
import { createStreamStruct, type MemberCoder, type StreamLayout } from './stream-struct.js';

/** xz. Of version 5.4 at least, which has lzma_filters_free. https://github.com/tukaani-project/xz */
export const liblzma = bindLibrary('liblzma.so.5', 'liblzma5', (library) => ({
  address: library.address,
  preset: library.func('uint8_t lzma_lzma_preset(void *options, uint32_t preset)') as (
    options: Buffer,
    preset: number,
  ) => number,
  blockEncode: library.func(
    'int lzma_block_buffer_encode(void *block, void *allocator, void *in, size_t n, void *out, void *outPos, size_t room)',
  ) as BlockEncode,
  headerDecode: library.func('int lzma_block_header_decode(void *block, void *allocator, void *in)') as (
    block: Buffer,
    allocator: null,
    header: Buffer,
  ) => number,
  blockDecode: library.func(
    'int lzma_block_buffer_decode(void *block, void *allocator, void *in, void *inPos, size_t n, void *out, void *outPos, size_t room)',
  ) as BlockDecode,
  filtersFree: library.func('void lzma_filters_free(void *filters, void *allocator)') as (
    filters: Buffer,
    allocator: null,
  ) => void,
  streamDecoder: library.func('int lzma_stream_decoder(void *stream, uint64_t memlimit, uint32_t flags)') as (
    stream: Buffer,
    memlimit: bigint,
    flags: number,
  ) => number,
  code: library.func('int lzma_code(void *stream, int action)') as (stream: Buffer, action: number) => number,
  end: library.func('void lzma_end(void *stream)') as (stream: Buffer) => void,
}));

type BlockEncode = (
  block: Buffer,
  allocator: null,
  plain: Buffer,
  plainBytes: number,
  out: Buffer,
  outPosition: Buffer,
  outBytes: number,
) => number;

type BlockDecode = (
  block: Buffer,
  allocator: null,
  input: Buffer,
  inPosition: Buffer,
  inBytes: number,
  out: Buffer,
  outPosition: Buffer,
  outBytes: number,
) => number;

const LZMA_STREAM: StreamLayout = {
  sizeBytes: 136,
  nextIn: 0,
  availIn: 8,
  nextOut: 24,
  availOut: 32,
  availType: 'u64',
};

const NO_MEMORY_LIMIT = 0xffff_ffff_ffff_ffffn;

export const LZMA_OK = 0;
const STREAM_END = 1;
export const LZMA_MEM_ERROR = 5;
/** No progress was possible with what it was given; not an error of lzma_code. */
export const LZMA_BUF_ERROR = 10;
const RUN = 0;
const REASONS: Readonly<Record<number, string>> = {
  2: 'the check cannot be verified',
  3: 'it has a check that liblzma does not know',
  6: 'it needs more memory than allowed',
  7: 'no xz stream begins here',
  8: 'it has options that liblzma does not know',
  9: 'invalid data or wrong checksum',
};

export function lzmaReason(code: number): string {
  return REASONS[code] ?? `error ${code} of liblzma`;
}

/** Decodes xz streams of any number of blocks. */
export function createXzStreamCoder(): MemberCoder {
  const { address, streamDecoder, code: lzmaCode, end } = liblzma.functions();
  const stream = createStreamStruct(LZMA_STREAM, address);
  let open = false;
  return {
    restart() {
      if (streamDecoder(stream.bytes, NO_MEMORY_LIMIT, 0) !== LZMA_OK) throw outOfMemory('xz');
      open = true;
    },
    run(input, output) {
      if (!open) throw new Error('the xz decoder is closed');
      stream.aim(input, output);
      const code = lzmaCode(stream.bytes, RUN);
      if (code === LZMA_MEM_ERROR) throw outOfMemory('xz');
      if (code !== LZMA_OK && code !== STREAM_END && code !== LZMA_BUF_ERROR) throw damaged('xz', lzmaReason(code));
      return stream.step(code === STREAM_END);
    },
    close() {
      if (open) end(stream.bytes);
      open = false;
    },
  };
}
