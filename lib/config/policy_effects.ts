// Policies on prompts and guards that could have no effect, or not the one that is meant.

import { plainScript, PluginSourceError } from "./plugin_script.ts";
import type { Path } from "./path.ts";
import type { OptionsOf, PolicyOptions } from "./policies.ts";

type Complain = (at: Path, message: string) => void;
type Files = Readonly<Record<string, string>>;

/** Fields that say what a request is, not how it is answered. */
const ESSENTIAL = new Set([
  "model",
  "messages",
  "prompt",
  "input",
  "stream",
  "previous_response_id",
]);

/** Faults of one policy, of the kinds that change requests or ask somebody. */
export function checkPromptPolicy(options: PolicyOptions, files: Files, fault: Complain): void {
  if ("release" in options && options.release === "first" && options.on === "prompt") {
    fault(["release"], "has no effect on prompts");
  }
  switch (options.type) {
    case "parameters":
      return checkParameters(options, fault);
    case "system_prompt":
      return checkSystemPrompt(options, files, fault);
    case "context":
      if (options.over === "compact" && options.model === undefined) {
        fault(["over"], "compact needs a `model` that sums up");
      }
      if (options.over !== "compact" && options.model !== undefined) {
        fault(["model"], "has no effect without over compact");
      }
      if (!options.keep.includes("system")) {
        fault(["keep"], "the system's words cannot be left out; expected `system` in it");
      }
      return;
    case "rewrite":
      if (isEmpty(options.rename) && options.drop.length === 0 && !options.collapse_whitespace) {
        fault([], "has no effect: expected `rename`, `drop` or `collapse_whitespace`");
      }
      refuseEssential(options.drop, "drop", fault);
      return;
    case "plugin":
      if (files.file !== undefined) checkPlugin(files.file, options.file, fault);
      return;
    case "moderation":
      if (options.api_key !== undefined && options.url === undefined) {
        fault(["api_key"], "has no effect without `url`");
      }
  }
}

function checkParameters(options: OptionsOf<"parameters">, fault: Complain): void {
  const { default: defaults, maximum, set, forbid } = options;
  if (isEmpty(defaults) && isEmpty(maximum) && isEmpty(set) && forbid.length === 0) {
    fault([], "has no effect: expected `default`, `maximum`, `set` or `forbid`");
  }
  refuseEssential(Object.keys(defaults), "default", fault);
  refuseEssential(Object.keys(set), "set", fault);
  refuseEssential(forbid, "forbid", fault);
  for (const name of Object.keys(maximum)) {
    const given = defaults[name];
    if (typeof given === "number" && given > maximum[name]) {
      fault(["default", name], `is above its maximum of ${maximum[name]}`);
    }
  }
}

function refuseEssential(names: readonly string[], option: string, fault: Complain): void {
  for (const [index, name] of names.entries()) {
    if (!ESSENTIAL.has(name)) continue;
    const at = option === "drop" || option === "forbid" ? [option, index] : [option, name];
    fault(at, `\`${name}\` is what the request is about, and cannot be changed here`);
  }
}

function checkSystemPrompt(
  { text, text_file, place }: OptionsOf<"system_prompt">,
  files: Files,
  fault: Complain,
): void {
  if ((text === undefined) === (text_file === undefined)) {
    return fault([], "expected either `text` or `text_file`");
  }
  const option = text === undefined ? "text_file" : "text";
  const said = text ?? files.text_file;
  if (said === undefined) return;
  if (said.trim() === "") fault([option], "is empty");
  if (place !== "after" && said.includes("{{time}}")) {
    fault(
      [option],
      "`{{time}}` changes each minute, and with it the beginning of every prompt: no instance would find " +
        "one in its cache; expected `{{date}}`, or place after",
    );
  }
}

function checkPlugin(text: string, file: string, fault: Complain): void {
  try {
    plainScript(text, file);
  } catch (error) {
    if (!(error instanceof PluginSourceError)) throw error;
    fault(["file"], error.message);
  }
}

function isEmpty(fields: object): boolean {
  return Object.keys(fields).length === 0;
}
