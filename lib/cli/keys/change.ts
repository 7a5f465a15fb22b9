// The commands that make and change keys: `keys create`, `import`, `revoke` and `rotate`.

import { hashOfKey, LEAST_CHARS, newKey } from "../../caller/key.ts";
import { lineOf } from "../../config/keys_text.ts";
import { type Command, command } from "../command/command.ts";
import { toggle, withDefault } from "../command/flag.ts";
import { UsageError } from "../command/read.ts";
import { CONFIG_FILE, configFlag } from "../config_file.ts";
import { fileWords } from "../../observe/file_words.ts";
import { endInWords, LIMITS_FLAGS, optionsOf, SPAN } from "./limits_flags.ts";
import { changeKeys, keysFileOf } from "./store.ts";

const CONFIG = configFlag("configuration that names the keys file (keys_file)");
const JSON_FLAG = toggle("print it as one JSON object");
const NAME = { placeholder: "NAME" };

/** The one name that is meant. Throws UsageError. */
export function nameIn(operands: readonly string[]): string {
  const [name, ...more] = operands;
  if (name === undefined || more.length > 0) throw new UsageError("expected one NAME");
  return name;
}

/** Does `work`; what it throws is said, in one line. */
async function saying(work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error)) throw error;
    console.error(fileWords(error));
    return 1;
  }
}

export const create: Command = command({
  name: "keys create",
  summary: "makes a key and shows it, once",
  flags: { config: CONFIG, ...LIMITS_FLAGS, json: JSON_FLAG },
  operands: NAME,
  details:
    `The key alone goes to standard output. Its SHA-256 is written to the keys file of the configuration, which
a running gateway reads at once; where it names none, the line for \`keys\` is printed instead.`,
  examples: [
    "simple-ai-gateway keys create web",
    "simple-ai-gateway keys create ci --rpm 60 --model 'qwen*' --expires 90d",
    "simple-ai-gateway keys create search --budget month=100 --budget day=5000000tokens",
  ],
}, ({ values, operands }) => {
  const name = nameIn(operands);
  return saying(async () => {
    const key = newKey();
    const hash = `sha256:${hashOfKey(key)}`;
    const options = { name, hash, ...optionsOf(values) };
    const file = await keysFileOf(values.config);
    if (file !== null) await changeKeys(file, (keys) => added(keys, options), values.config);
    if (values.json) {
      console.log(JSON.stringify({ name, key, file, options }));
      return;
    }
    console.error(
      file === null
        ? `Add this line to "keys" in ${values.config}:\n  ${lineOf(options)}`
        : `Added to ${file}.${endInWords(options)}`,
    );
    console.error("The key is shown this once:");
    console.log(key);
  });
});

export const importKey: Command = command({
  name: "keys import",
  summary: "adds a key of your own, read from standard input",
  flags: { config: CONFIG, ...LIMITS_FLAGS },
  operands: NAME,
  details:
    `A key that clients have already goes on working. It is read from standard input, since arguments are seen
by every user of the host, and has ${LEAST_CHARS} characters at least, since a short one can be guessed.`,
  examples: ["simple-ai-gateway keys import old-app < key.txt"],
}, ({ values, operands }) => {
  const name = nameIn(operands);
  return saying(async () => {
    const key = (await new Response(Deno.stdin.readable).text()).trim();
    if (!/^[\x21-\x7e]*$/.test(key)) throw new Error("expected one key without spaces");
    if (key.length < LEAST_CHARS) {
      throw new Error(
        `the key has ${key.length} characters; expected at least ${LEAST_CHARS}, since a short one can be guessed`,
      );
    }
    const options = { name, hash: `sha256:${hashOfKey(key)}`, ...optionsOf(values) };
    const file = await keysFileOf(values.config);
    if (file === null) {
      console.error(`Add this line to "keys" in ${values.config}:`);
      console.log(lineOf(options));
      return;
    }
    await changeKeys(file, (keys) => added(keys, options), values.config);
    console.error(`Added to ${file}.${endInWords(options)}`);
  });
});

export const revoke: Command = command({
  name: "keys revoke",
  summary: "takes a key away",
  flags: { config: CONFIG, now: toggle("end its streams under way as well, with an error") },
  operands: NAME,
  details: "Its next request is refused. What it has used stays in the files of usage.",
  examples: ["simple-ai-gateway keys revoke ci", "simple-ai-gateway keys revoke web --now"],
}, ({ values, operands }) => {
  const name = nameIn(operands);
  return saying(async () => {
    const file = await fileOf(values.config);
    await changeKeys(file, (keys) => {
      const options = keys.optionsOf(name);
      if (options === null) throw new Error(`no key is named \`${name}\``);
      return values.now
        ? keys.withChanged(name, { ...options, disabled: "now" })
        : keys.without(name);
    }, values.config);
    console.error(
      values.now
        ? `${name} is disabled in ${file}; its streams end when the gateway has read it.`
        : `${name} is gone from ${file}.`,
    );
  });
});

export const rotate: Command = command({
  name: "keys rotate",
  summary: "makes a key anew; the old one works for a while yet",
  flags: {
    config: CONFIG,
    overlap: withDefault(SPAN, "24h", "how long the old key works beside the new one"),
    json: JSON_FLAG,
  },
  operands: NAME,
  details: "Both count against the same limits and budgets, which stay as they are.",
  examples: ["simple-ai-gateway keys rotate web", "simple-ai-gateway keys rotate ci --overlap 1h"],
}, ({ values, operands }) => {
  const name = nameIn(operands);
  return saying(async () => {
    const file = await fileOf(values.config);
    const key = newKey();
    const until = new Date(Date.now() + values.overlap).toISOString();
    await changeKeys(file, (keys) => {
      const options = keys.optionsOf(name);
      if (options === null) throw new Error(`no key is named \`${name}\``);
      if (typeof options.hash !== "string") {
        throw new Error(`\`${name}\` has its key from the environment: change it there`);
      }
      const { previous: before, ...rest } = options;
      const previous = [...stillGood(before), { hash: options.hash, until }];
      return keys.withChanged(name, { ...rest, hash: `sha256:${hashOfKey(key)}`, previous });
    }, values.config);
    if (values.json) {
      console.log(JSON.stringify({ name, key, file, old_until: until }));
      return;
    }
    console.error(`The old key works until ${until}. The new one is shown this once:`);
    console.log(key);
  });
});

function added(keys: Parameters<Parameters<typeof changeKeys>[1]>[0], options: { name: string }) {
  if (keys.names.includes(options.name)) {
    throw new Error(`a key is named \`${options.name}\` already; \`keys rotate\` makes it anew`);
  }
  return keys.withNew(options);
}

/** Earlier keys whose time is not over. */
function stillGood(previous: unknown): { hash: string; until: string }[] {
  return Array.isArray(previous)
    ? previous.filter((one) => Date.parse(one?.until) > Date.now())
    : [];
}

/** Throws Error where the configuration names no keys file. */
async function fileOf(config: string): Promise<string> {
  const file = await keysFileOf(config);
  if (file !== null) return file;
  const named = config === CONFIG_FILE ? "the configuration" : config;
  throw new Error(
    `${named} names no keys_file: keys that stand in it are changed by hand, and read at once`,
  );
}
