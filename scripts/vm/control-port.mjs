import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from './lifetime.mjs';

/** The guest's agent (guest/agent) behind QEMU's socket. */
export async function openControlPort(socketPath, qemu) {
  const socket = await connect(socketPath, qemu);
  const events = new EventEmitter().setMaxListeners(0);
  const waiting = new Map();
  let nextId = 1;
  createInterface({ input: socket }).on('line', (line) => {
    if (line === 'ready') events.emit('ready');
    const [, id, mark, text] = /^(\d+)([>=]) ?(.*)$/.exec(line) ?? [];
    const command = waiting.get(Number(id));
    if (command === undefined) return;
    if (mark === '>') command.line(text);
    else command.end(Number(text));
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    for (const command of waiting.values()) command.end(null);
  });

  /** Starts a command of the guest's bash. `ended` gives its status and output; status null: the guest went away. */
  function start(command, onLine = () => undefined) {
    const id = nextId++;
    const lines = [];
    const ended = new Promise((resolve) => {
      waiting.set(id, {
        line(text) {
          lines.push(text);
          onLine(text);
        },
        end(status) {
          waiting.delete(id);
          resolve({ status, output: lines.join('\n') });
        },
      });
    });
    socket.write(`${id} ${Buffer.from(command).toString('base64')}\n`);
    return { ended, lines };
  }

  return {
    ready: once(events, 'ready'),
    start,
    /** The output of a command that must not fail. */
    async run(command, timeoutS = 60) {
      const { status, output } = await within(timeoutS, `In the guest: ${command}`, start(command).ended);
      if (status !== 0) throw new Error(`In the guest: ${command}: status ${status}\n${output}`);
      return output;
    },
    close: () => socket.destroy(),
  };
}

async function connect(socketPath, qemu) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = net.connect(socketPath);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      // QEMU has not made it yet.
    }
    if (qemu.child.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`QEMU does not start: ${qemu.said.trim()}`);
}
