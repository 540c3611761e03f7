import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRescueMap } from '../../src/format/rescue-map.js';

/** Reads a mapfile as GNU ddrescue's manual says: comments, one status line, then position, size and status in order. */
function parse(text: string): { status: string[]; blocks: { offset: number; length: number; status: string }[] } {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const [first = '', ...rest] = lines;
  const blocks = rest.map((line) => {
    const [offset, length, status] = line.split(/\s+/) as [string, string, string];
    return { offset: Number(offset), length: Number(length), status };
  });
  return { status: first.split(/\s+/), blocks };
}

test('a disk of 1 MiB with two bad ranges has this map', () => {
  const map = encodeRescueMap(1024 * 1024, [
    { offset: 4096, length: 512 },
    { offset: 1024 * 1024 - 4096, length: 4096 },
  ]);
  assert.equal(
    map,
    [
      '# Mapfile. Created by lifeboat',
      '# current_pos  current_status  current_pass',
      '0x00000000  +  1',
      '#      pos        size  status',
      '0x00000000  0x00001000  +',
      '0x00001000  0x00000200  -',
      '0x00001200  0x000FDE00  +',
      '0x000FF000  0x00001000  -',
      '',
    ].join('\n'),
  );
});

test('positions past 4 GiB have more digits', () => {
  assert.match(encodeRescueMap(2 ** 41, [{ offset: 2 ** 40, length: 512 }]), /^0x10000000000 {2}0x00000200 {2}-$/m);
});

test('the blocks of a map cover the disk from 0 to its end without a gap', () => {
  const gaps = fc.array(fc.tuple(fc.nat(2 ** 31), fc.integer({ min: 1, max: 2 ** 31 })), { maxLength: 10 });
  fc.assert(
    fc.property(gaps, fc.nat(2 ** 31), (ranges, tail) => {
      const bad: { offset: number; length: number }[] = [];
      let at = 0;
      for (const [gap, length] of ranges) {
        bad.push({ offset: at + gap, length });
        at += gap + length;
      }
      const { status, blocks } = parse(encodeRescueMap(at + tail, bad));
      assert.deepEqual(status, ['0x00000000', '+', '1']);
      let end = 0;
      for (const { offset, length } of blocks) {
        assert.equal(offset, end);
        assert.ok(length > 0);
        end += length;
      }
      assert.equal(end, at + tail);
      assert.deepEqual(
        blocks.filter((block) => block.status === '-').map(({ offset, length }) => ({ offset, length })),
        bad,
      );
    }),
  );
});
