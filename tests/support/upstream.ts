// A server inside the test that answers as the test says and notes what it was asked, and the answers
// that most tests give: whole ones, streams and streams that break off.

/** A request that reached a scripted upstream. */
export interface Seen {
  method: string;
  path: string;
  /** Path and query, as they came. */
  target: string;
  headers: Headers;
  text: string;
  /** The caller's port: the same for requests on one connection. */
  peer: number;
  /** True once the caller closed the connection before the answer was out. */
  aborted: boolean;
}

/** A server inside the test that answers as `answer` says. */
export interface Upstream extends AsyncDisposable {
  /** Base URL, ending in /v1. */
  readonly url: string;
  /** The same without a path. */
  readonly origin: string;
  readonly port: number;
  readonly seen: Seen[];
  /** What the next requests are answered with. */
  answer: Answer;
}

/** Answers a request; what it needs of it beyond `seen` is in `request`. */
export type Answer = (seen: Seen, request: Request) => Response | Promise<Response>;

const OWN_QUESTIONS = new Set(["/v1/models", "/metrics", "/is_sleeping", "/is_paused"]);

/** Starts an upstream; `/health` answers 200 by itself, and the gateway's own questions are not noted. */
export function startUpstream(answer: Answer = () => completion()): Upstream {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    // A test that cuts a connection on purpose needs no stack trace of it.
    onError: () => new Response(null, { status: 500 }),
  }, async (request, info) => {
    const { pathname: path, search } = new URL(request.url);
    if (path === "/health") return new Response(null);
    // What the gateway asks on its own account is no request of a client's.
    if (request.method === "GET" && OWN_QUESTIONS.has(path)) {
      return new Response(null, { status: 404 });
    }
    const one: Seen = {
      method: request.method,
      path,
      target: path + search,
      headers: request.headers,
      text: await request.text(),
      peer: info.remoteAddr.port,
      aborted: false,
    };
    request.signal.addEventListener("abort", () => one.aborted = true);
    upstream.seen.push(one);
    return await upstream.answer(one, request);
  });
  const { port } = server.addr;
  const origin = `http://127.0.0.1:${port}`;
  const upstream: Upstream = {
    url: `${origin}/v1`,
    origin,
    port,
    seen: [],
    answer,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return upstream;
}

/** An SSE answer of `events` (data of each), with no end of its own: give "[DONE]" where it is due. */
export function sse(events: readonly (string | object)[]): Response {
  const text = events.map((event) =>
    `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`
  ).join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

/** An SSE answer whose connection breaks off after `events`. */
export function brokenSse(events: readonly object[]): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const event of events) {
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      controller.error(new Error("cut on purpose"));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A chat chunk of one choice. */
export function chunk(delta: object, finishReason: string | null = null): object {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  };
}

/** A whole chat completion. */
export function completion(content = "hello", more: object = {}): Response {
  return Response.json({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    ...more,
  });
}
