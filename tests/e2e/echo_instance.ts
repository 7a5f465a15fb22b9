// An instance that notes what it was asked, field by field, and answers as the test says.

export interface Asked {
  method: string;
  /** Path and query. */
  target: string;
  headers: Headers;
  body: string;
}

export interface EchoInstance extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly asked: Asked[];
  /** What the next requests are answered with. */
  answer: (asked: Asked) => Response;
}

/** A chat completion that is whole. */
export function completion(text = "hello"): Response {
  return Response.json({
    id: "c1",
    object: "chat.completion",
    created: 1,
    model: "demo",
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
  });
}

export function startEcho(answer: (asked: Asked) => Response = () => completion()): EchoInstance {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const asked = { method, target: pathname + search, headers, body: await request.text() };
      instance.asked.push(asked);
      return instance.answer(asked);
    },
  );
  const { port } = server.addr;
  const instance: EchoInstance = {
    url: `http://127.0.0.1:${port}`,
    port,
    asked: [],
    answer,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return instance;
}
