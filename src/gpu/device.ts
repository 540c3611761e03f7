/// <reference types="@webgpu/types" />
import { type AdapterFacts, chooseAdapter, listAdapters, requestByName } from './adapter.js';
import { loadWebgpu } from './webgpu.js';

/** Why no chunk can be given to the device (any more). The run goes on with the processors. */
export class GpuUnusable extends Error {
  readonly kind: 'none' | 'lost' | 'memory';

  /** @param kind none: there is no device; lost: it was there; memory: it has too little */
  constructor(kind: GpuUnusable['kind'], message: string) {
    super(message);
    this.name = 'GpuUnusable';
    this.kind = kind;
  }
}

export interface OpenDevice {
  readonly facts: AdapterFacts;
  readonly device: GPUDevice;
  /**
   * What the work gives; once the device is lost, or answers with an error that nobody asked about, it is not waited for.
   * @throws GpuUnusable
   */
  unlessFailed<T>(work: Promise<T>): Promise<T>;
  close(): void;
}

/**
 * Takes 0.3 s with a hardware driver.
 * @param wanted as `--gpu` takes it
 * @throws GpuUnusable
 */
export async function openDevice(wanted: string): Promise<OpenDevice> {
  const loaded = await loadWebgpu();
  if (loaded.module === undefined) throw new GpuUnusable('none', loaded.reason);
  const choice = chooseAdapter(await listAdapters(loaded.module), wanted);
  if (choice.adapter === undefined) throw new GpuUnusable('none', choice.reason);
  const facts = choice.adapter;
  const adapter = await requestByName(loaded.module, facts.name);
  if (adapter === undefined) throw new GpuUnusable('none', `"${facts.name}" is gone`);
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      // The defaults are 128 MiB a binding.
      requiredLimits: {
        maxStorageBufferBindingSize: facts.maxBindingBytes,
        maxBufferSize: facts.maxBufferBytes,
      },
      requiredFeatures: facts.hasTimestamps ? ['timestamp-query'] : [],
    });
  } catch (error) {
    throw new GpuUnusable('none', `"${facts.name}" gives no device: ${error instanceof Error ? error.message : error}`);
  }
  const unlessFailed = guardBy(failureOf(device, facts.name));
  return { facts, device, unlessFailed, close: () => device.destroy() };
}

/** Promise.race would keep 300 bytes for each piece of work until the device fails: 15 MB for an image of a terabyte. */
export function guardBy(failed: Promise<never>): OpenDevice['unlessFailed'] {
  const waiting = new Set<(reason: unknown) => void>();
  let failure: { reason: unknown } | undefined;
  failed.catch((reason: unknown) => {
    failure = { reason };
    for (const reject of waiting) reject(reason);
  });
  return (work) =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure.reason);
      waiting.add(reject);
      work.then(resolve, reject).finally(() => waiting.delete(reject));
    });
}

function failureOf(device: GPUDevice, name: string): Promise<never> {
  return new Promise((_, reject) => {
    void device.lost.then(({ reason, message }) => {
      reject(new GpuUnusable('lost', `"${name}" was lost (${reason}): ${message}`));
    });
    device.addEventListener('uncapturederror', (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      reject(new GpuUnusable('lost', `"${name}" failed: ${error.message}`));
    });
  });
}

/**
 * Makes buffers and pipelines, which may need more memory than the device has. One at a time.
 * @throws GpuUnusable
 */
export async function allocating<T>({ device, facts, unlessFailed }: OpenDevice, make: () => Promise<T>): Promise<T> {
  device.pushErrorScope('out-of-memory');
  const made = await unlessFailed(make()).catch((error: unknown) => error);
  const memory = await unlessFailed(device.popErrorScope());
  if (memory !== null) throw new GpuUnusable('memory', `"${facts.name}" has too little memory: ${memory.message}`);
  if (made instanceof GpuUnusable) throw made;
  if (made instanceof Error) throw new GpuUnusable('lost', `"${facts.name}" refuses a kernel: ${made.message}`);
  return made as T;
}
