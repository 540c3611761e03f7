import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { parseConfig } from '../../src/config/read-config.js';
import { CONFIG } from '../../src/config/schema.js';
import { schemaTables } from '../../src/config/schema-tables.js';

const TEXT = readFileSync('hooks/config.toml', 'utf8');
/** With all that is shown in comments: keys, and tables of notifications. */
const UNCOMMENTED = TEXT.replace(/^# (?=(\[\[\w+\]\]|[\w-]+ = .*)$)/gm, '');
/** What stands for a key without a default. */
const EXAMPLES = ['boot.to', 'boot.disk', 'boot.level', 'boot.finish-by', 'alerts.max-age', 'alerts.window'];

describe('hooks/config.toml', () => {
  test('means what no configuration means', () => {
    const { config, problems } = parseConfig(TEXT);
    assert.deepEqual({ config, problems }, { config: CONFIG.parse({}), problems: [] });
  });

  test('shows every key of the schema, in its table and with its default, and no other', () => {
    const shown = parse(UNCOMMENTED) as Record<string, Record<string, unknown> | Record<string, unknown>[]>;
    const tables = schemaTables();
    assert.deepEqual(Object.keys(shown), [...new Set(tables.map(({ name }) => name))]);
    for (const { name, type, isArray, keys } of tables) {
      const table = shown[name];
      const values = Array.isArray(table) ? table.find((each) => each.type === type) : table;
      assert.ok(values !== undefined && Array.isArray(table) === isArray, `${name} ${type ?? ''}`);
      assert.deepEqual(
        Object.keys(values),
        keys.map((key) => key.name),
        `${name} ${type ?? ''}`,
      );
      for (const key of keys) {
        if (isArray && key.defaultValue === undefined) continue;
        if (EXAMPLES.includes(`${name}.${key.name}`)) assert.equal(key.defaultValue, undefined);
        else assert.deepEqual(values[key.name], key.defaultValue, `${name}.${key.name}`);
      }
    }
  });

  test('its examples are right', () => {
    const both = 'url = "https://hc-ping.com/your-uuid-here"\n';
    assert.ok(UNCOMMENTED.includes(both));
    assert.deepEqual(parseConfig(UNCOMMENTED.replace(both, '')).problems, []);
  });

  test('says something of each key', () => {
    const lines = TEXT.split('\n');
    for (const [index, line] of lines.entries()) {
      if (!/^# [\w-]+ = /.test(line) || /^# (type|on|to|url|token-file|url-file) = /.test(line)) continue;
      assert.match(lines[index - 1] ?? '', /^# .*[.:]$/, line);
    }
    for (const line of lines) assert.ok(line.length <= 130, line);
  });
});
