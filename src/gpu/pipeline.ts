/// <reference types="@webgpu/types" />

/** A kernel and the numbers of the bindings that it uses. */
export interface Kernel {
  name: string;
  code: string;
  bindings: readonly number[];
}

/** One dispatch: the pipeline with its buffers. */
export interface Step {
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
}

/** @throws GPUPipelineError with the compiler's words, which would be a defect of ours or of the driver */
export function createPipelines(device: GPUDevice, kernels: readonly Kernel[]): Promise<GPUComputePipeline[]> {
  return Promise.all(
    kernels.map(({ name, code }) =>
      device.createComputePipelineAsync({
        label: name,
        layout: 'auto',
        compute: { module: device.createShaderModule({ label: name, code }), entryPoint: 'main' },
      }),
    ),
  );
}

/** @param buffers by the number of their binding */
export function bindSteps(
  device: GPUDevice,
  kernels: readonly Kernel[],
  pipelines: readonly GPUComputePipeline[],
  buffers: ReadonlyMap<number, GPUBuffer>,
): Step[] {
  return pipelines.map((pipeline, at) => ({
    pipeline,
    group: device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: (kernels[at]?.bindings ?? []).map((binding) => {
        const buffer = buffers.get(binding);
        if (buffer === undefined) throw new Error(`no buffer for binding ${binding} of ${kernels[at]?.name}`);
        return { binding, resource: { buffer } };
      }),
    }),
  }));
}
