// Refuses questions about topics that are not this service's business.

import type { Policy } from "./policy.d.ts";

const TOPICS = [/\b(?:lottery|casino|betting)\b/i, /彩票|赌场|博彩/];

export default {
  name: "block_topics",
  prompt({ texts }) {
    const asked = texts.filter(({ role }) => role === "user");
    return asked.some(({ text }) => TOPICS.some((topic) => topic.test(text)))
      ? { action: "reject", message: "This service does not talk about gambling." }
      : "pass";
  },
} satisfies Policy;
