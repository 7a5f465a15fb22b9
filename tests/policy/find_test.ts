// What is found as personal data, as a secret, by a user's pattern, and what only looks like it: the same
// for a text in one piece and in any number of them.

import assert from "node:assert/strict";
import type { PolicyConfig } from "../../lib/config/policies.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { AnswerRules } from "../../lib/policy/answer/rules.ts";
import { Alphabet } from "../../lib/policy/text/alphabet.ts";
import { edited } from "../../lib/policy/text/edits.ts";
import { readWhole } from "../../lib/policy/text/read_whole.ts";
import { Reading } from "../../lib/policy/text/reading.ts";
import type { TextRules } from "../../lib/policy/text/rules.ts";
import { cpuMsOf } from "../support/cpu.ts";

const alphabet = new Alphabet();
const instances = [{ url: "http://127.0.0.1:8000", model_name: "demo" }];

function rulesOf(policy: Record<string, unknown>): TextRules {
  const config = { instances, policies: [{ name: "p", action: "replace", ...policy }] };
  const loaded = loadConfig("x", JSON.stringify(config), () => undefined);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const configs: readonly PolicyConfig[] = loaded.config.policies;
  return AnswerRules.of(configs, () => alphabet)!.rulesFor("content")!;
}

/** What is shown of a text in pieces of `size` units. */
function shownOf(rules: TextRules, text: string, size: number): string {
  const reading = new Reading(rules, false, () => {});
  let [shown, at] = ["", 0];
  const show = (until: number) => {
    if (until > at) shown += edited(text.slice(at, until), at, until, reading.edits);
    reading.shown(at = Math.max(at, until));
  };
  for (let from = 0; from < text.length; from += size) {
    reading.take(text.slice(from, from + size));
    show(reading.settled);
  }
  reading.end();
  show(reading.settled);
  return shown;
}

function assertFinds(policy: Record<string, unknown>, cases: [string, string][]): void {
  const rules = rulesOf(policy);
  for (const [text, expected] of cases) {
    assert.equal(readWhole(rules, text, false, () => {}).text, expected);
    for (let size = 1; size <= 7; size++) assert.equal(shownOf(rules, text, size), expected, text);
  }
}

Deno.test("personal data is found by its form and its check digits", () => {
  assertFinds({
    type: "pii",
    find: ["cn_id_card", "cn_phone", "bank_card", "email", "ip", "cn_passport", "us_ssn", "phone"],
  }, [
    ["身份证11010519491231002X。", "身份证[cn_id_card]。"],
    ["身份证110105194912310021。", "身份证110105194912310021。"],
    ["call 138 0013 8000 now", "call [cn_phone] now"],
    ["+86-13800138000", "[cn_phone]"],
    ["4111 1111 1111 1111 ok", "[bank_card] ok"],
    ["4111 1111 1111 1112 ok", "4111 1111 1111 1112 ok"],
    ["mail a.b+c@example.co.uk, please", "mail [email], please"],
    ["at 10.0.0.255 and 10.0.0.256", "at [ip] and 10.0.0.256"],
    ["E12345678 is a passport", "[cn_passport] is a passport"],
    ["078-05-1120 and 000-05-1120", "[us_ssn] and 000-05-1120"],
    ["+44 20 7946 0958", "[phone]"],
    ["version 1.2.3, 2026-11-26, 12345", "version 1.2.3, 2026-11-26, 12345"],
  ]);
});

Deno.test("secrets are found by the forms that their makers gave them", () => {
  const key = `sk-${"a1B2".repeat(8)}`;
  const jwt = `eyJ${"a".repeat(20)}.eyJ${"b".repeat(20)}.${"c".repeat(24)}`;
  const pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow/+=\nabc\n-----END RSA PRIVATE KEY-----";
  assertFinds({ type: "secrets" }, [
    [`key: ${key}.`, "key: [api_key]."],
    [`AKIAIOSFODNN7EXAMPLE is it`, "[aws_key] is it"],
    [`ghp_${"x".repeat(36)}`, "[github_token]"],
    [`token=${jwt}`, "token=[jwt]"],
    [`${pem}?`, "[private_key]?"],
    ["sk-short and -----BEGIN CERTIFICATE-----", "sk-short and -----BEGIN CERTIFICATE-----"],
  ]);
});

Deno.test("patterns of users are found with and without a beginning that is plain to see", () => {
  assertFinds({ type: "patterns", patterns: ["PROJ-[0-9]{4,6}"], max_length: 12 }, [
    ["see PROJ-12345, PROJ-12 and PROJPROJ-1234", "see [pattern], PROJ-12 and PROJ[pattern]"],
  ]);
  assertFinds({ type: "patterns", patterns: ["[A-Z]{2}[0-9]{3}", "geheim|secret"] }, [
    ["ab AB123 secret", "ab [pattern] [pattern]"],
  ]);
});

Deno.test("a pattern that cannot be run, or has no end, is refused with its place", () => {
  const problemsOf = (more: Record<string, unknown>) => {
    const policies = [{ name: "p", type: "patterns", action: "mask", ...more }];
    const text = JSON.stringify({ instances, policies }, null, 1);
    const loaded = loadConfig("x", text, () => undefined);
    return loaded.ok ? [] : loaded.problems.map(({ message }) => message);
  };
  assert.match(
    problemsOf({ patterns: ["(a)\\1"] }).join(),
    /policies\[0\]\.patterns\[0\]: .*escape/,
  );
  assert.match(problemsOf({ patterns: ["(?=a)b"] }).join(), /patterns\[0\]/);
  assert.match(problemsOf({ patterns: ["a+"] }).join(), /max_length/);
  assert.deepEqual(problemsOf({ patterns: ["a+"], max_length: 10 }), []);
});

Deno.test("no expression of ours takes long over a text made to hurt", () => {
  const rules = rulesOf({
    type: "pii",
    find: ["cn_id_card", "cn_phone", "bank_card", "email", "ip", "phone"],
  });
  for (const bit of ["a.", "1 ", "a@", "1.", "a:", "+1", "-"]) {
    const ms = cpuMsOf(() => readWhole(rules, bit.repeat(20_000), false, () => {}));
    assert.ok(ms < 3000, `${bit} ${ms} ms`);
  }
});
