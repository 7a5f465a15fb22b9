// The storm with keys: clients of many keys ask, give up in the middle, and are refused at limits that
// change, while instances are killed, stopped and restarted and workers die. At the end the books are
// held against what an undisturbed instance says of each answer that a client has got.

import { hashOfKey, newKey } from "../../lib/caller/key.ts";
import { reportUsage } from "../../lib/caller/usage/report.ts";
import { Random } from "../fuzz/random.ts";
import { type GatewayProcess, startGateway } from "../support/processes.ts";
import { waitFor } from "../support/wait.ts";
import { DEADLY_S } from "./deadly.ts";
import { hear, type Heard } from "./heard.ts";
import { startInstances } from "./instances.ts";
import { linesIn } from "./lines.ts";
import { pause } from "./pause.ts";
import { type Question, question } from "./questions.ts";
import { entry, makeTrouble, type Troubles } from "./trouble.ts";

export interface KeysStormOptions {
  seconds: number;
  clients: number;
  keys: number;
  instances: number;
  workers: number;
  seed: number;
  /** Of one answer. */
  tokensPerSecond: number;
  onTrouble?(what: string): void;
}

/** What came of one request that was let in, as its client knows it. */
interface Ask {
  /** broken: cut off, or an error. */
  readonly end: "whole" | "left" | "broken";
  /** What an undisturbed instance says. */
  readonly right: Heard;
  /** Tokens that the client had when it left. */
  readonly tokens: number;
  readonly kind: string;
}

export interface KeysStormReport extends Troubles {
  deaths: number;
  answers: number;
  left: number;
  broken: number;
  refused: number;
  /** Whole answers for which something else was charged than an undisturbed instance says. */
  wrongCharges: number;
  /** Answers that clients left, charged with less than they had, or with more than all of it. */
  wrongAborts: number;
  /** Tokens in the books beside those that single requests were charged with. */
  wrongTokens: number;
  /** Cost in the books beside that of the tokens, in billionths. */
  wrongCost: number;
  /** Keys that were let in more often than their limits allow. */
  beyondRate: number;
  /** Keys that had more at once than their limit allows. */
  beyondConcurrency: number;
  /** Slots that were still taken at the end. */
  slots: number;
  exitCode: number;
  complaints: string[];
}

/** What must be zero. */
export const KEY_VIOLATIONS = [
  ...["wrongCharges", "wrongAborts", "wrongTokens", "wrongCost", "beyondRate"] as const,
  ...["beyondConcurrency", "slots", "exitCode"] as const,
] satisfies (keyof KeysStormReport)[];

const PRICE = { prompt: 3, completion: 7 };
/** By turns: a reload brings the other. */
const RATES = [
  { requests_per_minute: 240, concurrency: 6, tokens_per_minute: 100_000 },
  { requests_per_minute: 120, concurrency: 4, tokens_per_minute: 60_000 },
];
const MOST = RATES[0];

export async function keysStorm(options: KeysStormOptions): Promise<KeysStormReport> {
  await using instances = await startInstances(options.instances, [
    ...["--ttft", "0.05", "--tokens-per-second", String(options.tokensPerSecond)],
  ]);
  await using references = await startInstances(1, ["--ttft", "0", "--tokens-per-second", "0"]);
  const keys = Array.from({ length: options.keys }, (_, at) => new Key(`key-${at}`));
  const random = new Random(options.seed, 0);
  const whims = new Random(options.seed, 2);
  let deaths = 0;
  const config = {
    workers: options.workers,
    timeouts: { idle: 2 },
    error_window: 3,
    ejection_time: 3,
    log: { level: "error" },
    groups: [{ name: "half", concurrency: 1000 }],
    keys: keys.map(({ line }) => line),
    /** Another one with each reload. */
    get limits() {
      return { ...whims.pick(RATES), prices: { "*": PRICE } };
    },
    /** Now and then one that a worker dies of. */
    get keepalive() {
      if (options.workers < 2 || !whims.once(4)) return 15;
      deaths++;
      return DEADLY_S + 1 + whims.below(options.workers);
    },
  };
  await using gateway = await startGateway({
    config: { ...config, keepalive: 15, instances: instances.map(entry) },
    main: new URL("mortal_main.ts", import.meta.url).pathname,
  });
  const over = new AbortController();
  const troubles = makeTrouble({
    gateway,
    instances,
    config,
    random: new Random(options.seed, 1),
    signal: over.signal,
    onTrouble: options.onTrouble ?? (() => {}),
  });
  const begun = performance.now();
  let number = 0;
  const client = async (at: number) => {
    const key = keys[at % keys.length];
    await pause(at * 1000 / options.clients);
    while (!over.signal.aborted) {
      const told = question(number++, random, "demo");
      const right = hear(told.api, told.stream, await textOf(post(references[0].origin, told)));
      const asked = random.once(2) ? withoutUsage(told) : told;
      await key.ask(gateway, asked, right, random, over.signal);
    }
  };
  const watch = async () => {
    while (!over.signal.aborted) {
      await pause(250);
      for (const key of keys) await key.look(gateway);
    }
  };
  const clients = Array.from({ length: options.clients }, (_, at) => client(at));
  const timer = setTimeout(() => over.abort(), options.seconds * 1000);
  try {
    const watching = watch();
    await Promise.race([troubles, Promise.all(clients).then(() => troubles)]);
    await Promise.all([...clients, watching]);
    const made = await troubles;
    const minutes = (performance.now() - begun) / 60_000;
    const slots = await slotsLeft(gateway, keys);
    const { code } = await gateway.stop(30_000);
    const books = await readBooks(gateway.dataDir);
    const charges = await readCharges(gateway.dataDir);
    return judge(keys, books, charges, { made, deaths, minutes, slots, code });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** A key and what its clients have met. */
class Key {
  readonly key = newKey();
  /** By the request's id. */
  readonly asks = new Map<string, Ask>();
  refused = 0;
  /** The most that were under way at once, as the gateway says. */
  mostInFlight = 0;

  constructor(readonly name: string) {}

  get line(): Record<string, unknown> {
    const group = Number(this.name.slice(4)) % 2 === 0 ? { group: "half" } : {};
    return { name: this.name, hash: `sha256:${hashOfKey(this.key)}`, ...group };
  }

  /** One request: to its end, or left after some of it. */
  async ask(
    gateway: GatewayProcess,
    asked: Question,
    right: Heard,
    random: Random,
    over: AbortSignal,
  ): Promise<void> {
    const leaving = new AbortController();
    // Every sixth client has enough after a while.
    const leavesAfter = random.once(6) ? random.below(right.completionTokens ?? 1) : Infinity;
    const kind = `${asked.stream ? "streamed" : "whole"} ${asked.api}`;
    const ended = (end: Ask["end"], tokens = 0) =>
      this.asks.set(asked.id, { end, right, tokens, kind });
    let body = "";
    try {
      const response = await post(gateway.url, asked, this.key, leaving.signal);
      if (response.status === 429) {
        this.refused++;
        await response.body?.cancel();
        await pause(Math.min(2000, Number(response.headers.get("retry-after-ms") ?? 500)), over);
        return;
      }
      let events = 0;
      for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
        body += text;
        events += text.split("\n\n").length - 1;
        if (asked.stream && events > leavesAfter) {
          ended("left", tokensIn(asked, body));
          leaving.abort();
          return;
        }
      }
      ended(response.status === 200 && isWhole(asked, body) ? "whole" : "broken");
    } catch (error) {
      if (leaving.signal.aborted) return;
      if (!(error instanceof TypeError)) throw error;
      ended("broken");
    }
  }

  async look(gateway: GatewayProcess): Promise<void> {
    try {
      const { in_flight } = await this.#page(gateway);
      this.mostInFlight = Math.max(this.mostInFlight, in_flight);
    } catch (error) {
      // The worker that was asked has died.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async inFlight(gateway: GatewayProcess): Promise<number> {
    return (await this.#page(gateway)).in_flight;
  }

  async #page(gateway: GatewayProcess): Promise<{ in_flight: number }> {
    const headers = { authorization: `Bearer ${this.key}` };
    const response = await fetch(`${gateway.url}/v1/key`, { headers });
    const page = await response.json();
    // Looks are requests as well, and limited.
    return response.status === 200 ? page : { in_flight: 0 };
  }
}

/** The same, asked by somebody who does not want to know the usage of a stream. */
function withoutUsage(asked: Question): Question {
  const { stream_options: _, ...body } = JSON.parse(asked.body);
  return { ...asked, body: JSON.stringify(body) };
}

function isWhole(asked: Question, body: string): boolean {
  try {
    const { error, finish } = hear(asked.api, asked.stream, body);
    return error === null && finish !== null;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function tokensIn(asked: Question, body: string): number {
  const { tokens } = hear(asked.api, true, body.slice(0, body.lastIndexOf("\n\n") + 2));
  return tokens.length;
}

/** What the files have of one key. */
interface Book {
  tokens: number;
  wrongCost: number;
}

async function readBooks(dataDir: string): Promise<Map<string, Book>> {
  const { rows } = await reportUsage({ dataDir, by: ["key"], where: () => true });
  return new Map(rows.map(({ values: [key], amount }) => {
    const cost = (amount.prompt * PRICE.prompt + amount.completion * PRICE.completion) / 1e6;
    return [key, {
      tokens: amount.tokens,
      wrongCost: Math.abs(Math.round((cost - amount.cost) * 1e9)),
    }];
  }));
}

/** What a record says that its request was charged with. */
interface Charge {
  readonly key: string;
  readonly prompt: number;
  readonly completion: number;
  readonly estimated: boolean;
  /** The whole of what is told of the request, for complaints. */
  readonly meta: string;
}

/** By the request's id. */
async function readCharges(dataDir: string): Promise<Map<string, Charge>> {
  const charges = new Map<string, Charge>();
  for (const folder of ["requests_responses", "incomplete"]) {
    for await (const line of linesIn(`${dataDir}/${folder}`)) {
      const { meta } = JSON.parse(line);
      const { request_id, key, charged } = JSON.parse(meta);
      charges.set(request_id, { key, ...charged, meta });
    }
  }
  return charges;
}

interface Circumstances {
  made: Troubles;
  deaths: number;
  minutes: number;
  slots: number;
  code: number;
}

function judge(
  keys: readonly Key[],
  books: ReadonlyMap<string, Book>,
  charges: ReadonlyMap<string, Charge>,
  { made, deaths, minutes, slots, code }: Circumstances,
): KeysStormReport {
  const report: KeysStormReport = {
    ...made,
    ...{ deaths, answers: 0, left: 0, broken: 0, refused: 0 },
    ...{ wrongCharges: 0, wrongAborts: 0, wrongTokens: 0, wrongCost: 0, beyondRate: 0 },
    ...{ beyondConcurrency: 0, slots, exitCode: code, complaints: [] },
  };
  const complain = (what: string) => {
    if (report.complaints.length < 20) report.complaints.push(what);
  };
  for (const { name, asks, refused, mostInFlight } of keys) {
    const book = books.get(name) ?? { tokens: 0, wrongCost: 0 };
    report.refused += refused;
    report.wrongCost += book.wrongCost;
    let charged = 0;
    // What a worker took along that died: charged, or not, but told by nobody.
    let untold = 0;
    for (const [id, { end, right, tokens, kind }] of asks) {
      report[end === "whole" ? "answers" : end]++;
      const prompt = right.promptTokens ?? 0;
      const completion = right.completionTokens ?? 0;
      const charge = charges.get(id);
      if (charge === undefined) {
        untold += prompt + completion;
        continue;
      }
      charged += charge.prompt + charge.completion;
      const isRight = charge.prompt === prompt && charge.completion === completion;
      if (end === "whole" && !isRight) {
        report.wrongCharges++;
        complain(`${id}, ${kind}: not ${prompt} and ${completion}: ${charge.meta}`);
      }
      if (end === "left" && (charge.completion < tokens || charge.completion > completion)) {
        report.wrongAborts++;
        complain(`${id}, ${kind}, had ${tokens} of ${completion} tokens: ${charge.meta}`);
      }
    }
    const surplus = book.tokens - charged;
    if (surplus < 0 || surplus > (deaths > 0 ? untold : 0)) {
      report.wrongTokens += Math.abs(surplus);
      complain(`${name}: ${book.tokens} tokens booked, ${charged} charged`);
    }
    // A full bucket at the beginning, and what flows in.
    const most = MOST.requests_per_minute * (minutes + 1);
    if (asks.size > most) {
      report.beyondRate++;
      complain(`${name}: ${asks.size} let in, ${most} allowed`);
    }
    if (mostInFlight > MOST.concurrency) {
      report.beyondConcurrency++;
      complain(`${name}: ${mostInFlight} at once`);
    }
  }
  return report;
}

async function slotsLeft(gateway: GatewayProcess, keys: readonly Key[]): Promise<number> {
  let left = NaN;
  const look = async () => {
    left = 0;
    for (const key of keys) left += await key.inFlight(gateway);
    return left === 0;
  };
  await waitFor(look, "all slots to be free", 30_000).catch(() => {
    // Those that are left are counted in the report.
  });
  return left;
}

function post(
  origin: string,
  { path, id, body }: Question,
  key?: string,
  signal?: AbortSignal,
): Promise<Response> {
  const bearer: Record<string, string> = key === undefined
    ? {}
    : { authorization: `Bearer ${key}` };
  return fetch(origin + path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": id, ...bearer },
    body,
    signal,
  });
}

async function textOf(response: Promise<Response>): Promise<string> {
  return await (await response).text();
}
