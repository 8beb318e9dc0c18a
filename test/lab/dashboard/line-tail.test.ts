import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineTail } from '../../../src/lab/dashboard/line-tail.js';
import { temporaryFolder } from '../results/support.js';

const folder = temporaryFolder();
const path = (): string => join(folder.path, 'lines');

test('only whole lines, each once', async () => {
  const tail = new LineTail(path());
  expect(await tail.read()).toBeNull();
  writeFileSync(path(), 'one\ntw');
  expect(await tail.read()).toEqual({ from: 0, to: 4, text: 'one\n', restarted: false });
  expect(await tail.read()).toBeNull();
  appendFileSync(path(), 'o\nthree\n');
  expect(await tail.read()).toEqual({ from: 4, to: 14, text: 'two\nthree\n', restarted: false });
});

test('what is known at the beginning is skipped, but for the line that is not whole', async () => {
  writeFileSync(path(), `${'x'.repeat(10_000)}\nlast`);
  const tail = new LineTail(path());
  await tail.skip();
  appendFileSync(path(), ' line\n');
  expect(await tail.read()).toMatchObject({ from: 10_001, text: 'last line\n' });
});

test('a file that is begun anew is read from its beginning', async () => {
  writeFileSync(path(), 'a long line\n');
  const tail = new LineTail(path());
  await tail.read();
  writeFileSync(path(), 'short\n');
  expect(await tail.read()).toEqual({ from: 0, to: 6, text: 'short\n', restarted: true });
  rmSync(path());
  expect(await tail.read()).toBeNull();
  writeFileSync(path(), 'a longer line than before\n');
  expect(await tail.read()).toMatchObject({ from: 0, restarted: true });
  tail.restart();
  expect(await tail.read()).toMatchObject({ text: 'a longer line than before\n', restarted: true });
});

test('much at once comes in parts', async () => {
  const line = `${'y'.repeat(99)}\n`;
  writeFileSync(path(), line.repeat(25_000));
  const tail = new LineTail(path());
  const parts: string[] = [];
  for (let part = await tail.read(); part; part = await tail.read()) {
    expect(part.text.length).toBeLessThanOrEqual(1 << 20);
    parts.push(part.text);
  }
  expect(parts.length).toBe(3);
  expect(parts.join('')).toBe(line.repeat(25_000));
});
