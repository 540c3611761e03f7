import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bzip2Container, noneContainer } from '../../src/format/bare.js';
import { assemble, memoryFile } from './assemble.js';
import { pipeCursor } from './container-rules.js';

for (const container of [bzip2Container, noneContainer]) {
  test(`${container.codec}: a file is its frames and nothing else`, async () => {
    const frames = [Buffer.from('one'), Buffer.from('two')];
    const { file, table } = assemble(container, 4096, frames, [10, 20]);
    assert.equal(file.toString(), 'onetwo');
    assert.deepEqual([table.storedBytes, table.plainBytes, container.epilogueBytes(table)], [6, 30, 0]);
    assert.equal(container.selfProving, false);
    assert.equal(container.parsePrologue(file), undefined);
    assert.equal(await container.readIndex(memoryFile(file)), undefined);
    assert.equal(await container.walkFrame(pipeCursor(file)), undefined);
  });
}

test('an empty bzip2 file needs a frame, an empty raw disk does not', () => {
  assert.equal(bzip2Container.needsFrame, true);
  assert.equal(noneContainer.needsFrame, false);
});
