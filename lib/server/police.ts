// Where policies on prompts stand in a request's way: it has been read, nothing has been chosen or sent.

import type { Api } from "../api/dialects.ts";
import { type ClientRequest, RequestError } from "../http/client.ts";
import type { Caller } from "../caller/caller.ts";
import type { AnswerForm } from "../policy/answer/rules.ts";
import type { PoliciesInForce } from "../policy/in_force.ts";
import type { Asking, Plan, Policed, PromptPolicy, Subject } from "../policy/policy.ts";
import { PromptBody } from "../policy/prompt/prompt_body.ts";
import type { PolicyTrail } from "../policy/trail.ts";

/** What the policies of a request are chosen by. `caller` is null where anyone may ask. */
export function subjectOf(caller: Caller | null, model: string, route: string): Subject {
  const key = caller === null ? "" : caller.name;
  return { model, route, key, group: caller?.group?.name ?? "" };
}

/** Lets the policies of `plan` look at the request in their order. Throws PolicyRefusal. */
export async function policed(
  policies: PoliciesInForce,
  plan: Plan,
  subject: Subject,
  body: Uint8Array,
  api: Api | null,
  trail: PolicyTrail,
): Promise<Policed> {
  if (api === null) noteUnread(plan, trail);
  else if (trail.keepsAsked) trail.asked = { api, model: subject.model, body };
  if (api === null || plan.prompt.length === 0) return { plan, trail, body, restore: null };
  const prompt = new PromptBody(api, body);
  for (const policy of plan.prompt) await askedAndTimed(policy, { subject, body: prompt, trail });
  return { plan, trail, body: prompt.bytes, restore: policies.restoring(trail) };
}

async function askedAndTimed(policy: PromptPolicy, asking: Asking): Promise<void> {
  // Guards are asked at the same time, and each is timed by itself.
  if (policy.turn === "guards") return await policy.ask(asking);
  const began = performance.now();
  try {
    await policy.ask(asking);
  } finally {
    const ms = performance.now() - began;
    // Those that act as one have their names joined.
    for (const name of policy.name.split(" ")) asking.trail.checked(name, "prompt", ms);
  }
}

/** Speech, embeddings and the like pass, and it is told that nobody looked. */
function noteUnread({ prompt, answer, guards }: Plan, trail: PolicyTrail): void {
  const looking = prompt.filter(({ turn }) => turn === "filters" || turn === "guards")
    .flatMap(({ name }) => name.split(" "));
  const names = new Set([...looking, ...answer?.names ?? [], ...guards?.names ?? []]);
  for (const policy of names) trail.unscanned.push({ policy, reason: "API" });
}

/** What stands in a schema is cut where it would be written otherwise. */
export function inForm(ruled: Policed, form: AnswerForm): Policed {
  const { plan, restore } = ruled;
  if (form === "free" || (plan.answer === null && restore === null)) return ruled;
  const answer = plan.answer === null ? null : plan.answer.inForm(form);
  return {
    ...ruled,
    plan: { ...plan, answer },
    restore: restore === null ? null : restore.inForm(form),
  };
}

/** Token ids say the same words where no policy reads them. Throws RequestError. */
export function refuseIds({ answer }: Plan, wantsIds: boolean): void {
  if (answer === null || !wantsIds || !answer.acts) return;
  const message = "`return_token_ids` cannot be used where policies look at answers";
  throw new RequestError(400, message, "return_token_ids");
}

/** A response that is kept is read here as a whole alone, and not by its events. Throws RequestError. */
export function refuseUnread({ method, target }: ClientRequest, api: Api | null): void {
  if (method !== "GET" || api !== null || /\/input_items\/?(\?|$)/.test(target)) return;
  throw new RequestError(400, "A response can only be fetched as a whole here", "stream");
}
