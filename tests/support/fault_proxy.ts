// A TCP proxy between a client and a server that misbehaves as told, also while connections live:
// for faults below HTTP, which no server would produce by itself.

import net from "node:net";

/** What happens to bytes on their way from the server to the client; change it at any time. */
export interface Faults {
  /** Each piece waits so long (milliseconds). */
  delayMs: number;
  /** At most so many bytes a second a connection; 0 for no limit. */
  bytesPerSecond: number;
  /** Pieces written at most so large, each by itself, sizes in turn; empty for as they come. */
  splitSizes: number[];
  /** After so many bytes of one connection do `cutHow`; null for never. */
  cutAtByte: number | null;
  cutHow: "reset" | "close" | "half-close" | "black-hole";
  /** Nothing is passed on in either direction, connections stay open. */
  blackHole: boolean;
  /** New connections are reset at once. */
  refuse: boolean;
}

/** A running proxy. Disposing it ends every connection. */
export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  readonly hostname: string;
  /** Base URL without a path. */
  readonly url: string;
  readonly faults: Faults;
  /** Open connections of clients. */
  connections(): number;
  /** Connections ever accepted. */
  accepted(): number;
  /** Resets every open connection now. */
  resetAll(): void;
  /** Closes the sending side of every open connection towards its client. */
  halfCloseAll(): void;
  /** Back to passing everything on. */
  heal(): void;
}

const HEALTHY: Faults = {
  delayMs: 0,
  bytesPerSecond: 0,
  splitSizes: [],
  cutAtByte: null,
  cutHow: "reset",
  blackHole: false,
  refuse: false,
};

/** Starts a proxy on a free port of 127.0.0.1 in front of `target`. */
export async function startFaultProxy(
  target: { port: number; hostname?: string },
  faults: Partial<Faults> = {},
): Promise<FaultProxy> {
  const current: Faults = { ...HEALTHY, ...faults };
  const open = new Set<{ client: net.Socket; server: net.Socket }>();
  let accepted = 0;
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted++;
    client.on("error", () => client.destroy());
    if (current.refuse) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({
      port: target.port,
      host: target.hostname ?? "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    const pair = { client, server };
    open.add(pair);
    // A broken connection on one side is passed on as one on the other.
    server.on("error", () => client.resetAndDestroy());
    client.on("close", () => {
      open.delete(pair);
      server.destroy();
    });
    client.on("data", (bytes: Uint8Array) => {
      if (!current.blackHole) server.write(bytes);
    });
    client.on("end", () => server.end());
    relay(server, client, current);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  const { port } = listener.address() as net.AddressInfo;
  return {
    port,
    hostname: "127.0.0.1",
    url: `http://127.0.0.1:${port}`,
    faults: current,
    connections: () => open.size,
    accepted: () => accepted,
    resetAll: () => open.forEach(({ client }) => client.resetAndDestroy()),
    halfCloseAll: () => open.forEach(({ client }) => client.end()),
    heal: () => {
      Object.assign(current, HEALTHY);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const { client, server } of open) {
        client.destroy();
        server.destroy();
      }
      await closed;
    },
  };
}

/** Passes bytes from server to client in order, under the faults that hold when each piece goes. */
function relay(server: net.Socket, client: net.Socket, faults: Faults): void {
  let passed = 0;
  let pieces = 0;
  let cut = false;
  let queue = Promise.resolve();
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const send = (bytes: Uint8Array) =>
    new Promise<void>((resolve) => {
      if (client.destroyed || client.writableEnded) return resolve();
      client.write(bytes, () => resolve());
    });
  const pass = async (bytes: Uint8Array) => {
    let rest = bytes;
    while (rest.length > 0 && !cut && !client.destroyed) {
      if (faults.blackHole) return;
      if (faults.delayMs > 0) await pause(faults.delayMs);
      let size = rest.length;
      if (faults.splitSizes.length > 0) {
        size = Math.max(1, faults.splitSizes[pieces++ % faults.splitSizes.length]);
      }
      if (faults.bytesPerSecond > 0) size = Math.min(size, Math.ceil(faults.bytesPerSecond / 50));
      if (faults.cutAtByte !== null) size = Math.min(size, faults.cutAtByte - passed);
      if (size > 0) {
        const piece = rest.subarray(0, size);
        rest = rest.subarray(size);
        passed += piece.length;
        await send(piece);
        if (faults.bytesPerSecond > 0) await pause(piece.length * 1000 / faults.bytesPerSecond);
        // A turn of the event loop and a moment, so that the kernel does not join the pieces.
        else if (faults.splitSizes.length > 0) await pause(1);
      }
      if (faults.cutAtByte !== null && passed >= faults.cutAtByte) {
        cut = true;
        if (faults.cutHow === "reset") client.resetAndDestroy();
        else if (faults.cutHow === "close") client.destroy();
        else if (faults.cutHow === "half-close") client.end();
      }
    }
  };
  server.on("data", (bytes: Uint8Array) => {
    server.pause();
    queue = queue.then(() => pass(bytes)).then(() => {
      server.resume();
    });
  });
  server.on("end", () => {
    queue = queue.then(() => {
      if (!cut && !faults.blackHole) client.end();
    });
  });
}
