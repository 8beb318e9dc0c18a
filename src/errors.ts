/**
 * Errors that a user can do something about. Each says what was wrong, where, and what to do; the CLI prints the
 * message as one line and exits with `exitCode`. Anything that is not an `HbpError` is a defect of hbp itself.
 */
export abstract class HbpError extends Error {
  abstract readonly exitCode: number;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A wrong argument, experiment file or hyper-parameter. Exit code 2. */
export class ConfigError extends HbpError {
  readonly exitCode = 2;
}

/** A dataset, run folder or metrics file that is missing, truncated or corrupt. Exit code 3. */
export class DataError extends HbpError {
  readonly exitCode = 3;
}

/** A backend that cannot be loaded or cannot do what is asked. Exit code 4. */
export class BackendError extends HbpError {
  readonly exitCode = 4;
}

/** A job scheduler that is not here, does not answer or refuses. Exit code 5. */
export class ClusterError extends HbpError {
  readonly exitCode = 5;
}

/** A run that cannot go on: locked by another process, say. Exit code 1. */
export class RunError extends HbpError {
  readonly exitCode = 1;
}

/** A run that another process writes, or has taken over. Exit code 1. */
export class TakenError extends RunError {}

/** A training whose numbers are not finite any more: it would end in the same way again. Exit code 1. */
export class DivergenceError extends RunError {}

/**
 * The message of anything that was thrown. What is not ours becomes one line without control characters: parsers quote
 * what they have read, and a terminal would obey it.
 */
export function messageOf(error: unknown): string {
  if (error instanceof HbpError) return error.message;
  return printable(error instanceof Error ? error.message : String(error));
}

/** Text from anywhere as one line: control characters are escaped. */
export function printable(text: string): string {
  return text
    .replace(/\s*\n\s*/g, ' ')
    .replace(/[\p{Cc}\u2028\u2029]/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
