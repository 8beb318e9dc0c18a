import { ConfigError, messageOf } from '../src/errors.js';

it('what others throw becomes one line that no terminal obeys; our own messages stay as they are', () => {
  expect(messageOf(new SyntaxError('Unexpected token \u001b[2J\r, "!\n  "x"" is not JSON'))).toBe(
    'Unexpected token \\u001b[2J\\u000d, "! "x"" is not JSON',
  );
  expect(messageOf('just a text\nof two lines')).toBe('just a text of two lines');
  expect(messageOf(new ConfigError('a.yaml:1:1: one\na.yaml:2:1: two'))).toBe('a.yaml:1:1: one\na.yaml:2:1: two');
});
