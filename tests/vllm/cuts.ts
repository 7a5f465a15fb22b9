// Streams of all APIs broken off at random events: is what the client hears the undisturbed answer?

import type { GatewayProcess } from "../support/processes.ts";
import { readSse } from "../support/sse.ts";
import { type Api, APIS, hear, type Heard, isComplete, LIMIT, streamed } from "./apis.ts";
import type { Cut, Scissors } from "./cutting_proxy.ts";
import { type Report, type Row, row } from "./report.ts";
import type { Server } from "./server.ts";

const TEXTS = [
  ...["Tell me about the sea", "def main(", "写一个故事", "This license", "Why is the sky blue?"],
  "你好，世界。 A list of three:",
];
const HOW: readonly Cut[] = ["reset", "end", "reset within the event"];

/** Cuts `count` streams of each API at each temperature. */
export async function cuts(
  gateway: GatewayProcess,
  server: Server,
  scissors: Scissors,
  options: { count: number; temperatures: readonly number[]; label: string; report: Report },
): Promise<void> {
  const { report, label, count } = options;
  for (const temperature of options.temperatures) {
    for (const api of APIS) {
      const into = row(`cut, ${label}, temperature ${temperature}`, api.name, temperature > 0);
      report.rows.push(into);
      const references = new Map<string, { heard: Heard; events: number }>();
      for (let run = 0; run < count; run++) {
        const text = TEXTS[run % TEXTS.length];
        const body = streamed(api, text, temperature);
        let reference = references.get(text);
        if (!reference) {
          const answer = await readSse(await post(server.origin, api, body));
          reference = { heard: hear(api, answer), events: answer.events.length };
          references.set(text, reference);
        }
        const at = 1 + Math.floor(Math.random() * Math.max(1, reference.events - 2));
        scissors.arm(at, HOW[run % HOW.length]);
        const heard = hear(api, await readSse(await gateway.post(api.path, body)));
        scissors.disarm();
        const odd = judge(into, heard, reference.heard, temperature > 0);
        if (odd) report.notes.push(`${into.trial}, ${api.name}, "${text}" cut at ${at}: ${odd}`);
      }
    }
  }
}

export function post(origin: string, api: Api, body: unknown): Promise<Response> {
  return fetch(origin + api.path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Books an answer; says what is odd about it, or null. */
export function judge(
  into: Row,
  heard: Heard,
  reference: Heard,
  sampled: boolean,
  limit = LIMIT,
): string | null {
  into.answers++;
  if (!isComplete(heard)) {
    const told = heard.error !== null && heard.error.startsWith("{") || heard.status !== 200;
    if (told) into.error++;
    else into.lost++;
    return `${heard.status} ${heard.error ?? heard.fault ?? `finish ${heard.finish}`}`;
  }
  if (into.identical !== null) {
    if (heard.text === reference.text && heard.thought === reference.thought) into.identical++;
    else {
      into.different++;
      return `said ${short(heard)} for ${short(reference)}`;
    }
  }
  const right = sampled
    ? heard.prompt === reference.prompt && heard.completion !== null && heard.completion > 0 &&
      heard.completion <= limit + 1
    : heard.prompt === reference.prompt && heard.completion === reference.completion &&
      heard.finish === reference.finish;
  if (right) return null;
  into.usageWrong++;
  const told = ({ prompt, completion, finish }: Heard) => `${prompt}+${completion} ${finish}`;
  return `usage ${told(heard)} for ${told(reference)}`;
}

const short = ({ thought, text }: Heard) => JSON.stringify((thought + text).slice(-40));
