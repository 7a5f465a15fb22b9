// A TCP proxy that breaks the next answer off at a given event.

import net from "node:net";

export type Cut = "reset" | "end" | "reset within the event";

/** A running proxy. Disposing it ends its connections. */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
}

/** What the proxies of a fleet share: one cut, for whichever answer comes first. */
export class Scissors {
  #events: number | null = null;
  #how: Cut = "reset";
  cuts = 0;

  /** The next answer breaks off after so many events. */
  arm(events: number, how: Cut): void {
    this.#events = events;
    this.#how = how;
  }

  /** Nothing is cut, though an answer was shorter than expected. */
  disarm(): void {
    this.#events = null;
  }

  /** Which of `more` events, after `events` before them, does not leave any more, and how; or null. */
  cut(events: number, more: number): { at: number; how: Cut } | null {
    if (this.#events === null || events + more <= this.#events) return null;
    const at = this.#events - events;
    this.#events = null;
    this.cuts++;
    return { at, how: this.#how };
  }

  get armed(): boolean {
    return this.#events !== null;
  }
}

/** Starts a proxy in front of `target`. */
export async function startCuttingProxy(target: number, scissors: Scissors): Promise<CuttingProxy> {
  const sockets = new Set<net.Socket>();
  const listener = net.createServer({ noDelay: true }, (client) => {
    const server = net.connect({ port: target, host: "127.0.0.1", noDelay: true });
    sockets.add(client).add(server);
    let events = 0;
    let answering = false;
    client.on("data", (bytes: Uint8Array) => {
      if (text(bytes).includes("POST /v1/")) {
        answering = scissors.armed;
        events = 0;
      }
      server.write(bytes);
    });
    server.on("data", (bytes: Uint8Array) => {
      const found = [...text(bytes).matchAll(/data: /g)].map(({ index }) => index);
      const cut = answering ? scissors.cut(events, found.length) : null;
      events += found.length;
      if (cut === null) {
        client.write(bytes);
        return;
      }
      // What came with the events before leaves whole, and some of the event that does not.
      const begin = found[cut.at];
      const end = found[cut.at + 1] ?? bytes.length;
      const within = cut.how === "reset within the event" ? Math.floor((end - begin) / 2) : 0;
      server.destroy();
      client.write(bytes.subarray(0, begin + within), () => {
        if (cut.how === "end") client.end();
        else client.resetAndDestroy();
      });
    });
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on("end", () => other.end());
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const decoder = new TextDecoder("latin1");
const text = (bytes: Uint8Array) => decoder.decode(bytes);
