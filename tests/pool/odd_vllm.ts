// A vLLM of which a test says how it is, on a real socket: awake or not, hung or not, with which key and
// models. It knows the paths that the gateway's own questions go to.

export interface OddVllm extends AsyncDisposable {
  readonly url: string;
  /** Every request to generate that came, and whether its caller closed it before an answer. */
  readonly asked: { path: string; aborted: boolean }[];
  /** Paths of GETs. */
  readonly looked: string[];
  /** Answers nothing to whoever asks for tokens; /health is 200 all the while. */
  isHung: boolean;
  /** What /is_sleeping says; null for a server without it. */
  isSleeping: boolean | null;
  /** What /is_paused says. */
  isPaused: boolean;
  /** Value of vllm:engine_sleep_state{sleep_state="awake"}; null for none in /metrics. */
  awake: number | null;
  /** Models that it lists, and its owner of them. */
  models: string[];
  owner: string;
  /** The only key that it takes; null for any. */
  key: string | null;
  /** Answers 500 in vLLM's words to whoever asks for tokens. */
  isShuttingDown: boolean;
  /** Stored responses by id. */
  readonly stored: Set<string>;
  /** Holds answers of /v1/responses back until this resolves. */
  hold: Promise<void>;
  /** The same for looks at stored responses. */
  holdLooks: Promise<void>;
}

export function startOddVllm(name: string): OddVllm {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  let made = 0;
  const self: OddVllm = {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    asked: [],
    looked: [],
    isHung: false,
    isSleeping: null,
    isPaused: false,
    awake: null,
    models: ["demo"],
    owner: "vllm",
    key: null,
    isShuttingDown: false,
    stored: new Set(),
    hold: Promise.resolve(),
    holdLooks: Promise.resolve(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return self;

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === "GET") {
      self.looked.push(pathname);
      if (pathname.startsWith("/v1/responses/")) await self.holdLooks;
      return look(pathname, request);
    }
    const call = { path: pathname, aborted: false };
    self.asked.push(call);
    const body = await request.json();
    if (!mayAsk(request)) return Response.json({ error: "Unauthorized" }, { status: 401 });
    if (self.isShuttingDown) {
      const message = "cannot schedule new futures after shutdown";
      return Response.json({ error: { message, type: "InternalServerError", code: 500 } }, {
        status: 500,
      });
    }
    if (self.isHung) {
      return await new Promise<Response>((resolve) => {
        request.signal.addEventListener("abort", () => {
          call.aborted = true;
          resolve(new Response(null));
        });
      });
    }
    if (pathname === "/v1/responses") return await respond(body);
    return body.stream ? stream() : whole();
  }

  function mayAsk(request: Request): boolean {
    return self.key === null || request.headers.get("authorization") === `Bearer ${self.key}`;
  }

  function look(path: string, request: Request): Response {
    if (path === "/health") return new Response(null);
    if (path === "/is_sleeping" && self.isSleeping !== null) {
      return Response.json({ is_sleeping: self.isSleeping });
    }
    if (path === "/is_paused" && self.isSleeping !== null) {
      return Response.json({ is_paused: self.isPaused });
    }
    if (path === "/metrics" && self.awake !== null) {
      return new Response(
        `vllm:num_requests_running{engine="0",model_name="demo"} 0.0\n` +
          `vllm:engine_sleep_state{engine="0",model_name="demo",sleep_state="awake"} ${self.awake}\n` +
          `vllm:engine_sleep_state{engine="0",model_name="demo",sleep_state="discard_all"} 0.0\n`,
      );
    }
    if (!path.startsWith("/v1/")) return new Response(null, { status: 404 });
    if (!mayAsk(request)) return Response.json({ error: "Unauthorized" }, { status: 401 });
    if (path === "/v1/models") {
      const data = self.models.map((id) => ({ id, owned_by: self.owner, max_model_len: 4096 }));
      return Response.json({ object: "list", data });
    }
    const id = path.slice("/v1/responses/".length);
    return self.stored.has(id) ? Response.json(response(id)) : notFound(id);
  }

  function response(id: string) {
    const content = [{ type: "output_text", text: name, annotations: [] }];
    const output = [{ type: "message", role: "assistant", status: "completed", content }];
    return { id, object: "response", status: "completed", model: "demo", output };
  }

  function notFound(id: string): Response {
    const message = `Response with id '${id}' not found.`;
    return Response.json({ error: { message, type: "invalid_request_error", code: 404 } }, {
      status: 404,
    });
  }

  async function respond(body: { previous_response_id?: string }): Promise<Response> {
    const before = body.previous_response_id;
    if (before !== undefined && !self.stored.has(before)) return notFound(before);
    await self.hold;
    const id = `resp_${name}${++made}`;
    self.stored.add(id);
    return Response.json(response(id));
  }

  function whole(): Response {
    const message = { role: "assistant", content: name };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    return Response.json({ id: "c", object: "chat.completion", model: "demo", choices, usage });
  }

  function stream(): Response {
    const event = (delta: unknown, finish: string | null) =>
      `data: ${
        JSON.stringify({
          id: "c",
          object: "chat.completion.chunk",
          created: 1,
          model: "demo",
          choices: [{ index: 0, delta, finish_reason: finish }],
        })
      }\n\n`;
    const text = event({ role: "assistant", content: name }, null) + event({}, "stop") +
      "data: [DONE]\n\n";
    return new Response(text, { headers: { "content-type": "text/event-stream" } });
  }
}
