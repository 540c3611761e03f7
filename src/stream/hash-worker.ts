import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

export type HashRequest = { kind: 'update'; bytes: Uint8Array } | { kind: 'digest' } | { kind: 'close' };
/** The digest in hexadecimal, or an empty string for an update. */
export type HashReply = string;

const hash = createHash('sha256');
parentPort?.on('message', (request: HashRequest) => {
  if (request.kind === 'close') {
    parentPort?.close();
    return;
  }
  if (request.kind === 'update') hash.update(request.bytes);
  parentPort?.postMessage((request.kind === 'digest' ? hash.digest('hex') : '') satisfies HashReply);
});
