/** Processor time that all threads of this process have had so far, in user and kernel mode, in ms. */
export function processorTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
