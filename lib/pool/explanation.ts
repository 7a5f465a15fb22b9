// Where a request would go now, and why the others would not get it: what the choice itself goes by, told
// instead of done. Nothing is sent, noted or counted.

import { byContext } from "./balancing/context.ts";
import type { Decision } from "./balancing/decision.ts";
import type { Why } from "./balancing/receipt.ts";
import type { Router } from "./balancing/router.ts";
import type { Ask, Candidate, Strategy } from "./balancing/strategy.ts";
import type { Condition, Instance } from "./instance.ts";
import type { Member } from "./member.ts";

/**
 * Why one is left out. bound: it has more than its share. fallback: a private one is asked first. keeper: another
 * one keeps what the request refers to.
 */
export type Left =
  | Exclude<Condition, "healthy">
  | "draining"
  | "busy"
  | "full"
  | "context"
  | "bound"
  | "fallback"
  | "keeper";

/** What is weighed of one instance. */
export interface Weight {
  readonly cached: number;
  /** Tokens that it would have to compute, and those that it computes before. */
  readonly work: number;
  readonly backlog: number;
  /** Prompt tokens that it computes in a second. */
  readonly speed: number;
  readonly unanswered: number;
  /** Requests of others there. */
  readonly others: number;
  readonly seconds: number;
}

export interface ExplainedInstance {
  readonly name: string;
  readonly inFlight: number;
  readonly contextLength: number | null;
  /** null where it comes into question. */
  readonly left: Left | null;
  /** null for a fallback, and where prompts are not looked at. */
  readonly weight: Weight | null;
  /** Milliseconds since its metrics were seen; null where they never were. */
  readonly seenMs: number | null;
}

/** As a receipt's reasons; turn: by a strategy that does not weigh. queue: it would wait. nobody: none can. */
export type By = Why | "turn" | "queue" | "nobody";

export interface Explanation {
  /** The instance that would get it; null where none would now. */
  readonly instance: string | null;
  readonly by: By;
  /** Where prompts are looked at. */
  readonly prompt: {
    readonly tokens: number;
    readonly bytes: number;
    readonly bytesPerToken: number;
    readonly chunks: number;
    readonly answerTokens: number;
  } | null;
  /** The one that is chosen first, then the least cost. */
  readonly instances: readonly ExplainedInstance[];
}

/** What the choice goes by. */
export interface Chooser {
  readonly members: readonly Member[];
  readonly fallbacks: readonly Instance[];
  readonly strategy: Strategy;
  /** null where the strategy does not look at prompts. */
  readonly router: Router | null;
  mayTry(instance: Instance): boolean;
}

/** A candidate of which a strategy may take notes that nobody keeps. */
type Copy = Candidate & { readonly name: string };

/** `keeper` is the instance that keeps what the request refers to. Under the pool's lock. */
export function explain(chooser: Chooser, ask: Ask, keeper: string | null): Explanation {
  const { fallbacks, router } = chooser;
  const members = router === null
    ? chooser.members
    : chooser.members.flatMap((member) => member.spots(ask.rank));
  const able = members.filter(({ instance }) => instance.takesRequests && instance.isAvailable);
  const fallback = fallbacks.find((one) => one.takesRequests && one.isAvailable && one.hasRoom);
  const isDesperate = able.length === 0 && fallback === undefined;
  const asked = isDesperate ? members.filter(({ instance }) => chooser.mayTry(instance)) : able;
  const fitting = router === null || asked.length < 2 ? asked : byContext(asked, {
    prompt: router.contextTokens(ask.chain),
    answer: ask.answerTokens,
  });
  const open = fitting.filter(({ instance }) => instance.hasRoom);
  const decision = router === null || open.length === 0
    ? null
    : router.decide(open, ask.chain, ask.session);
  const weights = router === null ? [] : weightsOf(router, members, ask, open, decision);
  const chosen = chosenOf(chooser, ask, open, keeper);
  const by = chosen?.by ??
    (fitting.length > 0 ? "queue" : fallback !== undefined ? "fallback" : "nobody");
  const instance = chosen?.name ?? (by === "fallback" ? fallback!.name : null);
  const leftOf = (member: Member): Left | null => {
    const one = member.instance;
    if (!one.takesRequests) return "draining";
    if (!asked.includes(member)) return one.isBusy ? "busy" : conditionOf(one);
    if (!fitting.includes(member)) return "context";
    if (!one.hasRoom) return "full";
    return decision?.costs[open.indexOf(member)].isOverBound ? "bound" : null;
  };
  const told = members.map((member, at): ExplainedInstance => ({
    ...plain(member, router),
    left: keeper !== null && keeper !== member.instance.name ? "keeper" : leftOf(member),
    weight: weights[at] ?? null,
  }));
  const others = fallbacks.map((one): ExplainedInstance => ({
    ...plain({ instance: one, slot: one.slot, name: one.name, inFlight: one.inFlight }, router),
    left: one.name === instance ? null : "fallback",
    weight: null,
  }));
  const first = (one: ExplainedInstance) => one.name === instance ? 0 : 1;
  const cost = (one: ExplainedInstance) =>
    one.left !== null && one.left !== "bound" ? Infinity : one.weight?.seconds ?? Infinity;
  const inOrder = [...told, ...others].sort((a, b) =>
    first(a) - first(b) || (cost(a) === cost(b) ? 0 : cost(a) - cost(b))
  );
  return { instance, by, prompt: promptOf(router, ask), instances: inOrder };
}

function chosenOf(
  { strategy, router, members, fallbacks }: Chooser,
  ask: Ask,
  open: readonly Member[],
  keeper: string | null,
): { name: string; by: By } | null {
  if (keeper !== null) {
    const one = [...members.map(({ instance }) => instance), ...fallbacks]
      .find(({ name }) => name === keeper);
    // Weights and health are of no account: nobody else has it.
    if (one !== undefined) return one.hasRoom ? { name: keeper, by: "stored" } : null;
  }
  if (open.length === 0) return null;
  if (open.length === 1) return { name: open[0].name, by: "only" };
  const copies = open.map(copyOf);
  const { name } = strategy(copies, ask);
  return { name, by: router === null ? "turn" : router.reason };
}

function copyOf(member: Member): Copy {
  const { name, slot, address, weight, warmth, inFlight, turn, lastPick } = member;
  return { name, slot, address, weight, warmth, inFlight, turn, lastPick };
}

function conditionOf({ condition }: Instance): Left {
  return condition === "healthy" ? "busy" : condition;
}

type Told = Pick<Member, "instance" | "slot" | "name" | "inFlight">;

function plain({ instance, slot, name, inFlight }: Told, router: Router | null) {
  const { contextLength } = instance;
  const seenMs = router?.memory.seen.ageMs(slot, instance.now()) ?? null;
  return { name, inFlight, contextLength, seenMs };
}

/** What is weighed of each member; of those that do not come into question, as if they did. */
function weightsOf(
  router: Router,
  members: readonly Member[],
  { chain, session }: Ask,
  open: readonly Member[],
  decision: Decision | null,
): Weight[] {
  const { learned, trust } = router.memory;
  const bytesPerToken = learned.bytesPerToken(router.model.slot);
  const all = router.decide(members, chain, session);
  return members.map((member, place): Weight => {
    const isOpen = decision !== null && open.includes(member);
    const { standings, costs, chunks, tokens } = isOpen ? decision : all;
    const at = isOpen ? open.indexOf(member) : place;
    const { backlog, speed, unanswered, underWay } = standings[at];
    // What a home is only taken to hold is none of it.
    const known = trust.isOn(member.slot) ? chain.tokensOf(chunks[at], bytesPerToken) : 0;
    const cached = Math.min(tokens, Math.max(known, router.sessionTokens(member.slot, session)));
    return {
      cached,
      work: Math.max(1, tokens - cached),
      backlog,
      speed,
      unanswered,
      others: underWay - member.inFlight,
      seconds: costs[at].seconds,
    };
  });
}

function promptOf(router: Router | null, { chain, answerTokens }: Ask): Explanation["prompt"] {
  if (router === null) return null;
  const bytesPerToken = router.memory.learned.bytesPerToken(router.model.slot);
  const { bytes, length } = chain;
  return {
    tokens: chain.tokens(bytesPerToken),
    bytes,
    bytesPerToken,
    chunks: length,
    answerTokens,
  };
}
