// What is said of a value that the schema refuses: what was expected in its place, and what was meant by it.

import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { type Parsed, type Problem, SECRET } from "./parse.ts";
import { dotted, type Path, valueAt } from "./path.ts";

type Issue = z.core.$ZodIssue;

/** The problems that one of the schema's issues is, in a text whose values are `root`. */
export function explain(
  file: string,
  parsed: Parsed,
  schema: z.ZodType,
  root: unknown,
  issue: Issue,
): Problem[] {
  const path = issue.path as Path;
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path, root);
    return issue.keys.map((key) => {
      const at = [...path, key];
      const message = `${dotted(at)}: unknown option${meantOption(key, known, schema, path)}`;
      return { file, ...parsed.at(at, "key"), path: at, message };
    });
  }
  const value = valueAt(root, path);
  const inner = issue.code === "invalid_union" ? meantBranch(issue, value) : null;
  if (inner !== null) {
    return inner.flatMap((one) =>
      explain(file, parsed, schema, root, { ...one, path: [...path, ...one.path] } as Issue)
    );
  }
  const place = parsed.at(path, value === undefined ? "key" : "value");
  const got = value === undefined ? "it is missing" : `got ${shown(path, value)}`;
  const message = `${dotted(path)}: ${expectation(issue)}; ${got}${meantValue(issue, value)}`;
  return [{ file, ...place, path, message }];
}

/** What an unknown option was meant to be: one of its section, one of another, or what there is. */
function meantOption(
  key: string,
  known: readonly string[],
  schema: z.ZodType,
  path: Path,
): string {
  const near = nearest(key, known);
  if (near !== null) return `; did you mean \`${near}\`?`;
  const places = placesOf(key, schema);
  if (places.includes(key)) return "; it belongs at the top of the file, beside `instances`";
  if (places.length > 0 && places.length <= MAX_PLACES) {
    return `; there is ${places.map((one) => `\`${one}\``).join(", ")}`;
  }
  return known.length === 0 || path.length === 0 ? "" : `; expected one of ${known.join(", ")}`;
}

/** Of the values that there are, the one that was probably meant. */
function meantValue(issue: Issue, value: unknown): string {
  if (issue.code !== "invalid_value" || typeof value !== "string") return "";
  const meant = nearest(value, issue.values.filter((one) => typeof one === "string"));
  return meant === null ? "" : `; did you mean \`${meant}\`?`;
}

/** Of several forms the one that an object or list was meant as: its own faults say more. */
function meantBranch(issue: Issue & { code: "invalid_union" }, value: unknown): Issue[] | null {
  if (value === null || typeof value !== "object") return null;
  return issue.errors.find((errors) =>
    errors.every((one) => one.path.length > 0 || one.code === "unrecognized_keys")
  ) ?? null;
}

function expectation(issue: Issue): string {
  const parts = new Set(
    issue.code === "invalid_union" && issue.errors.length > 0
      ? issue.errors.flat().map(plainly)
      : [plainly(issue)],
  );
  return [...parts].map((one, index) => index === 0 ? one : one.replace(/^expected /, ""))
    .join(" or ");
}

/** zod's words for kinds of values, as the file's writer would say it. */
const KINDS: Readonly<Record<string, string>> = {
  string: "a text in quotes",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list `[ … ]`",
  object: "an object `{ … }`",
  record: "an object `{ … }`",
};

/** zod's message without what the place and value say already. */
function plainly({ code, message, ...issue }: Issue): string {
  if (code === "invalid_value" && /^Invalid (option|input)/.test(message)) {
    return `expected ${(issue as { values: unknown[] }).values.map(String).join(", ")}`
      .replace(/, ([^,]*)$/, " or $1");
  }
  if (code === "invalid_type") {
    const kind = KINDS[(issue as { expected: string }).expected];
    if (kind !== undefined) return `expected ${kind}`;
  }
  const text = message.replace(/^Invalid input: /, "").replace(/, received [\w ]+$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** More places than these say nothing. */
const MAX_PLACES = 3;

/** Where `whole` has an option `name`, as `section.name` or `instances[].name`. */
function placesOf(name: string, whole: z.ZodType): string[] {
  const places: string[] = [];
  const look = (schema: unknown, before: string): void => {
    for (const { shape, element } of formsOf(schema)) {
      if (element !== undefined) look(element, `${before}[]`);
      for (const [option, inner] of Object.entries(shape ?? {})) {
        const place = before === "" ? option : `${before}.${option}`;
        if (option === name) places.push(place);
        look(inner, place);
      }
    }
  };
  look(whole, "");
  return [...new Set(places)];
}

/** Names of the options of the object at `path` of `root`, which `whole` is the schema of. */
function knownKeys(whole: z.ZodType, path: Path, root: unknown): string[] {
  let schema: unknown = whole;
  for (const [depth, key] of path.entries()) {
    const { shape, element } = unwrap(schema, valueAt(root, path.slice(0, depth))) as {
      shape?: Record<string, unknown>;
      element?: unknown;
    };
    schema = typeof key === "number" ? element : shape?.[key];
    if (schema === undefined) return [];
  }
  const { shape } = unwrap(schema, valueAt(root, path)) as { shape?: Record<string, unknown> };
  return shape === undefined ? [] : Object.keys(shape);
}

interface AnySchema {
  def?: { innerType?: unknown; options?: unknown[]; values?: unknown[] };
  shape?: Record<string, AnySchema>;
  element?: unknown;
}

/** Past defaults and optionals, and where there are several forms each of them. */
function formsOf(schema: unknown): AnySchema[] {
  let inner = schema as AnySchema;
  while (inner?.def?.innerType !== undefined) inner = inner.def.innerType as AnySchema;
  const options = inner?.def?.options;
  return options === undefined ? [inner] : options.flatMap(formsOf);
}

/** Past defaults and optionals; of a union the object that `value` is, by its `type`, or the first. */
function unwrap(schema: unknown, value: unknown): unknown {
  const forms = formsOf(schema);
  const objects = forms.filter(({ shape }) => shape !== undefined);
  const type = valueAt(value, ["type"]);
  return objects.find(({ shape }) => shape!.type?.def?.values?.includes(type)) ?? objects[0] ??
    forms[0];
}

/** Options of `alerts` that say nothing of the channel's secret, which may be its whole address. */
const SHOWN_OF_ALERTS = new Set(["type", "name", "kinds", "min_severity", "port", "tls", "from"]);

/** The offending value, short, and never a secret. */
function shown(path: Path, value: unknown): string {
  const ofAlerts = path[0] === "alerts";
  if (
    path.some((key) => typeof key === "string" && SECRET.test(key)) ||
    (ofAlerts && !SHOWN_OF_ALERTS.has(String(path[2])) && JSON.stringify(value).length > 4)
  ) return "a value (hidden)";
  const plain = typeof value === "number"
    ? String(value)
    : JSON.stringify(value, (key, inner) => SECRET.test(key) ? "***" : inner);
  // Passwords and tokens in a url are secrets too.
  const text = plain.replace(/\/\/[^\s"]*@/g, "//***@").replace(/([?&#])[^\s"]*/g, "$1***");
  return `\`${text.length > 60 ? `${text.slice(0, 57)}...` : text}\``;
}
