// A local stand-in for a chat service: keeps what it was sent, answers as it is told.

export interface Received {
  method: string;
  url: URL;
  headers: Headers;
  text: string;
  /** Untyped on purpose: each test looks for what its service documents. */
  // deno-lint-ignore no-explicit-any -- alerts of every channel have a shape of their own
  json: any;
}

export interface Receiver extends AsyncDisposable {
  /** Without a path. */
  readonly origin: string;
  readonly received: Received[];
  /** What the next requests are answered with; the last one stays. */
  answers: ((received: Received) => Response | Promise<Response>)[];
}

export function startReceiver(
  ...answers: ((received: Received) => Response | Promise<Response>)[]
): Receiver {
  const stop = new AbortController();
  const received: Received[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: stop.signal },
    async (request) => {
      const text = await request.text();
      const one = {
        method: request.method,
        url: new URL(request.url),
        headers: request.headers,
        text,
        json: JSON.parse(text),
      };
      received.push(one);
      const answer = receiver.answers.length > 1 ? receiver.answers.shift()! : receiver.answers[0];
      return await answer(one);
    },
  );
  const receiver: Receiver = {
    origin: `http://127.0.0.1:${server.addr.port}`,
    received,
    answers,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
  return receiver;
}
