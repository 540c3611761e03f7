/// <reference types="@webgpu/types" />
import { hasVulkanDriver } from './vulkan-driver.js';
import type { WebgpuModule } from './webgpu.js';

/** What a user may know of a graphics card before it is used. */
export interface AdapterFacts {
  /** Its place in the driver's list, which `--gpu` takes. */
  index: number;
  /** As the driver calls it. */
  name: string;
  vendor: string;
  /** It runs on the processors, so it is slower than their own LZ4. */
  isSoftware: boolean;
  hasTimestamps: boolean;
  maxBindingBytes: number;
  maxBufferBytes: number;
  /** False: Dawn takes the first whose name holds the one that is asked for, and that is one before it. */
  isReachable: boolean;
}

const BACKEND = 'backend=vulkan';
/** SwiftShader clears workgroup memory by one instruction a word: 16 KiB of it take 5 s to compile. Dawn clears it by a loop then. */
const NO_CLEARING = 'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';
/** No driver calls a device so: asking for it makes Dawn tell the names of all, which nothing else does. */
const NO_NAME = 'lifeboat-asks-for-all-names';

/** Kept for good: once an instance is collected, its adapters and devices hang or abort the process. */
const instances = new Map<string, GPU>();

function instanceFor(webgpu: WebgpuModule, name: string): GPU {
  const instance = instances.get(name) ?? webgpu.create([BACKEND, NO_CLEARING, `adapter=${name}`]);
  instances.set(name, instance);
  return instance;
}

/** The names of all adapters, in the driver's order. Empty where there is no Vulkan driver. */
export async function adapterNames(webgpu: WebgpuModule): Promise<string[]> {
  if (!hasVulkanDriver()) return [];
  try {
    await instanceFor(webgpu, NO_NAME).requestAdapter();
    return [];
  } catch (error) {
    return namesIn(error instanceof Error ? error.message : String(error));
  }
}

/** @param message ` * backend: 'vulkan', name: 'NVIDIA H200'`, a line each */
export function namesIn(message: string): string[] {
  return [...message.matchAll(/^ \* backend: 'vulkan', name: '(.*)'$/gm)].map(([, name]) => name ?? '');
}

/** @returns undefined if the driver has no such adapter any more */
export async function requestByName(webgpu: WebgpuModule, name: string): Promise<GPUAdapter | undefined> {
  try {
    return (await instanceFor(webgpu, name).requestAdapter()) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Everything there is, for `lifeboat gpu`. */
export async function listAdapters(webgpu: WebgpuModule): Promise<AdapterFacts[]> {
  const names = await adapterNames(webgpu);
  const facts: AdapterFacts[] = [];
  for (const [index, name] of names.entries()) {
    const adapter = await requestByName(webgpu, name);
    if (adapter !== undefined) facts.push(factsOf(adapter, index, name, isReachable(names, index)));
  }
  return facts;
}

/** Two equal cards have one name, and "H200" is also found in "H200 NVL". Nothing else than a name tells adapters apart. */
export function isReachable(names: readonly string[], index: number): boolean {
  const name = names[index];
  return name !== undefined && names.findIndex((other) => other.includes(name)) === index;
}

function factsOf(adapter: GPUAdapter, index: number, name: string, isReachable: boolean): AdapterFacts {
  return {
    index,
    name,
    vendor: adapter.info.vendor,
    isSoftware: isSoftware(adapter.info, name),
    hasTimestamps: adapter.features.has('timestamp-query'),
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
    maxBufferBytes: adapter.limits.maxBufferSize,
    isReachable,
  };
}

const SOFTWARE_NAMES = /swiftshader|llvmpipe|lavapipe|software/i;

export function isSoftware(info: Pick<GPUAdapterInfo, 'isFallbackAdapter'>, name: string): boolean {
  return info.isFallbackAdapter || isSoftwareName(name);
}

export function isSoftwareName(name: string): boolean {
  return SOFTWARE_NAMES.test(name);
}

/**
 * Which adapter to take.
 * @param wanted `auto`, an index, or a part of a name in any case; a software adapter is taken only when it is asked for
 * @returns the facts, or why there is none
 */
export function chooseAdapter(
  adapters: readonly AdapterFacts[],
  wanted: string,
): { adapter: AdapterFacts } | { adapter: undefined; reason: string } {
  const none = (reason: string) => ({ adapter: undefined, reason });
  if (adapters.length === 0)
    return none('no Vulkan driver shows a graphics card (apt install libvulkan1, and its driver)');
  const shown = adapters.map(({ index, name }) => `${index}: ${name}`).join(', ');
  if (wanted === 'auto') {
    const adapter = adapters.find((facts) => !facts.isSoftware);
    return adapter === undefined ? none(`there are only software devices (${shown})`) : { adapter };
  }
  const byIndex = /^\d+$/.test(wanted) ? adapters.find(({ index }) => index === Number(wanted)) : undefined;
  const byName = adapters.find(({ name }) => name === wanted);
  const adapter = byIndex ?? byName ?? adapters.find(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  if (adapter === undefined) return none(`no graphics card is called "${wanted}" (there are ${shown})`);
  if (!adapter.isReachable)
    return none(
      `"${wanted}" cannot be told from a card of that name before it, which is used instead (there are ${shown})`,
    );
  return { adapter };
}
