/** What is going on, on stderr: the table alone goes to stdout. */

export function say(text) {
  process.stderr.write(`${clock()} ${text}\n`);
}

/** Names what begins now; the function that comes back ends the line with how it went. */
export function begin(text) {
  process.stderr.write(`${clock()} ${text} ... `);
  return (outcome) => process.stderr.write(`${outcome}\n`);
}

function clock() {
  return new Date().toTimeString().slice(0, 8);
}
