import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { echo } from 'zx';
import { replaceSection, section } from './readme.mjs';
import { restoringChart } from './restoring-chart.mjs';
import { savingChart } from './saving-chart.mjs';
import { asText } from './table.mjs';

/** The table on stdout; with --readme also into README.md, and the charts. */
export async function publish(results, file, { readme, out, root }) {
  if (readme) {
    const charts = path.join(out, 'charts');
    await mkdir(charts, { recursive: true });
    const saving = await draw(path.join(charts, 'saving.svg'), savingChart(results));
    const restoring = await draw(path.join(charts, 'restoring.svg'), restoringChart(results));
    // Elsewhere than in bench/, a copy: the README's links must not lead out of the project.
    const isElsewhere = out !== path.join(root, 'bench');
    const target = path.join(isElsewhere ? out : root, 'README.md');
    if (isElsewhere) await copyFile(path.join(root, 'README.md'), target);
    const link = (name) =>
      isWithin(path.dirname(target), name) ? path.relative(path.dirname(target), name) : undefined;
    const links = { saving: link(saving), restoring: link(restoring), raw: link(file) };
    await writeFile(target, replaceSection(await readFile(target, 'utf8'), section(results, links)));
  }
  echo(asText(results));
}

function isWithin(directory, file) {
  return file?.startsWith(`${directory}/`) ?? false;
}

async function draw(file, svg) {
  if (svg === undefined) return undefined;
  await writeFile(file, svg);
  return file;
}
