import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { lifeboat } from '../cli/program.js';

const MANUAL = 'docs/lifeboat.8';
const COMPLETION = resolve('hooks/completion.bash');
const skip = existsSync('dist/main.js') ? false : 'the project is not built';

test('the manual is right as mandoc sees it', {
  skip: existsSync('/usr/bin/mandoc') ? false : 'mandoc is not installed',
}, async () => {
  const ran = await execa('mandoc', ['-Tlint', '-W', 'warning', MANUAL], { reject: false, all: true });
  assert.deepEqual([ran.exitCode, ran.all], [0, '']);
});

test('manual and completion have the verbs that --help shows', { skip }, async () => {
  const verbs = (await helpVerbs()).sort();
  assert.deepEqual([...manualSections().keys()].sort(), verbs);
  assert.deepEqual((await complete(['lifeboat', ''])).sort(), verbs);
});

test('the manual has the flags that --help of each verb shows, and no others', { skip }, async () => {
  const sections = manualSections();
  // What vzdump calls takes words only.
  for (const verb of (await helpVerbs()).filter((name) => name !== 'hook'))
    assert.deepEqual([...(sections.get(verb) ?? [])].sort(), await helpFlags(verb), `${MANUAL}: lifeboat ${verb}`);
});

test('completion has the same flags', { skip }, async () => {
  for (const verb of await helpVerbs()) {
    const long = (await helpFlags(verb)).filter((flag) => flag.startsWith('--') && flag !== '--version');
    assert.deepEqual(positive(await complete(['lifeboat', verb, '--'])), long, verb);
  }
});

test('completion has the values that --help shows', { skip }, async () => {
  for (const verb of await helpVerbs()) {
    const help = await helpOf(verb);
    for (const [, flag = '', list = ''] of help.matchAll(/--([\w-]+)(?:(?!--)[^[])*\[choices: ([^\]]+)\]/g)) {
      const choices = [...list.matchAll(/"([^"]+)"/g)].map(([, choice]) => choice).sort();
      assert.deepEqual((await complete(['lifeboat', verb, `--${flag}`, ''])).sort(), choices, `${verb} --${flag}`);
      assert.deepEqual((await complete(['lifeboat', verb, `--${flag}`, '=', ''])).sort(), choices);
    }
  }
});

test('completion has disks, directories and files', async () => {
  const disks = await complete(['lifeboat', 'boot', '--disk', '']);
  assert.ok(disks.every((disk) => disk.startsWith('/dev/')));
  assert.ok((await complete(['lifeboat', 'boot', '--to', '/usr/l'])).includes('/usr/lib'));
  assert.deepEqual(await complete(['lifeboat', 'list', resolve('package.js')]), []);
  assert.deepEqual(await complete(['lifeboat', 'verify', resolve('package.js')]), [resolve('package.json')]);
  assert.deepEqual(await complete(['lifeboat', 'config', '']), ['check', 'show']);
});

test('completion starts no program', async () => {
  const script = `source '${COMPLETION}'; PATH=/nowhere; COMP_WORDS=(lifeboat image --); COMP_CWORD=2; _lifeboat; echo "\${#COMPREPLY[@]}"`;
  const { stdout, stderr } = await execa('bash', ['--norc', '-c', script]);
  assert.equal(stderr, '');
  assert.ok(Number(stdout) > 10);
});

async function complete(words: string[]): Promise<string[]> {
  const script = `source '${COMPLETION}'; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lifeboat; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await execa('bash', ['--norc', '-c', script, 'bash', ...words]);
  return stdout.split('\n').filter((line) => line !== '');
}

async function helpOf(...verb: string[]): Promise<string> {
  const { stdout, stderr } = await lifeboat([...verb, '--help'], { env: { COLUMNS: '200' } });
  return `${stdout}${stderr}`;
}

async function helpVerbs(): Promise<string[]> {
  return [...(await helpOf()).matchAll(/^ {2}lifeboat ([\w-]+)/gm)].flatMap(([, verb]) => verb ?? []);
}

async function helpFlags(verb: string): Promise<string[]> {
  const help = await helpOf(verb);
  const options = help.slice(help.indexOf('\nOptions:')).split('\n\n')[0] ?? '';
  const lines = [...options.matchAll(/^ +(?:(-\w), )? *(--[\w-]+) /gm)];
  return positive(lines.flatMap(([, short, long]) => [short, long]));
}

/** Flags of each verb's section in the manual, those of several verbs too. */
function manualSections(): Map<string, Set<string>> {
  const sections = new Map<string, Set<string>>();
  const shared: { verbs: string; flags: string[] }[] = [];
  for (const section of readFileSync(MANUAL, 'utf8').split(/^\.S[sh] /m)) {
    const heading = section.slice(0, section.indexOf('\n'));
    const items = section.split('\n').filter((line) => line.startsWith('.It Fl '));
    const flags = items.flatMap((line) => [...line.matchAll(/\bFl (\S+)/g)].map(([, flag]) => `-${flag}`));
    if (heading.startsWith('lifeboat ')) sections.set(heading.slice('lifeboat '.length), new Set(positive(flags)));
    else if (heading.startsWith('Options of ')) shared.push({ verbs: heading, flags });
  }
  for (const { verbs, flags } of shared)
    for (const [verb, own] of sections)
      if (verbs.includes('every command') || new RegExp(`\\b${verb}\\b`).test(verbs))
        for (const flag of flags) own.add(flag);
  return sections;
}

/** --no-verify is what --help shows as --verify. */
function positive(flags: (string | undefined)[]): string[] {
  return flags.flatMap((flag) => flag?.replace(/^--no-/, '--') ?? []).sort();
}
