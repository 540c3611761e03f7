import { setTimeout as sleep } from 'node:timers/promises';

const DATABASE = '/var/lib/test/rows.db';

/**
 * Starts to commit numbered rows, ten a second, each fsynced; `last()` is the newest whose commit the guest reported.
 * @param {Awaited<ReturnType<import('./guest.mjs').bootGuest>>} guest
 */
export async function startRowWriter(guest) {
  await guest.run(`mkdir -p ${DATABASE.replace(/\/[^/]*$/, '')}
    sqlite3 ${DATABASE} 'PRAGMA journal_mode=WAL; CREATE TABLE rows (n INTEGER PRIMARY KEY, text TEXT)'`);
  let last = 0;
  const writer = guest.start(
    `for ((n = 1; ; n++)); do echo "INSERT INTO rows VALUES ($n, hex(randomblob(500))); SELECT $n;"; sleep 0.1; done |
      stdbuf -oL sqlite3 -batch -cmd 'PRAGMA synchronous=FULL' ${DATABASE}`,
    (line) => {
      last = Number(line);
    },
  );
  for (let waitedS = 0; last < 20; waitedS++) {
    if (waitedS > 60) throw new Error(`The guest commits no rows: ${writer.lines.join(' ')}`);
    await sleep(1000);
  }
  return { last: () => last };
}

/** @returns {Promise<{ integrity: string, count: number, last: number }>} what the database of this guest holds */
export async function readRows(guest) {
  const output = await guest.run(
    `sqlite3 ${DATABASE} 'PRAGMA integrity_check; SELECT count(*) FROM rows; SELECT max(n) FROM rows'`,
  );
  const [integrity, count, last] = output.split('\n');
  return { integrity, count: Number(count), last: Number(last) };
}
