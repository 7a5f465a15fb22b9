// Writes docs/configuration.md, the reference of every option, from the JSON Schema that
// lib/config/schema.ts gives.

import { ALERT_KINDS } from "../lib/config/alert_channels.ts";
import { jsonSchemaText } from "../lib/config/json_schema.ts";

/** The parts of a JSON Schema that the configuration uses. */
interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

/** Longer lists of words stand once, at the end of the page: the kinds of alerts. */
const MOST_LISTED = 10;
/** Limits beyond this are only those of the number's type. */
const NO_LIMIT = 1e12;

function form(schema: Schema): string {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return [...new Set(alternatives.map(form))].join(" or ");
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined && schema.enum.length > MOST_LISTED) return "[kind](#kinds)";
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${one}\``).join(", ");
  if (schema.type === "array") return `list of ${schema.items ? form(schema.items) : "anything"}`;
  if (schema.type === "object") return "object";
  return `${schema.type ?? "anything"}${range(schema)}`;
}

function range({ minimum, maximum, exclusiveMinimum }: Schema): string {
  const upper = maximum !== undefined && maximum < NO_LIMIT ? maximum : undefined;
  if (exclusiveMinimum !== undefined) {
    return upper === undefined
      ? `, above ${exclusiveMinimum}`
      : `, above ${exclusiveMinimum}, at most ${upper}`;
  }
  if (minimum !== undefined && minimum > -NO_LIMIT) {
    return upper === undefined ? `, from ${minimum}` : `, ${minimum} to ${upper}`;
  }
  return "";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (isRequired) return "required";
  if (schema.default === undefined) return "";
  const text = JSON.stringify(schema.default);
  return text.length > 60 ? "see below" : `\`${text}\``;
}

/** Objects inside an option that have a section of their own. */
function inner(name: string, schema: Schema): [string, Schema][] {
  const found: [string, Schema][] = [];
  if (schema.properties !== undefined) found.push([name, schema]);
  if (schema.items !== undefined) found.push(...inner(`${name}[]`, schema.items));
  for (const one of schema.anyOf ?? schema.oneOf ?? []) {
    const kind = one.properties?.type?.const;
    found.push(...inner(kind === undefined ? name : `${name} (type ${kind})`, one));
  }
  return found;
}

function section(title: string, schema: Schema, level: number): string[] {
  const lines = [
    `${"#".repeat(level)} ${title}`,
    "",
    ...(schema.description === undefined ? [] : [schema.description, ""]),
    "| Option | Form | Default | Meaning |",
    "| --- | --- | --- | --- |",
  ];
  const below: string[] = [];
  for (const [name, option] of Object.entries(schema.properties!)) {
    const isRequired = schema.required?.includes(name) ?? false;
    const cells = [
      `\`${name}\``,
      form(option),
      defaultOf(option, isRequired),
      option.description ?? "",
    ];
    lines.push(`| ${cells.map(cell).join(" | ")} |`);
    const path = level === 2 ? name : `${title}.${name}`;
    for (const [title, object] of inner(path, option)) below.push(...section(title, object, 3));
  }
  return [...lines, "", ...below];
}

/** The whole page. */
export function referenceText(): string {
  const schema: Schema = JSON.parse(jsonSchemaText());
  return [
    "# Configuration reference",
    "",
    "Every option of the configuration file, from the schema that checks it (`deno task schema` writes",
    "this page and `config.schema.json`). `config.jsonc` shows the same as a file with comments.",
    "",
    "- JSON with comments and trailing commas; JSON5 works too. Durations are seconds.",
    "- `${NAME}` in a string reads an environment variable; one that is not set is an error.",
    "- An unknown option is an error that names the nearest known one.",
    "- A saved change is in force at once, `host`, `port`, `workers` and `listener` excepted, which need a",
    "  restart. Requests under way end as they began. A file with an error changes nothing.",
    "",
    ...section("Options", schema, 2),
    "## Kinds",
    "",
    `What \`alerts[].kinds\` may name: ${ALERT_KINDS.map((kind) => `\`${kind}\``).join(", ")}.`,
    "[Operating](guides/operating.md) says what each means and what to do.",
  ].join("\n").trimEnd() + "\n";
}

if (import.meta.main) {
  const path = new URL("../docs/configuration.md", import.meta.url);
  await Deno.writeTextFile(path, referenceText());
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", path.pathname],
  }).output();
  if (!success) throw new Error("the page cannot be formatted");
}
