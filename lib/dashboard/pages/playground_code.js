// What the playground would send, as code for a terminal or a program, and what came back as it came.

import { html } from "./html.js";
import { useState } from "./vendor/libraries.js";

const KINDS = ["curl", "python", "node"];
const KEY = "YOUR_KEY";
/** The official client's package. */
const NODE_CLIENT = "openai";

export function PlaygroundCode({ t, base, body, hasKey }) {
  const [kind, setKind] = useState("curl");
  const [copied, setCopied] = useState("");
  const code = codeFor(kind, { base, body, hasKey });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code);
      setCopied(t("copied"));
    } catch {
      // Not allowed on a page without TLS: the text can be marked by hand.
      setCopied(t("copy_by_hand"));
    }
  };
  return html`
    <section aria-labelledby="code-title" class="playground-code">
      <div class="head">
        <h2 id="code-title">${t("code")}</h2>
        <fieldset class="choice">
            <legend class="hidden">${t("code")}</legend>
            ${KINDS.map((one) =>
              html`<label key=${one}><input type="radio" name="code-kind" checked=${one === kind}
              onChange=${() => {
                setKind(one);
                setCopied("");
              }} /><span>${t(`code_${one}`)}</span></label>`
            )}
          </fieldset>
        <button type="button" onClick=${copy}>${t("copy")}</button>
        <span role="status">${copied}</span>
      </div>
      <pre class="code" tabindex="0" role="region" aria-label=${t(`code_${kind}`)}>${code}</pre>
    </section>
  `;
}

export function RawAnswer({ t, text }) {
  if (text === "") return null;
  return html`
    <details class="raw">
      <summary>${t("raw_answer")}</summary>
      <pre class="code" tabindex="0" role="region" aria-label=${t("raw_answer")}>${text}</pre>
    </details>
  `;
}

/** `base` ends in /v1. A key that was typed is not in the code: it would be copied about. */
export function codeFor(kind, { base, body, hasKey }) {
  const key = hasKey ? KEY : null;
  switch (kind) {
    case "curl":
      return [
        `curl -N ${shell(`${base}/chat/completions`)} \\`,
        "  -H 'content-type: application/json' \\",
        ...(key === null ? [] : [`  -H 'authorization: Bearer ${key}' \\`]),
        `  -d ${shell(JSON.stringify(body))}`,
      ].join("\n");
    case "python":
      return [
        "from openai import OpenAI",
        "",
        `client = OpenAI(base_url=${JSON.stringify(base)}, api_key=${
          JSON.stringify(key ?? "none")
        })`,
        "stream = client.chat.completions.create(",
        ...Object.entries(body).map(([name, value]) => `    ${name}=${python(value)},`),
        ")",
        "for chunk in stream:",
        "    if chunk.choices:",
        '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
      ].join("\n");
    case "node":
      return [
        `import OpenAI from ${JSON.stringify(NODE_CLIENT)};`,
        "",
        `const client = new OpenAI({ baseURL: ${JSON.stringify(base)}, apiKey: ${
          JSON.stringify(key ?? "none")
        } });`,
        `const stream = await client.chat.completions.create(${JSON.stringify(body, null, 2)});`,
        "for await (const chunk of stream) {",
        '  process.stdout.write(chunk.choices[0]?.delta.content ?? "");',
        "}",
      ].join("\n");
  }
  return "";
}

function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value of JSON as Python writes it. */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).map(([name, one]) =>
      `${JSON.stringify(name)}: ${python(one)}`
    );
    return `{${members.join(", ")}}`;
  }
  return JSON.stringify(value);
}
