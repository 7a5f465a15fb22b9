// Placeholders that stand for personal data in a prompt, and become it again in the answer. The same value
// has the same placeholder for a key, so that the instances' prefix caches stay warm; which value one stands
// for is known for the time of the request alone.

import { createHmac } from "node:crypto";
import { AnswerRules, type TextOptions } from "./answer/rules.ts";
import type { Alphabet } from "./text/alphabet.ts";
import { automatonOf } from "./text/automaton_build.ts";
import type { TextRule, TextRules } from "./text/rules.ts";
import type { PolicyTrail } from "./trail.ts";

export class Placeholders {
  constructor(private readonly alphabet: () => Alphabet) {}

  /** `rules` with placeholders for what they replace, where the policy wants them. */
  within(rules: TextRules, options: TextOptions, key: string, trail: PolicyTrail): TextRules {
    if (!("restore" in options) || !options.restore) return rules;
    return {
      ...rules,
      rules: rules.rules.map((rule) => ({
        ...rule,
        replacement: (found: string, kind: string) =>
          placeholderFor(found, kind, `${options.salt ?? options.name}\n${key}`, trail),
      })),
    };
  }

  /** What puts values in the place of their placeholders; null where there are none. */
  restoring({ placeholders }: PolicyTrail): AnswerRules | null {
    if (placeholders.size === 0) return null;
    const values = new Map([...placeholders].map(([name, value]) => [name.toLowerCase(), value]));
    const rule: TextRule = {
      name: "restore",
      mode: "enforce",
      action: "replace",
      said: "restore",
      wholeWords: false,
      replacement: (found) => values.get(found.toLowerCase()) ?? found,
    };
    const phrases = { phrases: placeholders.keys(), owner: 0, holds: true };
    const rules = { rules: [rule], automaton: automatonOf([phrases], this.alphabet()), runs: [] };
    return AnswerRules.forAll(rules);
  }
}

/** The same for the same value and salt, so in all workers and after a restart. */
function placeholderFor(found: string, kind: string, salt: string, trail: PolicyTrail): string {
  const mark = createHmac("sha256", salt).update(`${kind}\n${found}`).digest("hex");
  for (let length = 8;; length += 4) {
    const name = `<${kind.toUpperCase()}_${mark.slice(0, length)}>`;
    const known = trail.placeholders.get(name);
    if (known !== undefined && known !== found) continue;
    trail.placeholders.set(name, found);
    return name;
  }
}
