// Finds personal data in runs of characters. The expressions are our own and have bounds everywhere, so that
// the engine's backtracking has nothing to go back over.

import type { PERSONAL } from "../../config/policies_text.ts";
import { isChineseId, isIpv4, passesLuhn } from "./checksums.ts";
import type { Expression } from "./run_kinds.ts";

type Personal = typeof PERSONAL[number];

const digitsOf = (text: string) => text.replace(/\D/g, "");

export const PERSONAL_DATA: Readonly<Record<Personal, Expression>> = {
  cn_id_card: {
    kind: "cn_id_card",
    run: "number",
    regex: /(?<!\d)\d{17}[\dXx](?![\dXx])/g,
    holds: isChineseId,
  },
  cn_phone: {
    kind: "cn_phone",
    run: "number",
    regex: /(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)/g,
  },
  bank_card: {
    kind: "bank_card",
    run: "number",
    regex: /(?<!\d)[2-6]\d{3}(?:[ -]?\d){9,15}(?!\d)/g,
    holds: (text) => passesLuhn(digitsOf(text)),
  },
  us_ssn: {
    kind: "us_ssn",
    run: "number",
    regex: /(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g,
  },
  phone: {
    kind: "phone",
    run: "number",
    regex: /(?<!\d)\+[1-9](?:[ -]?\d){7,14}(?!\d)/g,
  },
  cn_passport: {
    kind: "cn_passport",
    run: "word",
    regex: /(?<![A-Za-z0-9])(?:[EeGgDdSsPpHh]\d{8}|[Ee][A-HJ-NP-Za-hj-np-z]\d{7})(?![A-Za-z0-9])/g,
  },
  email: {
    kind: "email",
    run: "word",
    regex:
      /(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-]{1,64}(?:\.[A-Za-z0-9_%+-]{1,64}){0,8}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}/g,
  },
  ip: {
    kind: "ip",
    run: "word",
    regex:
      /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}(?![\w:])/g,
    holds: (text) => text.includes(":") || isIpv4(text),
  },
};
