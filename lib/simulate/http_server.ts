// HTTP/1.1 on bare sockets, because a simulated failure needs what no HTTP library offers: a reset
// before the head, a cut inside a chunk, bytes in odd pieces. What a request means is left to
// instance.ts.

import net from "node:net";
import { Reply } from "./http_reply.ts";
import { join, parse, type Request } from "./http_request.ts";

type Handler = (request: Request, reply: Reply) => void;

/** A listening server. */
export interface HttpServer {
  readonly port: number;
  /** Stops listening; connections stay. */
  pause(): Promise<void>;
  /** Listens on the same port again. */
  resume(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Starts listening; port 0 takes a free one. */
export async function listen(
  options: { hostname: string; port: number; handle: Handler },
): Promise<HttpServer> {
  const sockets = new Set<net.Socket>();
  const open = async (port: number): Promise<net.Server> => {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      serveConnection(socket, options.handle);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, options.hostname, 4096, () => resolve());
    });
    return server;
  };
  let server: net.Server | null = await open(options.port);
  const port = (server.address() as net.AddressInfo).port;
  const pause = () => {
    const listening = server;
    server = null;
    // The callback comes when the last connection ends: listening itself stops at once.
    listening?.close();
    return Promise.resolve();
  };
  let closed = false;
  return {
    port,
    pause,
    async resume() {
      if (!server && !closed) server = await open(port);
    },
    async close() {
      closed = true;
      await pause();
      const ended = [...sockets].map((socket) =>
        new Promise<void>((resolve) => socket.once("close", () => resolve()))
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all(ended);
    },
  };
}

/** Reads requests from a connection one after the other; the next waits for the answer to the last. */
function serveConnection(socket: net.Socket, handle: Handler): void {
  let pending: Uint8Array[] = [];
  let size = 0;
  let wanted = 0;
  let current: Reply | null = null;
  let continued = false;

  const take = () => {
    while (!current && size > 0 && size >= wanted) {
      const bytes = join(pending, size);
      pending = [bytes];
      const parsed = parse(bytes);
      if (parsed === "bad") {
        socket.end(
          "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nInvalid HTTP request received.",
        );
        return;
      }
      if ("needs" in parsed) {
        wanted = parsed.needs;
        if (parsed.expects && !continued) {
          continued = true;
          socket.write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        return;
      }
      wanted = 0;
      continued = false;
      const rest = bytes.subarray(parsed.length);
      pending = rest.length > 0 ? [rest] : [];
      size = rest.length;
      const reply = new Reply(
        socket,
        parsed.keepAlive,
        parsed.request.method === "HEAD",
        () => {
          current = null;
          queueMicrotask(take);
        },
      );
      current = reply;
      handle({ ...parsed.request, peer: socket.remotePort ?? 0 }, reply);
    }
  };
  const gone = () => current?.gone();
  socket.on("data", (bytes: Uint8Array) => {
    pending.push(bytes);
    size += bytes.length;
    take();
  });
  // Like uvicorn, a client that closes its sending side counts as one that has left.
  socket.on("end", () => {
    gone();
    socket.end(() => socket.destroy());
  });
  socket.on("error", gone);
  socket.on("close", gone);
}
