/// <reference types="@webgpu/types" />
import type * as Webgpu from 'webgpu';

/** Dawn, as the npm package `webgpu` brings it: 130 MB that most hosts need not have. */
export const WEBGPU_PACKAGE = 'webgpu';

export const WEBGPU_MISSING = `the npm package ${WEBGPU_PACKAGE} is not installed (install.sh --with-gpu brings it)`;

export type WebgpuModule = Pick<typeof Webgpu, 'create'>;

/** @returns the module, or why it cannot be used here, as a sentence with what to do */
export async function loadWebgpu(): Promise<{ module: WebgpuModule } | { module: undefined; reason: string }> {
  try {
    return { module: await import('webgpu') };
  } catch (error) {
    const isMissing = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(
      (error as NodeJS.ErrnoException | undefined)?.code ?? '',
    );
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return {
      module: undefined,
      reason: isMissing ? WEBGPU_MISSING : `the npm package ${WEBGPU_PACKAGE} cannot be loaded: ${why}`,
    };
  }
}
