// Lets through what is written in Chinese or English: anything else is more than a few letters of another
// script.

import type { Policy } from "./policy.d.ts";

const OTHER = /(?![\p{Script=Latin}\p{Script=Han}])\p{L}/gu;
const MOST = 5;

export default {
  name: "limit_languages",
  prompt({ texts }) {
    const letters = texts.filter(({ role }) => role === "user")
      .reduce((count, { text }) => count + (text.match(OTHER)?.length ?? 0), 0);
    return letters > MOST
      ? { action: "reject", message: "Please write in English or Chinese. 请使用中文或英文。" }
      : "pass";
  },
} satisfies Policy;
