// An instance on a real socket of which a test says what it tells of itself: its metrics and its models.

import { completion } from "../support/upstream.ts";

export interface TellingVllm extends AsyncDisposable {
  readonly url: string;
  /** Chat requests that came, by the model that they named. */
  readonly asked: string[];
  /** In which form each of these wanted the load with its answer; null for not at all. */
  readonly formats: (string | null)[];
  /** How often it was asked for its metrics and for its models. */
  looks: number;
  lists: number;
  /** Data-parallel ranks that it may be asked for; null where it does not look. */
  engines: number | null;
  /** What health checks find. */
  isWell: boolean;
  metrics: () => Response | Promise<Response>;
  models: { id: string; max_model_len?: number; parent?: string | null }[];
  answer: () => Response;
}

/** Metrics in vLLM's words. */
export function load(values: { running?: number; waiting?: number; more?: string }): Response {
  const { running = 0, waiting = 0, more = "" } = values;
  return new Response(
    `vllm:num_requests_running{engine="0",model_name="m"} ${running}\n` +
      `vllm:num_requests_waiting{engine="0",model_name="m"} ${waiting}\n${more}`,
  );
}

export function startTelling(name: string, models: string[] = ["m"]): TellingVllm {
  // What hangs ends with the server.
  const end = new AbortController();
  const options = { hostname: "127.0.0.1", port: 0, signal: end.signal, onListen() {} };
  const server = Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") return new Response(null, { status: self.isWell ? 200 : 500 });
    if (pathname === "/metrics") {
      self.looks++;
      return await self.metrics();
    }
    if (pathname === "/v1/models") {
      self.lists++;
      const data = self.models.map((entry) => ({ object: "model", owned_by: "vllm", ...entry }));
      return Response.json({ object: "list", data });
    }
    if (request.method !== "POST") return new Response(null, { status: 404 });
    const { model } = await request.json();
    self.asked.push(model);
    self.formats.push(request.headers.get("endpoint-load-metrics-format"));
    if (!self.models.some(({ id }) => id === model)) {
      const message = `The model \`${model}\` does not exist.`;
      const error = { message, type: "NotFoundError", param: "model", code: 404 };
      return Response.json({ error }, { status: 404 });
    }
    const rank = request.headers.get("x-data-parallel-rank");
    if (self.engines !== null && rank !== null && Number(rank) >= self.engines) {
      const message = `data_parallel_rank ${rank} is out of range [0, ${self.engines}).`;
      const error = { message, type: "BadRequestError", param: "data_parallel_rank", code: 400 };
      return Response.json({ error }, { status: 400 });
    }
    return self.answer();
  });
  const self: TellingVllm = {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    asked: [],
    formats: [],
    looks: 0,
    lists: 0,
    engines: null,
    isWell: true,
    metrics: () => load({}),
    models: models.map((id) => ({ id })),
    answer: () => completion(name),
    async [Symbol.asyncDispose]() {
      end.abort();
      await server.finished;
    },
  };
  return self;
}
