// One simulated engine like vLLM's: a KV cache in blocks that loses what nobody uses from the tails, prompts
// computed in chunks beside the answers that are written, a queue. What an attempt means to a gateway is left to
// fleet.ts.

import type { Agenda } from "./agenda.ts";
import type { Segments } from "./prompts.ts";

const BLOCK_TOKENS = 16;

export interface EngineSize {
  /** Of 16 tokens. */
  readonly blocks: number;
  /** Requests at once. */
  readonly maxSeqs: number;
  /** Tokens a step. */
  readonly batchTokens: number;
  /** Seconds: of a step, and more for each sequence that is written, and for each token of its context. */
  readonly base: number;
  readonly perDecode: number;
  readonly perContext: number;
  /** Prompt tokens a second. */
  readonly prefill: number;
}

export const USUAL_SIZE: EngineSize = {
  blocks: 10_000,
  maxSeqs: 128,
  batchTokens: 2048,
  base: 0.012,
  perDecode: 0.00012,
  perContext: 2e-8,
  prefill: 16_000,
};

/** What an engine is asked for. */
export interface Work {
  readonly segments: readonly number[];
  /** Tokens. */
  readonly prompt: number;
  readonly out: number;
  /** The segment that the answer is for a next turn; 0 for none. */
  readonly answer: number;
  /** Its first token is there, of its prompt so many tokens were cached; its last one. */
  first(cached: number): void;
  finished(): void;
  /** It will never fit; the engine has lost it. */
  failed(): void;
  lost(): void;
}

/** A segment in the cache. */
interface Run {
  readonly segment: number;
  resident: number;
  users: number;
}

interface Job {
  readonly work: Work;
  readonly runs: readonly Run[];
  readonly cached: number;
  /** Prompt tokens to compute. */
  left: number;
  /** Blocks of its answer. */
  extra: number;
}

export class Engine {
  isUp = true;
  /** Takes new requests. */
  accepts = true;
  cachesPrefixes = true;
  /** Tokens looked up and found, ever. */
  queries = 0;
  hits = 0;
  #cache = new Map<number, Run>();
  /** Runs that nobody uses, the one unused for longest first. */
  #idle = new Set<Run>();
  #free: number;
  #waiting: Work[] = [];
  #prefilling: Job[] = [];
  #decoding = 0;
  #context = 0;
  /** Jobs by the step in which they end. */
  #ends = new Map<number, Job[]>();
  #live = new Set<Job>();
  #step = 0;
  #isStepping = false;
  /** So that steps of a life before count nothing. */
  #life = 0;

  constructor(
    private readonly agenda: Agenda,
    private readonly segments: Segments,
    private readonly size: EngineSize,
    private readonly speed: number,
  ) {
    this.#free = size.blocks;
  }

  get running(): number {
    return this.#prefilling.length + this.#decoding;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get kvUsage(): number {
    let idle = 0;
    for (const { resident } of this.#idle) idle += resident;
    return 1 - (this.#free + idle) / this.size.blocks;
  }

  submit(work: Work): void {
    this.#waiting.push(work);
    this.#kick();
  }

  /** Everything that it had is gone. */
  restart(): void {
    const lost = [...this.#waiting, ...[...this.#live].map(({ work }) => work)];
    this.#cache = new Map();
    this.#idle = new Set();
    this.#free = this.size.blocks;
    this.#waiting = [];
    this.#prefilling = [];
    this.#decoding = this.#context = this.#step = 0;
    this.#ends = new Map();
    this.#live = new Set();
    this.#isStepping = false;
    this.#life++;
    for (const work of lost) work.lost();
  }

  #blocksOf(segment: number): number {
    return Math.floor(this.segments.tokens(segment) / BLOCK_TOKENS);
  }

  #cachedTokens({ segments, prompt }: Work): number {
    if (!this.cachesPrefixes) return 0;
    let cached = 0;
    for (const segment of segments) {
      const run = this.#cache.get(segment);
      if (run === undefined) break;
      cached += run.resident * BLOCK_TOKENS;
      if (run.resident < this.#blocksOf(segment)) break;
    }
    return Math.min(cached, prompt - 1);
  }

  /** The job, with its blocks; null where there are too few. */
  #admit(work: Work): Job | null {
    const cached = this.#cachedTokens(work);
    const extra = Math.ceil(work.out / BLOCK_TOKENS);
    let needed = extra;
    const runs = work.segments.map((segment) => {
      const run = this.#cache.get(segment) ?? { segment, resident: 0, users: 0 };
      needed += this.#blocksOf(segment) - run.resident;
      return run;
    });
    for (const run of runs) this.#idle.delete(run);
    if (!this.#makeRoom(needed)) {
      for (const run of runs.toReversed()) {
        if (run.users === 0 && run.resident > 0) this.#idle.add(run);
      }
      return null;
    }
    this.#free -= needed;
    for (const run of runs) {
      run.users++;
      // What is missing is computed below, chunk by chunk, and is in the books at once.
      run.resident = this.#blocksOf(run.segment);
      this.#cache.set(run.segment, run);
    }
    this.queries += work.prompt;
    this.hits += cached;
    const job = { work, runs, cached, left: work.prompt - cached, extra };
    this.#live.add(job);
    return job;
  }

  #makeRoom(needed: number): boolean {
    for (const run of this.#idle) {
      if (this.#free >= needed) break;
      const taken = Math.min(run.resident, needed - this.#free);
      run.resident -= taken;
      this.#free += taken;
      if (run.resident > 0) continue;
      this.#idle.delete(run);
      this.#cache.delete(run.segment);
    }
    return this.#free >= needed;
  }

  #release(job: Job): void {
    this.#live.delete(job);
    for (const run of job.runs.toReversed()) if (--run.users === 0) this.#idle.add(run);
    const { answer } = job.work;
    if (answer > 0) {
      const run = this.#cache.get(answer) ?? { segment: answer, resident: 0, users: 0 };
      this.#idle.delete(run);
      const more = Math.min(job.extra, this.#blocksOf(answer) - run.resident);
      run.resident += more;
      job.extra -= more;
      this.#cache.set(answer, run);
      if (run.users === 0 && run.resident > 0) this.#idle.add(run);
    }
    this.#free += job.extra;
  }

  #kick(): void {
    if (this.#isStepping || !this.isUp) return;
    if (this.#waiting.length + this.running > 0) this.#run();
  }

  #run(): void {
    this.#isStepping = true;
    const { batchTokens, maxSeqs, base, perDecode, perContext, prefill } = this.size;
    let room = batchTokens - this.#decoding;
    let tokens = 0;
    const computed: Job[] = [];
    const compute = (job: Job) => {
      const taken = Math.min(job.left, room);
      job.left -= taken;
      room -= taken;
      tokens += taken;
      if (job.left === 0) computed.push(job);
    };
    for (const job of this.#prefilling) {
      if (room <= 0) break;
      compute(job);
    }
    while (room > 0 && this.#waiting.length > 0 && this.running < maxSeqs) {
      const job = this.#admit(this.#waiting[0]);
      if (job === null && (this.running > 0 || tokens > 0)) break;
      const work = this.#waiting.shift()!;
      if (job === null) {
        work.failed();
        continue;
      }
      compute(job);
      this.#prefilling.push(job);
    }
    if (tokens === 0 && this.#decoding === 0) {
      this.#isStepping = false;
      return;
    }
    const seconds = base + this.#decoding * perDecode + this.#context * perContext +
      tokens / prefill;
    const life = this.#life;
    this.agenda.at(this.agenda.now + seconds / this.speed, () => {
      if (life === this.#life) this.#ended(computed);
    });
  }

  /** A step is over, in which these prompts were computed to their ends. */
  #ended(computed: readonly Job[]): void {
    this.#isStepping = false;
    this.#step++;
    for (const job of computed) {
      this.#prefilling.splice(this.#prefilling.indexOf(job), 1);
      this.#decoding++;
      this.#context += job.work.prompt;
      const end = this.#step + Math.max(1, job.work.out - 1);
      const ends = this.#ends.get(end);
      if (ends === undefined) this.#ends.set(end, [job]);
      else ends.push(job);
      job.work.first(job.cached);
    }
    const over = this.#ends.get(this.#step) ?? [];
    this.#ends.delete(this.#step);
    for (const job of over) {
      this.#decoding--;
      this.#context -= job.work.prompt;
      this.#release(job);
      job.work.finished();
    }
    this.#kick();
  }
}
