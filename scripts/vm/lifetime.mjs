import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { $ } from 'zx';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
const running = new Set();

/** Gives `action` a directory that is gone afterwards, and ends what it started, however this ends. */
export async function inWorkDirectory(parent, action) {
  const directory = await mkdtemp(path.join(parent, 'lifeboat-vm.'));
  const stopping = new AbortController();
  $.signal = stopping.signal;
  const end = async () => {
    stopping.abort();
    await Promise.all([...running].map(kill));
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.once(signal, () => void end().finally(() => process.exit(status)));
  }
  try {
    return await action(directory);
  } finally {
    await end();
  }
}

/** Starts a program that ends with this one; its errors are kept in `said`. */
export function startProcess(file, args) {
  // Proxmox hosts and CI runners have other work too.
  const child = spawn('nice', ['-n', '10', file, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const started = { child, said: '', ended: undefined };
  child.stderr.setEncoding('utf8').on('data', (text) => {
    started.said += text;
  });
  started.ended = new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', (error) => {
      started.said += error.message;
      resolve(null);
    });
  });
  running.add(started);
  void started.ended.then(() => running.delete(started));
  return started;
}

/** Ends it at once, as a power cut does, and waits until it is gone. */
export async function kill(started) {
  started.child.kill('SIGKILL');
  await started.ended;
}

/** @throws when `promise` takes longer than that */
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
