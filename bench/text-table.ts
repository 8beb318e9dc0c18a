/** Columns of text: the first left-aligned, the others right. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const aligned = lines.map((line) =>
    widths.map((width, i) => (i === 0 ? (line[i] ?? '').padEnd(width) : (line[i] ?? '').padStart(width))).join('  '),
  );
  aligned.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return aligned.map((line) => line.trimEnd()).join('\n');
}
