// A request's story in its steps, in the order in which they happened. In which words each is told is left
// to the page and to the command line.

import type { RequestOutcome, TryOutcome } from "../observe/report.ts";
import type { Story, StoryAttempt, StoryResume } from "./story.ts";

/** One step; `at_ms` since the request came, null where that is not known. */
export type Step =
  & { readonly at_ms: number | null }
  & (
    | { readonly kind: "received" }
    /** In line for an instance or a limit, so many milliseconds in all. */
    | { readonly kind: "waited"; readonly ms: number }
    /** `why` it was chosen; "" where that is not known. */
    | { readonly kind: "asked"; readonly instance: string; readonly why: string }
    | { readonly kind: "began"; readonly instance: string; readonly stream: boolean }
    | {
      readonly kind: "attempt_ended";
      readonly instance: string;
      readonly outcome: TryOutcome;
      readonly status: number | null;
      readonly error: string;
    }
    | ({ readonly kind: "resumed" } & StoryResume)
    | {
      readonly kind: "ended";
      readonly outcome: RequestOutcome;
      readonly status: number;
      readonly error: string;
    }
  );

export function timelineOf(story: Story): Step[] {
  const steps: Step[] = [{ at_ms: 0, kind: "received" }];
  if (story.waited_ms > 0) {
    const first = story.attempts[0]?.start_ms ?? null;
    steps.push({ at_ms: first, kind: "waited", ms: story.waited_ms });
  }
  const resumes = [...story.resumes];
  for (const [index, attempt] of story.attempts.entries()) {
    const { instance, start_ms, first_ms, end_ms } = attempt;
    // Why is known of the one that began the answer.
    const isChoice = attempt === beginningOf(story);
    steps.push({ at_ms: start_ms, kind: "asked", instance, why: isChoice ? story.route : "" });
    if (first_ms !== null && !isRefusal(attempt)) {
      const isAfter = index > 0 && resumes[0]?.to === instance;
      if (isAfter) steps.push({ at_ms: first_ms, kind: "resumed", ...resumes.shift()! });
      else steps.push({ at_ms: first_ms, kind: "began", instance, stream: story.stream });
    }
    if (attempt.outcome === "answered") continue;
    const { outcome, status = null, error = "" } = attempt;
    steps.push({ at_ms: end_ms, kind: "attempt_ended", instance, outcome, status, error });
  }
  // Where only the end was missing, nobody was asked for it.
  for (const resume of resumes) steps.push({ at_ms: null, kind: "resumed", ...resume });
  const { duration_ms, outcome, status, error } = story;
  steps.push({ at_ms: duration_ms, kind: "ended", outcome, status, error });
  return steps;
}

/** The attempt that gave the answer its beginning. */
function beginningOf({ attempts, instance, resumes }: Story): StoryAttempt | undefined {
  const name = resumes[0]?.from ?? instance;
  return attempts.findLast((one) =>
    one.instance === name && (one.outcome === "answered" || one.outcome === "broken")
  );
}

function isRefusal({ status }: StoryAttempt): boolean {
  return status !== undefined && status >= 400;
}
