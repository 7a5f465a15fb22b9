// What a gateway says of its choices as tables for a terminal.

import type { DecisionTaken } from "../../process/pages/decisions.ts";
import type { ExplainAnswer, InstanceAnswer } from "../../server/explain.ts";
import { printable } from "../printable.ts";

const HEADS = ["  instance", "fits", "cached", "to do", "before it", "under way", "tokens/s"]
  .concat("cost s", "");
/** Columns of texts; the others are numbers and stand right. */
const TEXTS = new Set([0, 1, HEADS.length - 1]);

const LEFT: Readonly<Partial<Record<NonNullable<InstanceAnswer["left"]>, string>>> = {
  bound: "has its share",
  context: "too short",
  fallback: "fallback",
  keeper: "another keeps it",
};

const BY: Readonly<Record<ExplainAnswer["by"], string>> = {
  prefix: "it has a part of the prompt",
  home: "nobody has it, and this is its home",
  session: "it had the session before",
  cost: "it costs least",
  bound: "all have more than their share, it has least",
  only: "no other comes into question",
  stored: "it keeps the response that is referred to",
  fallback: "no instance of one's own could answer",
  turn: "it is its turn",
  queue: "all are full",
  nobody: "nobody can be asked",
};

/** Where a request would go, and what was weighed. */
export function explanation(answer: ExplainAnswer): string {
  const { model, upstream_model: upstream, strategy, prompt, instances, waiting } = answer;
  const about = [`model ${printable(model)}`];
  if (upstream !== model) about.push(`there ${printable(upstream)}`);
  about.push(`strategy ${printable(strategy)}`);
  if (prompt !== null) {
    const { tokens, bytes, bytes_per_token: each, chunks, answer_tokens: most } = prompt;
    about.push(`about ${count(tokens)} tokens (${count(bytes)} bytes, ${each.toFixed(2)} a token)`);
    about.push(`${chunks} chunks`);
    if (most > 0) about.push(`at most ${count(most)} tokens of answer`);
  }
  const rows = instances.map((one) => rowOf(one, answer));
  const ages = instances.flatMap(({ metrics_age_s: age }) => age ?? []);
  const seen = ages.length === 0
    ? "No metrics of the instances were seen."
    : `Metrics of ${ages.length} of ${instances.length} instances, ${
      Math.max(...ages).toFixed(1)
    } s ago at most.`;
  const why = wordsFor(BY, answer.by);
  const goes = answer.instance === null
    ? answer.by === "queue"
      ? `Would wait in line, behind ${waiting}: ${BY.queue}.`
      : `Would not be answered: ${why}.`
    : `Would go to ${printable(answer.instance)}: ${why}.`;
  return [about.join(", "), ...tableOf(HEADS, rows, TEXTS), ...prompt === null ? [] : [seen], goes]
    .join("\n");
}

/** A gateway of a later version may have another reason. */
function wordsFor(words: Readonly<Partial<Record<string, string>>>, reason: string): string {
  const own = Object.hasOwn(words, reason) ? words[reason] : undefined;
  return own ?? printable(reason);
}

function rowOf(one: InstanceAnswer, { instance, by }: ExplainAnswer): string[] {
  const { weighed, left, in_flight: inFlight } = one;
  const name = `${one.instance === instance ? "> " : "  "}${printable(one.instance)}`;
  const fits = left === null ? "yes" : wordsFor(LEFT, left);
  const end = one.instance === instance
    ? printable(by)
    : left === "context" && one.max_context !== null
    ? `max_model_len ${count(one.max_context)}`
    : "";
  if (weighed === null) return [name, fits, "-", "-", "-", String(inFlight), "-", "-", end];
  return [
    name,
    fits,
    count(weighed.cached_tokens),
    count(weighed.tokens_to_compute),
    count(weighed.tokens_before),
    weighed.others > 0 ? `${inFlight} (+${weighed.others})` : String(inFlight),
    count(weighed.tokens_per_second),
    weighed.cost_s.toFixed(2),
    end,
  ];
}

const TRACE_HEADS = ["time", "model", "instance", "why", "cached", "of", "cost s", "first byte"]
  .concat("outcome", "id");
const TRACE_TEXTS = new Set([0, 1, 2, 3, 8, 9]);

/** Where the last requests went, the newest last. */
export function trace(decisions: readonly DecisionTaken[]): string {
  if (decisions.length === 0) return "No request has been forwarded yet.";
  const rows = decisions.map((one) => {
    const of = (name: string) =>
      printable(new RegExp(`;${name}=([^;,]*)`).exec(one.route)?.[1] ?? "-");
    const attempts = one.attempts > 1 ? ` after ${one.attempts} attempts` : "";
    return [
      printable(one.time).slice(11, 23),
      printable(one.model),
      one.instance === "" ? "-" : printable(one.instance),
      ...["by", "hit", "of", "cost"].map(of),
      one.first_byte_ms === null ? "-" : `${Math.round(one.first_byte_ms)} ms`,
      `${one.status} ${printable(one.outcome)}${attempts}`,
      printable(one.id),
    ];
  });
  return tableOf(TRACE_HEADS, rows, TRACE_TEXTS).join("\n");
}

/** Lines with the columns of `texts` to the left and the others to the right. */
function tableOf(
  heads: readonly string[],
  rows: readonly string[][],
  texts: ReadonlySet<number>,
): string[] {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column].length))
  );
  return [heads, ...rows].map((row) =>
    row.map((cell, column) =>
      texts.has(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
