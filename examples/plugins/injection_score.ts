// Tells of prompts that look like attempts to talk the model out of its instructions, by a score of phrases.
// From a certain score on they are refused; below it they are only counted.

import type { Policy } from "./policy.d.ts";

const SIGNS: readonly (readonly [RegExp, number])[] = [
  [/ignore (?:all |any )?(?:previous|prior|above) (?:instructions|rules)/i, 5],
  [/(?:reveal|print|repeat) (?:your|the) (?:system prompt|instructions)/i, 4],
  [/you are (?:now|no longer) /i, 2],
  [/developer mode|jailbreak|do anything now/i, 4],
  [/忽略(?:之前|以上|上面)的?(?:所有)?(?:指令|要求|规则)/, 5],
];
const FLAG_FROM = 2;
const REJECT_FROM = 6;

export default {
  name: "injection_score",
  prompt({ texts }) {
    const said = texts.filter(({ channel }) => channel === "content" || channel === "tool_results");
    const score = said.reduce(
      (sum, { text }) =>
        sum + SIGNS.reduce((more, [sign, weight]) => more + (sign.test(text) ? weight : 0), 0),
      0,
    );
    if (score >= REJECT_FROM) return { action: "reject" };
    return score >= FLAG_FROM ? { action: "flag" } : "pass";
  },
} satisfies Policy;
