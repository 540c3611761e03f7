/**
 * Who is measured against whom. A row's `script` is what runs and what the results show: `e` measures one part of a pipe,
 * `s` a sync, and all that differs from machine to machine is a variable.
 *
 *     $SRC      the disk                $IMAGE    what a restore reads
 *     $OUT      what the row writes     $THREADS  as many as there are processors to use
 */

/** Slow codecs take the first part of the disk. Twice as many of xz's blocks (24 MiB at -6) as there are processors. */
export function pieceMib(cores) {
  return Math.max(512, 48 * cores);
}

const SAVES = [
  save('gzip', 6, [gzipSave('gzip -6'), gzipSave('pigz -6 -p "$THREADS"')]),
  save('gzip', 1, [
    gzipSave('gzip -1'),
    gzipSave('pigz -1 -p "$THREADS"'),
    // Debian's is built without threads and takes the flag all the same.
    gzipSave('igzip -1 -T "$THREADS"'),
    gzipSave('igzip -3 -T "$THREADS"'),
  ]),
  save('gzip', 9, [gzipSave('pigz -9 -p "$THREADS"')]),
  save('zstd', 1, [peerSave('zstd -q -1 -T"$THREADS"', 'zstd')]),
  save('zstd', 3, [peerSave('zstd -q -3 -T"$THREADS"', 'zstd'), partclone()]),
  save('zstd', 9, [peerSave('zstd -q -9 -T"$THREADS"', 'zstd')]),
  save('lz4', 1, [peerSave('lz4 -q -1', 'lz4')]),
  save('xz', 1, [peerSave('xz -q -1 -T"$THREADS"', 'xz')], { onPiece: true }),
  save('xz', 6, [peerSave('xz -q -6 -T"$THREADS"', 'xz')], { onPiece: true, mostRuns: 3 }),
];

const RESTORES = [
  restore('gzip', 6, 'pigz -6', ['gzip -dc', 'pigz -dc -p "$THREADS"', 'igzip -dc']),
  restore('gzip', 6, 'pigz -6', ['pigz -dc -p "$THREADS"', 'igzip -dc'], { isForeign: true }),
  restore('zstd', 3, 'zstd -3', ['zstd -qdc']),
  restore('lz4', 1, 'lz4 -1', ['lz4 -qdc']),
  restore('xz', 1, 'xz -1', ['xz -qdc -T"$THREADS"'], { onPiece: true }),
];

/** What --smoke leaves out: slow, and run by the same code as the others. */
const NOT_IN_SMOKE = /gzip 9|zstd 9|xz/;

/** @param {{ only: RegExp, smoke: boolean }} options */
export function chooseComparisons({ only, smoke }) {
  return [...SAVES, ...RESTORES]
    .filter(({ name }) => !(smoke && NOT_IN_SMOKE.test(name)))
    .map((comparison) => keepRows(comparison, only))
    .filter(({ rows }) => rows.length > 0);
}

/** Where a peer is wanted, lifeboat stays beside it. */
function keepRows(comparison, only) {
  const isWanted = ({ name }) => only.test(`${comparison.name} ${name}`);
  const isAnyWanted = comparison.rows.some(isWanted);
  return { ...comparison, rows: comparison.rows.filter((row) => isWanted(row) || (isAnyWanted && row.ours)) };
}

/** The row that makes what a restore reads. */
export function findMaker(comparison, { from }) {
  return SAVES.find(({ name }) => name === comparison.madeBy).rows.find(({ name }) => name === from);
}

function save(codec, level, peers, { onPiece = false, mostRuns = Infinity } = {}) {
  const ours = {
    name: 'lifeboat',
    ours: true,
    tools: [],
    script: `e "$LIFEBOAT" image "$SRC" -o "$OUT" -q -p "$THREADS" -c ${codec} -l ${level} && s "$OUT"`,
    check: `${codec} -dc <"$OUT" | cmp - "$SRC"`,
  };
  const name = `save ${codec} ${level}`;
  return { name, kind: 'save', codec, level, onPiece, mostRuns, isForeign: false, rows: [ours, ...peers] };
}

function peerSave(command, stock) {
  const tool = command.split(' ')[0];
  return {
    name: shortName(command),
    ours: false,
    tools: [tool, stock],
    script: `e dd if="$SRC" bs=4M $DIRECT status=none | e ${command} >"$OUT" && s "$OUT"`,
    check: `${stock} -dc <"$OUT" | cmp - "$SRC"`,
  };
}

function gzipSave(command) {
  return peerSave(command, 'gzip');
}

/** Its clock looks once in two seconds whether it is done, unless it is told to look more often. */
function partclone() {
  return {
    name: 'partclone | zstd -3',
    ours: false,
    needsFileSystem: true,
    note: 'reads and stores only the blocks in use; checked by restoring it, on a disk that was named by partclone.chkimg',
    tools: ['partclone', 'zstd'],
    script:
      'e "partclone.$FILE_SYSTEM" -c -q -f 1 -L /dev/null -s "$SRC" -o - | e zstd -q -3 -T"$THREADS" >"$OUT" && s "$OUT"',
    // A real disk's free blocks hold something, which partclone does not save: there its own check has to do.
    check: `if [ "$IS_GENERATED" = yes ]; then
  truncate -s "$BYTES" "$OUT.back" && zstd -qdc <"$OUT" | partclone.restore -q -C -L /dev/null -s - -O "$OUT.back" >/dev/null &&
    cmp "$OUT.back" "$SRC" && rm "$OUT.back"
else
  zstd -qdc <"$OUT" | partclone.chkimg -L /dev/null -s - >/dev/null
fi`,
  };
}

/** Foreign: lifeboat gets the peer's file, one stream of which no part can be decoded before all that stands before it. */
function restore(codec, level, maker, commands, { onPiece = false, isForeign = false } = {}) {
  const ours = {
    name: 'lifeboat',
    ours: true,
    tools: isForeign ? [maker.split(' ')[0]] : [],
    from: isForeign ? maker : 'lifeboat',
    script: 'e "$LIFEBOAT" restore "$IMAGE" -o "$OUT" -q -p "$THREADS" && s "$OUT"',
    check: 'cmp "$OUT" "$SRC"',
  };
  const peers = commands.map((command) => ({
    name: shortName(command),
    ours: false,
    tools: [command.split(' ')[0], maker.split(' ')[0]],
    from: maker,
    script: `e ${command} "$IMAGE" | e dd of="$OUT" bs=4M conv=sparse iflag=fullblock status=none && s "$OUT"`,
    check: 'cmp "$OUT" "$SRC"',
  }));
  const name = isForeign ? `restore foreign ${codec}` : `restore ${codec}`;
  const madeBy = `save ${codec} ${level}`;
  const rows = [ours, ...peers];
  return { name, kind: 'restore', codec, level, madeBy, onPiece, mostRuns: Infinity, isForeign, rows };
}

/** Without the flags that say how many threads and how to speak. */
function shortName(command) {
  return command
    .replace(/ -[pT] ?"\$THREADS"/, '')
    .replace(' -q ', ' ')
    .replace(/ -q?dc$/, ' -d');
}
