// An instance that answers with the very bytes that a test gives, on bare sockets: for answers that
// no HTTP library would produce. Reads requests with a content-length, and nothing else.

import net from "node:net";

/** One request, and the connection to answer it on. */
export interface OddCall {
  /** 0 for the first request of all. */
  number: number;
  path: string;
  /** Head and body as they came. */
  text: string;
  /** Writes text of one character a byte. */
  write(text: string): void;
  /** Closes the connection in order. */
  end(): void;
  /** Breaks it with a reset. */
  reset(): void;
  /** True once the caller has closed the connection. */
  closed: boolean;
}

export interface OddServer extends AsyncDisposable {
  /** Base URL, ending in /v1. */
  readonly url: string;
  readonly calls: OddCall[];
}

/** Starts it on a port of 127.0.0.1, a free one where none is given. */
export async function startOddServer(
  answer: (call: OddCall) => void,
  port = 0,
): Promise<OddServer> {
  const calls: OddCall[] = [];
  const open = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    let text = "";
    let current: OddCall | null = null;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      open.delete(socket);
      if (current !== null) current.closed = true;
    });
    socket.on("data", (bytes: Uint8Array) => {
      for (const byte of bytes) text += String.fromCharCode(byte);
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1] ?? 0);
      const end = head + 4 + length;
      if (text.length < end) return;
      current = {
        number: calls.length,
        path: text.split(" ")[1],
        text: text.slice(0, end),
        write: (answer) => {
          socket.write(Uint8Array.from(answer, (character) => character.charCodeAt(0)));
        },
        end: () => socket.end(),
        reset: () => socket.resetAndDestroy(),
        closed: false,
      };
      text = text.slice(end);
      calls.push(current);
      answer(current);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/v1`,
    calls,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** A whole answer with a content-length. */
export function whole(body: string, head = "content-type: application/json\r\n"): string {
  return `HTTP/1.1 200 OK\r\n${head}content-length: ${body.length}\r\n\r\n${body}`;
}

/** A chat answer's JSON. */
export function completion(content: string): string {
  return JSON.stringify({
    id: "chatcmpl-odd",
    object: "chat.completion",
    created: 1,
    model: "demo",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  });
}

/** A chunk of a streamed chat answer as an event. */
export function chunk(delta: Record<string, unknown>, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${
    JSON.stringify({
      id: "chatcmpl-odd",
      object: "chat.completion.chunk",
      created: 1,
      model: "demo",
      choices,
    })
  }\n\n`;
}
