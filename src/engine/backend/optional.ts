import { messageOf } from '../../errors.js';

/**
 * Load an optional package. Its name is a value, so that the project compiles without it.
 *
 * @throws Error  in a few words: not installed, or why it does not load
 */
export async function importOptional(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    const message = messageOf(error);
    const absent = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
    throw new Error(absent ? `${name} is not installed` : `${name}: ${message}`, { cause: error });
  }
}
