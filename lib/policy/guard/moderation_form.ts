// How guard models are asked, and how they write their verdicts: Qwen3Guard-Gen, Llama Guard, and endpoints
// like OpenAI's moderations.

import { isObject, type Json, objectsIn } from "../../json/json.ts";
import { GuardFault, type GuardText } from "./verdict.ts";

export type ModerationForm = "qwen3guard" | "llama_guard" | "openai";

export interface Judged {
  readonly safety: "safe" | "controversial" | "unsafe";
  readonly categories: readonly string[];
}

/** The form that goes with a url and a model's name. */
export function formOf(url: string | undefined, model: string): ModerationForm {
  if (url !== undefined && /\/moderations\/?$/.test(url)) return "openai";
  return /llama-?_?guard/i.test(model) ? "llama_guard" : "qwen3guard";
}

/** The body of a call. A guard model judges the last message of a conversation. */
export function questionBody(
  form: ModerationForm,
  model: string,
  texts: readonly GuardText[],
  stage: "prompt" | "answer",
): Json {
  if (form === "openai") return { model, input: texts.map(({ text }) => text) };
  const said = texts.map(({ text }) => text).join("\n\n");
  const messages = stage === "prompt"
    ? [{ role: "user", content: said }]
    : [{ role: "user", content: "" }, { role: "assistant", content: said }];
  return { model, messages, temperature: 0, max_tokens: 64, stream: false };
}

/** Throws GuardFault where the answer is no verdict. */
export function readJudged(form: ModerationForm, answer: unknown): Judged {
  if (form === "openai") return readModeration(answer);
  const choice = isObject(answer) ? objectsIn(answer.choices)[0] : undefined;
  const message = choice !== undefined && isObject(choice.message) ? choice.message : {};
  const said = typeof message.content === "string" ? message.content : "";
  // Thoughts before the verdict are none.
  const text = said.replace(/^[\s\S]*<\/think>/, "").trim();
  return form === "llama_guard" ? readLlamaGuard(text) : readQwen3Guard(text);
}

/** `Safety: Unsafe` and `Categories: Violent, PII` on lines of their own. */
function readQwen3Guard(text: string): Judged {
  const safety = /Safety:\s*(Safe|Unsafe|Controversial)\b/i.exec(text)?.[1].toLowerCase();
  if (safety !== "safe" && safety !== "unsafe" && safety !== "controversial") throw nonsense();
  const list = /Categories:\s*(.*)/i.exec(text)?.[1] ?? "";
  const categories = list.split(",").map((one) => one.trim())
    .filter((one) => one !== "" && one.toLowerCase() !== "none");
  return { safety, categories };
}

/** `safe`, or `unsafe` and a line of `S1,S10`. */
function readLlamaGuard(text: string): Judged {
  const [first = "", second = ""] = text.split(/\r?\n/).map((line) => line.trim());
  const safety = first.toLowerCase();
  if (safety !== "safe" && safety !== "unsafe") throw nonsense();
  return { safety, categories: second.split(",").map((one) => one.trim()).filter(Boolean) };
}

function readModeration(answer: unknown): Judged {
  const results = isObject(answer) ? objectsIn(answer.results) : [];
  if (results.length === 0 || results.some(({ flagged }) => typeof flagged !== "boolean")) {
    throw nonsense();
  }
  const flagged = results.filter((result) => result.flagged === true);
  const categories = flagged.flatMap((result) =>
    isObject(result.categories)
      ? Object.entries(result.categories).filter(([, is]) => is === true).map(([name]) => name)
      : []
  );
  return { safety: flagged.length > 0 ? "unsafe" : "safe", categories: [...new Set(categories)] };
}

function nonsense(): GuardFault {
  return new GuardFault("nonsense", "the guard model's answer is no verdict");
}
