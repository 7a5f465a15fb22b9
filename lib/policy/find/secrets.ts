// Finds secrets by the forms that their makers gave them.

import type { Expression } from "./run_kinds.ts";

const word = (kind: string, regex: RegExp): Expression => ({ kind, run: "word", regex });

export const SECRETS: readonly Expression[] = [
  word("api_key", /(?<![A-Za-z0-9])sk-(?:[A-Za-z]{1,10}-){0,3}[A-Za-z0-9_-]{20,200}/g),
  word("github_token", /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,80}|github_pat_\w{50,100})/g),
  word("gitlab_token", /(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,60}/g),
  word("aws_key", /(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA)[A-Z0-9]{16}(?![A-Za-z0-9])/g),
  word("google_key", /(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}/g),
  word("slack_token", /(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,120}/g),
  word("stripe_key", /(?<![A-Za-z0-9])[rs]k_(?:live|test)_[A-Za-z0-9]{16,120}/g),
  word("npm_token", /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/g),
  word("hf_token", /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,60}/g),
  word("aliyun_key", /(?<![A-Za-z0-9])LTAI[A-Za-z0-9]{12,24}(?![A-Za-z0-9])/g),
  word("tencent_key", /(?<![A-Za-z0-9])AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])/g),
  word(
    "jwt",
    /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{16,1000}/g,
  ),
  {
    kind: "private_key",
    run: "private_key",
    regex: /^-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^]{0,20000}/g,
  },
];
