// What the configuration says of resuming the answers of one model.

import type { Config, ResumeMode } from "../../config/config.ts";
import { under } from "../../config/names.ts";
import type { Pool } from "../../pool/pool.ts";
import type { ForwardRequest } from "../request.ts";

export interface ResumeRules {
  mode: ResumeMode;
  /** How long a broken stream waits for an instance. */
  patienceS: number;
  /** Marks of thinking that are configured for the model. */
  marks: readonly (readonly [string, string])[];
  /** Shortest context of the model's private instances in tokens; null where nobody knows. */
  contextLength: number | null;
}

export function resumeRules({ resume }: Config, pool: Pool): ResumeRules {
  const lengths = pool.privateInstances.map((instance) => instance.contextLength)
    .filter((length) => length !== null);
  const marks = under(resume.thinking, pool.model);
  return {
    mode: resumeModeOf(resume, pool.model),
    patienceS: resume.patienceS,
    marks: marks === undefined ? [] : [marks],
    contextLength: lengths.length === 0 ? null : Math.min(...lengths),
  };
}

function resumeModeOf(resume: Config["resume"], model: string): ResumeMode {
  return under(resume.models, model) ?? resume.default;
}

/** Whether an answer that breaks off would go on by its token ids. */
export function goesOnByIds(
  { api, stream, choices, model, echoes }: ForwardRequest,
  resume: Config["resume"],
): boolean {
  // vLLM leaves the prompt out of the text where it tells its ids, and such an answer can only be replayed.
  if (api === "completions" && echoes) return false;
  return stream && choices === 1 && (api === "chat" || api === "completions") &&
    resumeModeOf(resume, model) !== "off";
}
