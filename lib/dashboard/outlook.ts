// The fleet in sentences: how strong it is, what its clients feel now, and what is to be done. Each sentence is
// the name of one in pages/words_outlook.js with its blanks, so that pages and command line say the same.

import type { Felt } from "../observe/felt.ts";

export type Level = "good" | "warning" | "bad";

export interface Sentence {
  /** Such as `feel_lost`. */
  readonly words: string;
  /** `time` and `last_lost` are ISO texts. */
  readonly values: Readonly<Record<string, string | number | null>>;
}

export interface Outlook {
  /** Of the instances that are no fallbacks. */
  readonly strength: Sentence & { readonly level: Level };
  /** What clients feel now, and what they felt in the last hour where that was not all well. */
  readonly clients: Sentence & { readonly level: Level };
  readonly last_hour: Sentence | null;
  /** The most urgent first. `instance` is whom it is about, "" for none. */
  readonly todo: readonly (Sentence & { readonly level: Level; readonly instance: string })[];
}

interface OneInstance {
  readonly name: string;
  readonly state: string;
  readonly fallback: boolean;
  readonly drained: boolean;
}

interface OneModel {
  readonly name: string;
  /** Instances that can answer now. */
  readonly available: number;
}

export interface Situation {
  readonly instances: readonly OneInstance[];
  readonly models: readonly OneModel[];
  readonly waiting: number;
  /** The last minute, and the last few. */
  readonly justNow: Felt;
  readonly lately: Felt;
  readonly lastHour: Felt;
  /** What was wrong with the file when it was read last; null where it is in force. */
  readonly refused: { readonly time: string; readonly problems: readonly string[] } | null;
  isServing(instance: OneInstance): boolean;
}

/** Share of refused requests from which on it is said what to do. */
const MANY_REFUSED = 0.2;

export function outlookOf(situation: Situation): Outlook {
  const { lastHour } = situation;
  const wasHarmed = lastHour.failed + lastHour.passed_on + lastHour.resumed > 0;
  return {
    strength: strengthOf(situation),
    clients: clientsOf(situation),
    last_hour: wasHarmed
      ? { words: lastHour.lost > 0 ? "last_hour_lost" : "last_hour", values: { ...lastHour } }
      : null,
    todo: todoOf(situation),
  };
}

function strengthOf({ instances, isServing }: Situation): Outlook["strength"] {
  const own = instances.filter(({ fallback }) => !fallback);
  const serving = own.filter(isServing).length;
  const values = { serving, all: own.length };
  const of = (words: string, level: Level) => ({ words, level, values });
  if (serving === own.length && own.length > 0) return of("strength_whole", "good");
  if (serving > 0) {
    return serving * 2 > own.length ? of("strength_most", "warning") : of("strength_half", "bad");
  }
  return instances.some(isServing) ? of("strength_fallback", "bad") : of("strength_none", "bad");
}

function clientsOf(
  { instances, models, waiting, justNow, lately, isServing }: Situation,
): Outlook["clients"] {
  const of = (words: string, level: Level, values: Sentence["values"] = {}) => ({
    words,
    level,
    values: { ...lately, ...values },
  });
  if (!instances.some(isServing)) return of("feel_nothing", "bad");
  const without = withoutInstance(models);
  if (without.length > 0) return of("feel_model", "bad", { models: without.join(", ") });
  if (justNow.lost > 0) return of("feel_lost", "bad");
  if (waiting > 0) return of("feel_waiting", "warning", { waiting });
  if (lately.lost > 0) return of("feel_lost_before", "warning");
  if (lately.requests === 0) return of("feel_quiet", "good");
  if (lately.passed_on + lately.resumed > 0) return of("feel_rescued", "warning");
  if (lately.refused > 0) return of("feel_refused", "warning");
  return of("feel_good", "good");
}

function withoutInstance(models: readonly OneModel[]): string[] {
  return models.filter(({ available }) => available === 0).map(({ name }) => name);
}

/** States in which an instance is out, and whether somebody must do something about it. */
const OUT: Readonly<Record<string, Level>> = {
  hung: "bad",
  misconfigured: "bad",
  down: "bad",
  ejected: "warning",
  shutting_down: "warning",
  asleep: "warning",
  draining: "warning",
};
const URGENCY: readonly Level[] = ["bad", "warning", "good"];

function todoOf(
  { instances, models, waiting, justNow, lately, refused }: Situation,
): Outlook["todo"] {
  const todo: Outlook["todo"][number][] = [];
  const add = (words: string, level: Level, values: Sentence["values"] = {}, instance = "") =>
    todo.push({ words, level, values, instance });
  for (const model of withoutInstance(models)) add("todo_model", "bad", { model });
  if (refused !== null) {
    add("todo_refused", "bad", { problem: refused.problems[0] ?? "", time: refused.time });
  }
  for (const { name, state, drained } of instances) {
    const level = OUT[state];
    if (level === undefined) continue;
    const words = state !== "draining" ? state : drained ? "drained" : "weightless";
    add(`todo_${words}`, level, { name }, name);
  }
  if (justNow.by_fallback > 0) add("todo_fallback", "warning", { ...lately });
  if (waiting > 0) add("todo_waiting", "warning", { waiting });
  if (lately.refused > lately.requests * MANY_REFUSED) {
    add("todo_refusals", "warning", { ...lately });
  }
  return todo.sort((a, b) => URGENCY.indexOf(a.level) - URGENCY.indexOf(b.level));
}
