/** What vzdump tells a hook by its environment; undefined where it tells nothing. */
export interface VzdumpEnvironment {
  /** Name of the storage. */
  storage: string | undefined;
  /** "qemu" or "lxc". */
  type: string | undefined;
  /** Of the guest. */
  hostname: string | undefined;
  /** A path, `vm/100/2026-01-01T00:00:00Z` for a Proxmox Backup Server, `-` for standard output. */
  target: string | undefined;
  logFile: string | undefined;
}

export function readVzdumpEnvironment(env: NodeJS.ProcessEnv): VzdumpEnvironment {
  return {
    storage: env.STOREID || undefined,
    type: env.VMTYPE || undefined,
    hostname: env.HOSTNAME || undefined,
    target: env.TARGET || undefined,
    logFile: env.LOGFILE || undefined,
  };
}

/** What bin/lifeboat sets where nothing is set. */
const LAUNCHER_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment as vzdump made it, without what sh and the launcher have added on the way here. */
export function environmentForHooks(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PWD: _pwd, UV_THREADPOOL_SIZE: _threads, PATH, ...rest } = env;
  return PATH === undefined || PATH === LAUNCHER_PATH ? rest : { ...rest, PATH };
}
