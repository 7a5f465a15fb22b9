// Which requests are meant: each condition that is given must hold. What can be seen in the text of a line
// is looked for there first, since most lines are not meant and need not be read.

import { OUTCOMES, type RequestOutcome } from "../observe/report.ts";
import type { Story } from "./story.ts";

const FAILING: readonly RequestOutcome[] = ["failed", "truncated", "rejected"];

/** What may be asked for beside the outcomes that a request has. */
export const MORE_OUTCOMES = ["failing", "failed_over", "resumed", "waited"] as const;

export interface RequestFilter {
  /** Milliseconds since 1970; null for any. Of the moment at which the request came. */
  readonly since: number | null;
  readonly until: number | null;
  readonly model: string;
  /** Any instance that was asked. */
  readonly instance: string;
  /** Key, group or address. */
  readonly client: string;
  /** `404`, `4xx`, `5xx`. */
  readonly status: string;
  /** One of OUTCOMES or MORE_OUTCOMES. */
  readonly outcome: string;
  /** Name of a policy that did something. */
  readonly policy: string;
  /** Took so many milliseconds or more. */
  readonly slowMs: number | null;
  /** In id, path, program or errors, in any letter case. */
  readonly text: string;
}

export const ANY: RequestFilter = {
  since: null,
  until: null,
  model: "",
  instance: "",
  client: "",
  status: "",
  outcome: "",
  policy: "",
  slowMs: null,
  text: "",
};

/** Texts that a line must contain to be worth reading: of each list at least one. */
export function needlesOf(filter: RequestFilter): (readonly string[])[] {
  const { status, model, instance, client, outcome, policy } = filter;
  const needles: (readonly string[])[] = [];
  if (status !== "") needles.push([`"status":${status.replace("xx", "")}`]);
  if (model !== "") needles.push([`"model":${JSON.stringify(model)}`]);
  if (instance !== "") needles.push([`"instance":${JSON.stringify(instance)}`]);
  if (client !== "") needles.push([JSON.stringify(client)]);
  if (policy !== "") needles.push([`"policy":${JSON.stringify(policy)}`]);
  if (outcome === "resumed") needles.push(['"resumes":[{']);
  else if (outcome === "failing") needles.push(FAILING.map((one) => `"outcome":"${one}"`));
  else if (OUTCOMES.some((one) => one === outcome)) needles.push([`"outcome":"${outcome}"`]);
  return needles;
}

/** Whether `story` is meant. */
export function isMeant(filter: RequestFilter, story: Story): boolean {
  const { since, until, model, instance, client, status, outcome, policy, slowMs, text } = filter;
  if (since !== null && story.at < since) return false;
  if (until !== null && story.at > until) return false;
  if (model !== "" && story.model !== model) return false;
  if (client !== "" && ![story.key, story.group, story.client].includes(client)) return false;
  if (slowMs !== null && story.duration_ms < slowMs) return false;
  if (policy !== "" && !story.policies.some((one) => one.policy === policy)) return false;
  if (status !== "" && !hasStatus(story.status, status)) return false;
  if (
    instance !== "" && story.instance !== instance &&
    !story.attempts.some((attempt) => attempt.instance === instance)
  ) return false;
  return hasOutcome(story, outcome) && (text === "" || says(story, text.toLowerCase()));
}

/** A client that left is no failure. */
function isFailing({ outcome }: Pick<Story, "outcome">): boolean {
  return FAILING.includes(outcome);
}

function hasStatus(status: number, wanted: string): boolean {
  return wanted.endsWith("xx")
    ? Math.floor(status / 100) === Number(wanted[0])
    : status === Number(wanted);
}

function hasOutcome(story: Story, wanted: string): boolean {
  switch (wanted) {
    case "":
      return true;
    case "failing":
      return isFailing(story);
    case "failed_over":
      return story.instance !== "" &&
        story.attempts.some(({ outcome }) =>
          outcome === "failed" || outcome === "busy" || outcome === "too_long"
        );
    case "resumed":
      return story.resumes.length > 0;
    case "waited":
      return story.waited_ms > 0;
  }
  return story.outcome === wanted;
}

function says({ id, path, user_agent, error, attempts }: Story, lower: string): boolean {
  return [id, path, user_agent, error, ...attempts.map((one) => one.error ?? "")]
    .some((text) => text.toLowerCase().includes(lower));
}
