import type { ServerResponse } from 'node:http';

/** A client that reads too slowly is let go; it comes back by itself and asks for what it missed. */
const mostWaiting = 4 << 20;
const mostClients = 32;
const beatMs = 15_000;

/** Server-sent events to all pages that listen. */
export class EventHub {
  readonly #clients = new Set<ServerResponse>();
  readonly #beat = setInterval(() => this.#write(': still here\n\n'), beatMs).unref();

  get clients(): number {
    return this.#clients.size;
  }

  /** False: there are too many already. */
  add(response: ServerResponse): boolean {
    if (this.#clients.size >= mostClients) return false;
    this.#clients.add(response);
    response.on('close', () => this.#clients.delete(response));
    response.write('retry: 1000\n\n');
    return true;
  }

  send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  close(): void {
    clearInterval(this.#beat);
    for (const client of this.#clients) client.end();
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > mostWaiting) client.destroy();
      else client.write(text);
    }
  }
}
