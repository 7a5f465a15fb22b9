// A simulated engine behind a real socket: a KV cache of prompt chunks that loses what was used longest ago,
// prompts computed in steps beside the answers under way, a queue. Its time runs `scale` times faster.

/** As the routing simulation has them (docs/decisions/routing.md). */
const CHUNK_TOKENS = 128;
const CACHE_TOKENS = 160_000;
const STEP_TOKENS = 2048;
const TOKENS_PER_S = 16_000;
const STEP_MS = 12;
const DECODE_MS = 0.12;
const MAX_SEQUENCES = 128;
const BYTES_PER_TOKEN = 4;

interface Sequence {
  /** Prompt tokens still to be computed, and tokens of the answer still to be written. */
  prefill: number;
  decode: number;
  readonly chunks: readonly number[];
  first(): void;
  end(): void;
}

export class Engine {
  /** Chunks in the order of their last use. */
  readonly #cache = new Map<number, true>();
  readonly #waiting: Sequence[] = [];
  #running: Sequence[] = [];
  #isAwake = false;
  /** Tokens of prompts that came, and of them those that were cached. */
  tokens = 0;
  hits = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(private readonly scale: number) {
    const { signal } = this.#end;
    const options = { hostname: "127.0.0.1", port: 0, signal, onListen() {}, onError: gone };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/v1`;
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#server.finished;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST") {
      return pathname === "/metrics" ? new Response(this.#metrics()) : new Response(null);
    }
    const { prompt, max_tokens: most } = await request.json();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const say = (event: string) => {
          try {
            controller.enqueue(encoder.encode(`data: ${event}\n\n`));
          } catch {
            // The client has left.
          }
        };
        const event = (text: string, reason: string | null) =>
          JSON.stringify({ choices: [{ index: 0, text, finish_reason: reason }] });
        this.#waiting.push({
          prefill: Math.ceil(prompt.length / BYTES_PER_TOKEN),
          decode: most,
          chunks: chunksOf(prompt),
          first: () => say(event("a", null)),
          end: () => {
            say(event("b", "stop"));
            say("[DONE]");
            controller.close();
          },
        });
        this.#wake();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#step(performance.now());
  }

  /** `at`: when the step begins; what a timer is late by is made up for. */
  #step(at: number): void {
    while (this.#running.length < MAX_SEQUENCES && this.#waiting.length > 0) {
      const next = this.#waiting.shift()!;
      const cached = Math.min(next.prefill - 1, CHUNK_TOKENS * this.#known(next.chunks));
      this.tokens += next.prefill;
      this.hits += cached;
      next.prefill -= cached;
      this.#running.push(next);
    }
    if (this.#running.length === 0) {
      this.#isAwake = false;
      return;
    }
    let left = STEP_TOKENS;
    let decoding = 0;
    const done: (() => void)[] = [];
    for (const sequence of this.#running) {
      if (sequence.prefill === 0) {
        decoding++;
        if (--sequence.decode <= 0) done.push(sequence.end);
        continue;
      }
      const share = Math.min(left, sequence.prefill);
      left -= share;
      sequence.prefill -= share;
      if (sequence.prefill > 0) continue;
      this.#keep(sequence.chunks);
      done.push(sequence.first);
    }
    const computed = (STEP_TOKENS - left) / TOKENS_PER_S * 1000;
    const ms = Math.max(STEP_MS, computed) + DECODE_MS * decoding;
    const end = at + ms / this.scale;
    setTimeout(() => {
      for (const tell of done) tell();
      this.#running = this.#running.filter(({ prefill, decode }) => prefill > 0 || decode > 0);
      this.#step(end);
    }, Math.max(0, end - performance.now()));
  }

  #known(chunks: readonly number[]): number {
    let known = 0;
    while (known < chunks.length && this.#cache.has(chunks[known])) known++;
    return known;
  }

  #keep(chunks: readonly number[]): void {
    // What comes last is lost first.
    for (const chunk of chunks.toReversed()) {
      this.#cache.delete(chunk);
      this.#cache.set(chunk, true);
    }
    const most = CACHE_TOKENS / CHUNK_TOKENS;
    for (const chunk of this.#cache.keys()) {
      if (this.#cache.size <= most) break;
      this.#cache.delete(chunk);
    }
  }

  #metrics(): string {
    return `vllm:num_requests_running ${this.#running.length}\n` +
      `vllm:num_requests_waiting ${this.#waiting.length}\n` +
      `vllm:prefix_cache_queries_total ${this.tokens}\n` +
      `vllm:prefix_cache_hits_total ${this.hits}\n` +
      `vllm:cache_config_info{block_size="16",num_gpu_blocks="${CACHE_TOKENS / 16}",` +
      `enable_prefix_caching="True"} 1\n`;
  }
}

const gone = () => new Response(null, { status: 500 });

/** A hash for each chunk, over all that is before its end. */
function chunksOf(prompt: string): number[] {
  const size = CHUNK_TOKENS * BYTES_PER_TOKEN;
  const chunks: number[] = [];
  let hash = 0x811c9dc5;
  for (let at = 0; at < prompt.length; at++) {
    hash = Math.imul(hash ^ prompt.charCodeAt(at), 0x01000193);
    if ((at + 1) % size === 0) chunks.push(hash);
  }
  return chunks;
}
