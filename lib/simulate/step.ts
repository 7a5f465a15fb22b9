// What comes of a token, or of several that leave in one event: text by parts, calls, the end.

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "abort";

/** A piece of a tool call. */
export interface CallPart {
  /** Which call. */
  index: number;
  /** Its name; null but in its first piece. */
  name: string | null;
  arguments: string;
}

/** Tokens and what they show. Text may lag behind the tokens: within a character, before a stop string. */
export interface Step {
  /** Empty only where an aborted answer ends. */
  ids: number[];
  content: string;
  reasoning: string;
  calls: CallPart[];
  finish: FinishReason | null;
  stopReason: string | number | null;
}

/** Two steps as one. */
export function joined(first: Step, second: Step): Step {
  const calls = first.calls.map((call) => ({ ...call }));
  for (const call of second.calls) {
    const same = calls.find(({ index }) => index === call.index);
    if (same) same.arguments += call.arguments;
    else calls.push({ ...call });
  }
  return {
    ids: [...first.ids, ...second.ids],
    content: first.content + second.content,
    reasoning: first.reasoning + second.reasoning,
    calls,
    finish: second.finish,
    stopReason: second.stopReason,
  };
}

/** True where a step has nothing to read. */
export function isSilent(step: Step): boolean {
  return step.content === "" && step.reasoning === "" && step.calls.length === 0;
}
