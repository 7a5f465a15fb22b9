// An OpenAI-compatible server round a real (very small) language model, in vLLM's dialect: real
// tokens, real sampling, real stops. Started as a process of its own by start.ts:
//   deno run -A --no-config --node-modules-dir=manual tests/real/server.ts --engine DIR --model FILE
// Simulating load, faults and the rest of vLLM is left to lib/simulate.

import { parseArgs } from "node:util";
import { Model } from "./model.ts";
import { type Job, readJob, Refusal } from "./request.ts";
import { TextOfTokens } from "./text.ts";

const { values: flags } = parseArgs({
  args: Deno.args,
  options: {
    engine: { type: "string" },
    model: { type: "string" },
    name: { type: "string", default: "tiny" },
    // Milliseconds to wait before each token, so that a test can break an answer off in its midst.
    pace: { type: "string", default: "0" },
  },
});
if (flags.engine === undefined || flags.model === undefined) {
  console.error("usage: server.ts --engine DIR --model FILE [--name tiny] [--pace MS]");
  Deno.exit(2);
}

const modelName = flags.name;
const paceMs = Number(flags.pace);
const model = await Model.load(flags.engine, flags.model);
const counts = { running: 0, promptTokens: 0, generationTokens: 0, aborted: 0 };

type Kind = "chat" | "completion";

/** What one generated token adds to the answer. */
interface Piece {
  text: string;
  tokenIds: number[];
  finishReason: "stop" | "length" | null;
  stopReason: string | null;
}

/** Generates until a reason to finish; `signal` (the client left) ends it silently. */
async function* generate(job: Job, signal: AbortSignal): AsyncGenerator<Piece> {
  const text = new TextOfTokens((ids) => model.detokenize(ids), job.prompt, job.stops);
  let generated = 0;
  counts.running++;
  counts.promptTokens += job.prompt.length;
  try {
    for await (const token of model.generate(job.prompt, job.sampling)) {
      if (paceMs > 0) await new Promise((resolve) => setTimeout(resolve, paceMs));
      if (signal.aborted) {
        counts.aborted++;
        return;
      }
      generated++;
      counts.generationTokens++;
      const ended = model.isEnd(token) && !job.ignoreEnd && generated > job.minTokens;
      const step = ended ? { text: text.rest(), stoppedBy: null } : text.push(token);
      const full = generated >= job.maxTokens;
      const finishReason = ended || step.stoppedBy !== null ? "stop" : full ? "length" : null;
      yield {
        text: finishReason === "length" ? step.text + text.rest() : step.text,
        tokenIds: [token],
        finishReason,
        stopReason: step.stoppedBy,
      };
      if (finishReason !== null) return;
    }
  } finally {
    counts.running--;
  }
}

function usage(job: Job, completionTokens: number) {
  return {
    prompt_tokens: job.prompt.length,
    total_tokens: job.prompt.length + completionTokens,
    completion_tokens: completionTokens,
  };
}

async function answerWhole(job: Job, kind: Kind, id: string, signal: AbortSignal) {
  let text = "";
  const ids: number[] = [];
  let last: Piece | null = null;
  for await (const piece of generate(job, signal)) {
    text += piece.text;
    ids.push(...piece.tokenIds);
    last = piece;
  }
  const tokenIds = job.returnTokenIds ? ids : null;
  const promptIds = job.returnTokenIds ? job.prompt : null;
  const end = {
    finish_reason: last?.finishReason ?? "abort",
    stop_reason: last?.stopReason ?? null,
  };
  const choice = kind === "chat"
    ? {
      index: 0,
      message: { role: job.role, content: text, reasoning: null, tool_calls: [] },
      logprobs: null,
      ...end,
      token_ids: tokenIds,
    }
    : { index: 0, text, logprobs: null, ...end, token_ids: tokenIds, prompt_token_ids: promptIds };
  return Response.json({
    id,
    object: kind === "chat" ? "chat.completion" : "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: modelName,
    choices: [choice],
    usage: usage(job, ids.length),
    ...(kind === "chat" ? { prompt_token_ids: promptIds } : {}),
  });
}

function answerStream(job: Job, kind: Kind, id: string, signal: AbortSignal): Response {
  const events = streamEvents(job, kind, id, signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await events.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`data: ${value}\n\n`));
    },
    async cancel() {
      await events.return(undefined);
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8" },
  });
}

async function* streamEvents(
  job: Job,
  kind: Kind,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const frame = {
    id,
    object: kind === "chat" ? "chat.completion.chunk" : "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: modelName,
  };
  let count = 0;
  const chunk = (choice: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    JSON.stringify({
      ...frame,
      choices: [{ index: 0, ...choice }],
      ...more,
      ...(job.continuousUsage ? { usage: usage(job, count) } : {}),
    });
  for await (const piece of generate(job, signal)) {
    const promptIds = job.returnTokenIds ? job.prompt : null;
    if (kind === "chat" && count === 0) {
      yield chunk({
        delta: { role: job.role, content: "" },
        logprobs: null,
        finish_reason: null,
      }, { prompt_token_ids: promptIds });
    }
    const first = count === 0;
    count += piece.tokenIds.length;
    // Text that is still held back makes no chunk, unless its token ids have to go out.
    if (piece.text === "" && piece.finishReason === null && !job.returnTokenIds) continue;
    const end = {
      logprobs: null,
      finish_reason: piece.finishReason,
      ...(piece.finishReason === null ? {} : { stop_reason: piece.stopReason }),
      token_ids: job.returnTokenIds ? piece.tokenIds : null,
    };
    if (kind === "chat") {
      const silent = piece.text === "" && piece.finishReason === null;
      yield chunk({ delta: silent ? {} : { content: piece.text }, ...end });
    } else {
      yield chunk({ text: piece.text, ...end, ...(first ? { prompt_token_ids: promptIds } : {}) });
    }
  }
  if (job.includeUsage) {
    yield JSON.stringify({ ...frame, choices: [], usage: usage(job, count) });
  }
  yield "[DONE]";
}

async function generation(request: Request, kind: Kind): Promise<Response> {
  const body = await readJson(request);
  requireModel(body);
  const job = readJob(body, kind, model);
  const base = request.headers.get("x-request-id") ?? crypto.randomUUID().replaceAll("-", "");
  const id = `${kind === "chat" ? "chatcmpl" : "cmpl"}-${base}`;
  return job.stream
    ? answerStream(job, kind, id, request.signal)
    : await answerWhole(job, kind, id, request.signal);
}

async function tokenize(request: Request): Promise<Response> {
  const body = await readJson(request);
  const job = readJob(
    { ...body, max_tokens: 1 },
    "messages" in body ? "chat" : "completion",
    model,
  );
  return Response.json({
    count: job.prompt.length,
    max_model_len: model.contextSize,
    tokens: job.prompt,
    token_strs: null,
  });
}

async function detokenize(request: Request): Promise<Response> {
  const body = await readJson(request);
  const tokens = Array.isArray(body.tokens) ? body.tokens.map(Number) : [];
  return Response.json({ prompt: model.detokenize(tokens, true) });
}

async function readJson(request: Request): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = await request.json();
  } catch (error) {
    throw new Refusal(400, "Bad Request", `the body is not JSON: ${error}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(400, "Bad Request", "the body is not a JSON object");
  }
  return value as Record<string, unknown>;
}

function requireModel(body: Record<string, unknown>): void {
  if (body.model == null || body.model === modelName) return;
  throw new Refusal(404, "NotFoundError", `The model \`${body.model}\` does not exist.`, "model");
}

function models(): Response {
  return Response.json({
    object: "list",
    data: [{
      id: modelName,
      object: "model",
      created: 0,
      owned_by: "vllm",
      root: modelName,
      parent: null,
      max_model_len: model.contextSize,
    }],
  });
}

function metrics(): Response {
  const label = `{model_name="${modelName}",engine="0"}`;
  return new Response([
    "# TYPE vllm:num_requests_running gauge",
    `vllm:num_requests_running${label} ${counts.running}`,
    "# TYPE vllm:prompt_tokens_total counter",
    `vllm:prompt_tokens_total${label} ${counts.promptTokens}`,
    "# TYPE vllm:generation_tokens_total counter",
    `vllm:generation_tokens_total${label} ${counts.generationTokens}`,
    "# TYPE vllm:request_success_total counter",
    `vllm:request_success_total{model_name="${modelName}",finished_reason="abort"} ${counts.aborted}`,
    "",
  ].join("\n"));
}

async function route(request: Request): Promise<Response> {
  switch (`${request.method} ${new URL(request.url).pathname}`) {
    case "POST /v1/chat/completions":
      return await generation(request, "chat");
    case "POST /v1/completions":
      return await generation(request, "completion");
    case "POST /tokenize":
      return await tokenize(request);
    case "POST /detokenize":
      return await detokenize(request);
    case "GET /v1/models":
      return models();
    case "GET /health":
      return new Response(null, { status: 200 });
    case "GET /metrics":
      return metrics();
    default:
      throw new Refusal(404, "NotFoundError", "Not Found");
  }
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  // Scripts read the port from the one line on standard output.
  onListen: ({ port }) => console.log(JSON.stringify({ port })),
}, async (request) => {
  try {
    return await route(request);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { status, type, message, param } = error;
    return Response.json({ error: { message, type, param, code: status } }, { status });
  }
});
await server.finished;
