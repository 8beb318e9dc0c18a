import { defaultMemoryLimit, parseBytes } from '../../src/cli/bytes.js';

describe('sizes on the command line', () => {
  it.each([
    ['4GB', 4e9],
    ['512MiB', 512 * 2 ** 20],
    ['1.5 gb', 1.5e9],
    ['2000000', 2e6],
    ['1e9', 1e9],
  ])('%s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', 'GB', '4 tons', '10', '-1GB', '1..5GB'])('refuses "%s" and says what is wanted', (text) => {
    expect(() => parseBytes(text)).toThrow('such as 4GB');
  });

  it('is half of the memory if nothing is said', () => {
    expect(defaultMemoryLimit()).toBeGreaterThan(1e8);
  });
});
