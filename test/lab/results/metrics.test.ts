import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { DataError } from '../../../src/errors.js';
import {
  formatRow,
  metricsColumns,
  metricsHeader,
  parseMetrics,
  readMetrics,
  type MetricsRow,
} from '../../../src/lab/results/metrics.js';
import { someRow, temporaryFolder } from './support.js';

const folder = temporaryFolder();
const rows = [someRow(0), someRow(100, { batch_loss: NaN, test_loss: Infinity, train_loss: 1e-7 }), someRow(200)];
const text = metricsHeader + rows.map(formatRow).join('');

test('what was written is read, NaN and Infinity included', () => {
  expect(parseMetrics(text, 'm')).toEqual(rows);
});

test('any rows survive the round trip, to the last bit', () => {
  const value = fc.double().map((x) => x + 0); // -0 is written as 0
  const values = fc.record(Object.fromEntries(metricsColumns.map((column) => [column, value])));
  fc.assert(
    fc.property(fc.array(values), (made) => {
      const numbered = made.map((row, step) => ({ ...row, step }) as MetricsRow);
      expect(parseMetrics(metricsHeader + numbered.map(formatRow).join(''), 'm')).toEqual(numbered);
    }),
  );
});

test('decimals of every length and form are read as Number reads them', () => {
  const digits = fc.stringMatching(/^\d{0,20}$/);
  const decimal = fc.oneof(
    fc.tuple(digits, fc.constantFrom('', '.'), digits).map((parts) => parts.join('')),
    fc.constantFrom(
      '.',
      '1.2.3',
      '1e5',
      '-1.5',
      '+2',
      '0x10',
      '1_000',
      '12a',
      '007',
      '.5',
      '5.',
      '123456789.123456789',
    ),
  );
  fc.assert(
    fc.property(decimal, (field) => {
      const file = text.replace('2.3', field); // the first loss
      const expected = Number(field);
      if (field === '' || Number.isNaN(expected)) expect(() => parseMetrics(file, 'm')).toThrow(DataError);
      else expect(parseMetrics(file, 'm')[0]?.batch_loss).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

test('files longer than any buffer are read whole', () => {
  const many = Array.from({ length: 3000 }, (_, i) => someRow(i));
  writeFileSync(join(folder.path, 'metrics.csv'), metricsHeader + many.map(formatRow).join(''));
  expect(readMetrics(folder.path)).toEqual(many);
  writeFileSync(join(folder.path, 'metrics.csv'), text); // and nothing of a longer one stays
  expect(readMetrics(folder.path)).toEqual(rows);
});

test('a last line without its newline is a torn write and is dropped, wherever it was cut', () => {
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  for (let cut = end; cut < text.length; cut++) expect(parseMetrics(text.slice(0, cut), 'm')).toEqual(rows.slice(0, 2));
  expect(parseMetrics(metricsHeader.slice(0, 9), 'm')).toEqual([]);
  expect(parseMetrics('', 'm')).toEqual([]);
});

test('CRLF, a byte order mark, blank lines, extra and reordered columns are read', () => {
  expect(parseMetrics(text.replaceAll('\n', '\r\n'), 'm')).toEqual(rows);
  expect(parseMetrics(`\uFEFF${text}\n\n`, 'm')).toEqual(rows);
  const widened = text
    .trimEnd()
    .split('\n')
    .map((line, i) => `${i === 0 ? 'note' : `"a, b ${i}"`},${line.split(',').reverse().join(',')}\n`);
  expect(parseMetrics(widened.join(''), 'm')).toEqual(rows);
});

const line = (row: MetricsRow): string => formatRow(row);
test.each([
  [
    'steps out of order',
    line(someRow(5)) + line(someRow(4)),
    'm:3: step: found 4 after 5, expected steps that increase',
  ],
  ['a repeated step', line(someRow(5)) + line(someRow(5)), 'm:3: step: found 5 after 5'],
  ['a word', line(someRow(5)).replace('2.3', 'low'), 'm:2: batch_loss: found "low", expected a number'],
  ['an empty field', line(someRow(5)).replace('2.3', ''), 'm:2: batch_loss: found "", expected a number'],
  ['a short line', '5,1,2\n', 'm:2: train_wall_s: found "", expected a number'],
  ['a field that is missing at the end of a short line', '5,1,\n6,1,1,1,1,1,1,1\n', 'm:2: wall_s: found "", expected'],
  ['a number that ends a short line', '5,1,3\n,1,1,1,1,1,1,1\n', 'm:2: train_wall_s: found "", expected a number'],
  ['a wrong line after a blank one', '\n5,1,x,2\n', 'm:3: wall_s: found "x", expected a number'],
])('%s is an error that names the line', (_name, body, message) => {
  expect(() => parseMetrics(metricsHeader + body, 'm')).toThrow(DataError);
  expect(() => parseMetrics(metricsHeader + body, 'm')).toThrow(message);
});

test('a missing column, a broken quote and a missing file are errors', () => {
  expect(() => parseMetrics('step,epoch\n1,2\n', 'm')).toThrow('m: column "wall_s" is missing');
  expect(() => parseMetrics(`${metricsHeader}"1,2\n`, 'm')).toThrow(/^m: not a CSV file: /);
  expect(() => readMetrics(folder.path)).toThrow(/metrics\.csv: missing$/);
});

test('a run folder is read from its file', () => {
  writeFileSync(join(folder.path, 'metrics.csv'), text);
  expect(readMetrics(folder.path)).toEqual(rows);
});
