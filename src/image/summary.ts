import { roundSize } from '../device/sizes.js';
import type { Manifest } from '../format/manifest.js';
import { bottleneckOf, type StageTimes } from '../stream/stages.js';
import type { DecodingGpu } from './decode.js';
import { gpuInWords } from './gpu-choice.js';

/** "812 MiB/s": whole numbers are all that anybody needs, except where they would be 0. */
export function rateInWords(bytes: number, ms: number): string {
  const mibPerSecond = ms === 0 ? 0 : bytes / 1024 ** 2 / (ms / 1000);
  return `${mibPerSecond.toFixed(mibPerSecond < 10 ? 1 : 0)} MiB/s`;
}

/** "2 h 5 min", "3 min 7 s", "4.2 s". */
export function timeInWords(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "bottleneck: decoding (busy: reading 40 %, decoding 96 %, writing 70 %)" */
export function stagesInWords(times: StageTimes, codecWord: 'compressing' | 'decoding'): string {
  const words = { reading: 'reading', codec: codecWord, writing: 'writing' };
  const share = (ms: number) => `${Math.round((100 * ms) / Math.max(times.wallMs, 1))} %`;
  return (
    `bottleneck: ${words[bottleneckOf(times)]} (busy: reading ${share(times.readMs)}, ` +
    `${codecWord} ${share(times.codecMs / times.threads)}, writing ${share(times.writeMs)})`
  );
}

/** "12 frames decoded on NVIDIA H200, 3 by the processors" */
export function decodedOnInWords(gpu: DecodingGpu): string {
  const others = gpu.processorFrames === 0 ? '' : `, ${gpu.processorFrames} by the processors`;
  return `${gpu.frames} ${gpu.frames === 1 ? 'frame' : 'frames'} decoded on ${gpuInWords(gpu)}${others}`;
}

/** What a run was like, for the terminal and the log. */
export function imageSummary({ source, image, timing }: Manifest): string[] {
  return [
    `${roundSize(source.sizeBytes)} in ${timeInWords(timing.wallMs)}, ${rateInWords(source.sizeBytes, timing.wallMs)}; ` +
      `image ${roundSize(image.sizeBytes)}, ratio ${image.ratio.toFixed(2)}` +
      (image.verified ? '; read back and proven' : ''),
    `${image.codec === 'none' ? 'not compressed' : `${image.codec} level ${image.level}, ${image.engine} engine`}, ` +
      `${image.threads} ${image.threads === 1 ? 'thread' : 'threads'}, chunks of ${roundSize(image.chunkBytes)}; ` +
      `zeros ${roundSize(source.zeroBytes)}, of them not read ${roundSize(source.skippedBytes)}`,
    stagesInWords({ ...timing, threads: image.threads }, 'compressing'),
  ];
}
