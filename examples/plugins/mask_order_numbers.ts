// Masks order numbers whose check digit is right, so that no instance sees them: the last digit is the sum
// of the others, modulo ten.

import type { Policy } from "./policy.d.ts";

const ORDER = /\bORD-(\d{8})\b/g;

function isOrder(digits: string): boolean {
  const sum = [...digits.slice(0, -1)].reduce((total, digit) => total + Number(digit), 0);
  return sum % 10 === Number(digits.at(-1));
}

function masked(text: string): string {
  return text.replace(ORDER, (found, digits) => isOrder(digits) ? "ORD-********" : found);
}

export default {
  name: "mask_order_numbers",
  prompt({ texts }) {
    const written = texts.map(({ text }) => masked(text));
    return written.every((text, at) => text === texts[at].text)
      ? "pass"
      : { action: "mask", texts: written };
  },
} satisfies Policy;
