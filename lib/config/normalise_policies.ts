// From the options of policies to what a snapshot holds of them, and the checks that need to see more than
// one value: a policy that can have no effect is refused.

import type { Fault } from "./fault.ts";
import { NO_UTF8, oddLine } from "./no_utf8.ts";
import type { Path } from "./path.ts";
import { isUnbounded, patternFault } from "./pattern.ts";
import { FILE_OPTIONS, type PolicyConfig, type PolicyOptions } from "./policies.ts";
import type { PolicyChannel } from "./policy_common.ts";
import { checkPromptPolicy } from "./policy_effects.ts";

/** The text of a file that a policy names, and whether its bytes were UTF-8; or why it cannot be read. */
export type ReadFile = (named: string) => { text: string; isUtf8: boolean } | { fault: string };

/** Faults go to `faults`. */
export function normalisePolicies(
  all: readonly PolicyOptions[],
  read: ReadFile,
  faults: Fault[],
): PolicyConfig[] {
  const names = new Set<string>();
  return all.map((options, index) => {
    const fault = (at: Path, message: string) =>
      faults.push({ path: ["policies", index, ...at], message });
    if (names.has(options.name)) fault(["name"], "a second policy of this name");
    names.add(options.name);
    checkEffect(options, fault);
    const files = filesOf(options, read, fault);
    checkPromptPolicy(options, files, fault);
    return { options, files };
  });
}

/** Channels that an answer has. */
const ANSWERED: ReadonlySet<PolicyChannel> = new Set(["content", "reasoning", "tool_arguments"]);

type Complain = (at: Path, message: string) => void;

function filesOf(options: PolicyOptions, read: ReadFile, fault: Complain): Record<string, string> {
  const files: Record<string, string> = {};
  for (const option of FILE_OPTIONS) {
    const named = (options as { readonly [name: string]: unknown })[option];
    if (typeof named !== "string") continue;
    const found = read(named);
    if ("fault" in found) fault([option], `\`${named}\` ${found.fault}`);
    else {
      const line = oddLine(found);
      if (line !== null) fault([option], `line ${line} of \`${named}\` ${NO_UTF8}`);
      files[option] = found.text;
    }
  }
  return files;
}

function checkEffect(options: PolicyOptions, fault: Complain): void {
  switch (options.type) {
    case "words":
      if (options.words.length === 0 && options.file === undefined) {
        fault([], "expected `words` or a `file`");
      }
      break;
    case "patterns":
      for (const [index, pattern] of options.patterns.entries()) {
        const wrong = patternFault(pattern);
        if (wrong !== null) fault(["patterns", index], wrong);
        else if (options.max_length === undefined && isUnbounded(pattern)) {
          const message = "has no end of its own; expected `max_length`, the longest match";
          fault(["patterns", index], message);
        }
      }
      break;
    case "pii":
    case "secrets":
      if (!options.restore) break;
      if (options.action !== "replace") fault(["restore"], "has no effect without action replace");
      if (options.on === "answer") fault(["restore"], "has no effect on answers alone");
  }
  if (
    "replacement" in options && options.replacement !== undefined && options.action !== "replace"
  ) {
    fault(["replacement"], "has no effect without action replace");
  }
  if ("in_schema" in options && options.in_schema === "same" && !isWriting(options)) {
    fault(["in_schema"], "has no effect without action mask or replace on answers");
  }
  if ("channels" in options && options.channels !== undefined) {
    const { channels, on } = options;
    if (channels.length === 0) fault(["channels"], "is empty: nothing would be looked at");
    else if (on === "answer" && !channels.some((one) => ANSWERED.has(one))) {
      const message = "has no effect on answers; expected content, reasoning or tool_arguments";
      fault(["channels"], message);
    }
  }
  if ("action" in options && options.action === "cut" && options.on === "prompt") {
    fault(["action"], "cut has no effect on prompts; expected reject");
  }
}

function isWriting({ action, on }: { action: string; on: string }): boolean {
  return (action === "mask" || action === "replace") && on !== "prompt";
}
