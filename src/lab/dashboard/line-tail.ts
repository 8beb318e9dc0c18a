import { open, type FileHandle } from 'node:fs/promises';

/** Whole lines that came to a file, and where they lie in it. */
export interface NewLines {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  /** The file was begun anew since the last look. */
  readonly restarted: boolean;
}

/** No look reads more at once; what is left comes with the next. */
const chunkBytes = 1 << 20;
const newline = 0x0a;

/** Follows a file that others append to, reading only what is new. A last line without its newline waits for the rest. */
export class LineTail {
  readonly #path: string;
  /** Null: not looked at yet. */
  #offset: number | null = null;
  #restarted = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** What is there now is known: only later lines will be told. */
  async skip(): Promise<void> {
    await this.#withFile(async (file, size) => {
      this.#offset = await lastLineEnd(file, size);
    });
  }

  /** The file is another one, though it may not be shorter: read it from its beginning. */
  restart(): void {
    this.#offset = 0;
    this.#restarted = true;
  }

  /** The lines since the last look; null if there are none, or no file. */
  async read(): Promise<NewLines | null> {
    return this.#withFile(async (file, size) => {
      let from = this.#offset ?? 0;
      if (size < from) {
        from = 0;
        this.#restarted = true;
      }
      this.#offset = from;
      const buffer = Buffer.alloc(Math.min(chunkBytes, size - from));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      const length = buffer.subarray(0, bytesRead).lastIndexOf(newline) + 1;
      if (length === 0 && !this.#restarted) return null;
      const restarted = this.#restarted;
      this.#restarted = false;
      this.#offset = from + length;
      return { from, to: this.#offset, text: buffer.toString('utf8', 0, length), restarted };
    });
  }

  /** The first line, without its newline. */
  async firstLine(): Promise<string | null> {
    return this.#withFile(async (file) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
      const end = buffer.subarray(0, bytesRead).indexOf(newline);
      return end < 0 ? null : buffer.toString('utf8', 0, end);
    });
  }

  async #withFile<T>(use: (file: FileHandle, size: number) => Promise<T>): Promise<T | null> {
    let file: FileHandle;
    try {
      file = await open(this.#path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        if (this.#offset !== null && this.#offset > 0) this.restart();
        return null;
      }
      throw error;
    }
    try {
      return await use(file, (await file.stat()).size);
    } finally {
      await file.close();
    }
  }
}

/** The offset after the last newline among the first `size` bytes. */
async function lastLineEnd(file: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(4096);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - buffer.length);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(newline);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
