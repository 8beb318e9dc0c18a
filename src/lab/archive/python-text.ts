/** Values as Python's `str()` writes them: the authors' folders are named so. */

export function pythonInt(value: number): string {
  return BigInt(value).toString();
}

/**
 * A float: the shortest digits that give it back, always with a point or an exponent: `0.1`, `1.0`; below 1e-4 and from
 * 1e16 on with an exponent of two digits or more: `1e-05`, `1e+16`.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16)) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const plain = Object.is(value, -0) ? '-0' : String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}

export function pythonBool(value: boolean): string {
  return value ? 'True' : 'False';
}
