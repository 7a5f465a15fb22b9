// A conversation through the gateway itself, as any client has it. The dashboard's token is not sent:
// it would pass on to the instance.

import { errorText, readBlocks } from "./api.js";
import { millis } from "./format.js";
import { html } from "./html.js";
import { PlaygroundCode, RawAnswer } from "./playground_code.js";
import { requestsLink } from "./requests_link.js";
import { Message } from "./records.js";
import { useEffect, useRef, useState } from "./vendor/libraries.js";

const BASE = new URL("../v1", document.baseURI).href;
const CHAT = `${BASE}/chat/completions`;

/** Characters of an answer that are kept as they came. */
const MAX_RAW = 200_000;

export function Playground({ t, live, act }) {
  const models = live.snapshot?.models.map(({ name }) => name) ?? [];
  const [model, setModel] = useState("");
  const [system, setSystem] = useState("");
  const [prompt, setPrompt] = useState("");
  const [maxTokens, setMaxTokens] = useState("512");
  const [temperature, setTemperature] = useState("");
  const [key, setKey] = useState("");
  /** Asked by itself, past the choice among all; "" for whoever is chosen. */
  const [only, setOnly] = useState("");
  const [raw, setRaw] = useState("");
  const [messages, setMessages] = useState([]);
  const [facts, setFacts] = useState(null);
  const [problem, setProblem] = useState("");
  const running = useRef(null);
  const [busy, setBusy] = useState(false);
  const chosen = models.includes(model) ? model : models[0] ?? "";
  const serving = (live.snapshot?.instances ?? []).filter(({ models }) => models.includes(chosen))
    .map(({ name }) => name);
  const instance = serving.includes(only) ? only : "";
  useEffect(() => () => running.current?.abort(), []);
  const bodyOf = (asked) => ({
    model: chosen,
    stream: true,
    stream_options: { include_usage: true },
    messages: system.trim() === "" ? asked : [{ role: "system", content: system }, ...asked],
    ...(maxTokens === "" ? {} : { max_tokens: Number(maxTokens) }),
    ...(temperature === "" ? {} : { temperature: Number(temperature) }),
  });
  const question = (content) => [...messages, { role: "user", content }];

  const send = async (event) => {
    event?.preventDefault();
    if (busy || prompt.trim() === "" || chosen === "") return;
    const asked = question(prompt);
    const ending = new AbortController();
    running.current = ending;
    setBusy(true);
    setProblem("");
    setFacts(null);
    setPrompt("");
    setMessages([...asked, { role: "assistant", content: "" }]);
    try {
      setRaw("");
      const onAnswer = (answer) => setMessages([...asked, { role: "assistant", ...answer }]);
      const onFacts = (more) => setFacts((before) => ({ ...before, ...more }));
      const onRaw = (text) => setRaw((before) => (before + text).slice(0, MAX_RAW));
      if (instance !== "") {
        const tried = await act("try", { instance, body: bodyOf(asked) });
        if (tried === null) throw new Error(t("not_signed_in"));
        return takeTried(tried, { onAnswer, onFacts, onRaw });
      }
      await ask({
        body: bodyOf(asked),
        key,
        signal: ending.signal,
        onAnswer,
        onFacts,
        onRaw,
      });
    } catch (error) {
      if (error.name === "AbortError") setFacts((before) => ({ ...before, stopped: true }));
      else setProblem(error.message);
      // What was not answered at all can be sent again.
      setMessages((now) => {
        if ((now.at(-1)?.content || now.at(-1)?.reasoning) || now.length < 2) return now;
        setPrompt(now.at(-2).content);
        return now.slice(0, -2);
      });
    } finally {
      running.current = null;
      setBusy(false);
    }
  };
  const onKey = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
  };
  return html`
    <div class="head">
      <h1>${t("playground")}</h1>
      <button type="button" disabled=${busy || messages.length === 0} onClick=${() => {
        setMessages([]);
        setFacts(null);
        setProblem("");
      }}>${t("clear")}</button>
    </div>
    <div class="playground">
      <form class="parameters" onSubmit=${(event) => event.preventDefault()}>
        <label><span>${t("model")}</span>
          <select value=${chosen} onChange=${(event) => setModel(event.target.value)}>
            ${models.map((name) => html`<option value=${name}>${name}</option>`)}
          </select></label>
        <label><span>${t("only_instance")}</span>
          <select value=${instance} onChange=${(event) => setOnly(event.target.value)}>
            <option value="">${t("any")}</option>
            ${serving.map((name) => html`<option value=${name}>${name}</option>`)}
          </select></label>
        <label><span>${t("system_prompt")} <em>${t("optional")}</em></span>
          <textarea rows="3" value=${system} onInput=${(event) => setSystem(event.target.value)}
          ></textarea></label>
        <label><span>${t("max_tokens")} <em>${t("optional")}</em></span>
          <input type="number" min="1" step="1" value=${maxTokens}
            onInput=${(event) => setMaxTokens(event.target.value)} /></label>
        <label><span>${t("temperature")} <em>${t("optional")}</em></span>
          <input type="number" min="0" max="2" step="0.1" value=${temperature}
            onInput=${(event) => setTemperature(event.target.value)} /></label>
        <label><span>${t("api_key")} <em>${t("optional")}</em></span>
          <input type="password" autocomplete="off" value=${key}
            onInput=${(event) => setKey(event.target.value)} /></label>
      </form>
      <section class="chat" aria-label=${t("conversation")}>
        <ol class="conversation" aria-live="polite" aria-busy=${busy}>
          ${messages.map((one, index) => html`<${Message} key=${index} t=${t} message=${one} />`)}
        </ol>
        <${Facts} t=${t} facts=${facts} />
        <${RawAnswer} t=${t} text=${raw} />
        <p class="problem" role="alert">${problem}</p>
        <form onSubmit=${send}>
          <label><span class="hidden">${t("prompt")}</span>
            <textarea rows="3" placeholder=${t("prompt")} value=${prompt} onKeyDown=${onKey}
              onInput=${(event) => setPrompt(event.target.value)}></textarea></label>
          <p class="row">
            <button type="submit" class="primary" disabled=${busy}>${t("send")}</button>
            <button type="button" disabled=${!busy}
              onClick=${() => running.current?.abort()}>${t("stop")}</button>
          </p>
        </form>
        <${PlaygroundCode} t=${t} base=${BASE} hasKey=${key !== ""}
          body=${bodyOf(question(prompt || t("code_prompt")))} />
      </section>
    </div>
  `;
}

/** What one instance answered, whole. Throws what it said against it. */
function takeTried({ instance, status, ms, text }, { onAnswer, onFacts, onRaw }) {
  onFacts({ instance });
  onRaw(text);
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // No JSON: it is shown as it came.
  }
  if (status !== 200) throw new Error(`${status}: ${body?.error?.message ?? text.slice(0, 500)}`);
  const { content, reasoning, reasoning_content } = body?.choices?.[0]?.message ?? {};
  onAnswer({ content: content ?? "", reasoning: reasoning ?? reasoning_content ?? "" });
  onFacts({ firstTokenMs: ms });
}

function Facts({ t, facts }) {
  if (facts === null) return null;
  const shown = [
    ["answered_by", facts.instance],
    ["ttft", facts.firstTokenMs === undefined ? undefined : millis(facts.firstTokenMs)],
    [
      "speed",
      facts.tokensPerS === undefined ? undefined : t("per_second", { count: facts.tokensPerS }),
    ],
    [
      "request_id",
      facts.requestId &&
      html`<a href=${requestsLink({ id: facts.requestId })}>${facts.requestId}</a>`,
    ],
  ].filter(([, value]) => value !== undefined && value !== null);
  return html`
    <div role="status">
      <dl class="facts line">
        ${shown.map(([name, value]) =>
          html`
            <div key=${name}>
              <dt>${t(name)}</dt>
              <dd data-fact=${name}>${value}</dd>
            </div>
          `
        )}
        ${facts.stopped && html`
          <div>
            <dt class="hidden">${t("state")}</dt>
            <dd>${t("stopped")}</dd>
          </div>
        `}
      </dl>
    </div>
  `;
}

/** Streams one answer. Throws what the gateway said against it, and an AbortError after stop. */
async function ask({ body, key, signal, onAnswer, onFacts, onRaw }) {
  const begun = performance.now();
  const headers = { "content-type": "application/json" };
  if (key !== "") headers.authorization = `Bearer ${key}`;
  const response = await fetch(CHAT, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal,
    credentials: "omit",
  });
  onFacts({
    instance: response.headers.get("x-gateway-instance"),
    requestId: response.headers.get("x-request-id"),
  });
  if (!response.ok) throw new Error(await errorText(response));
  const answer = { content: "", reasoning: "" };
  let firstAt = null;
  let failed = null;
  await readBlocks(response.body, (block) => {
    onRaw(`${block}\n\n`);
    const data = block.split("\n").filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).trim()).join("\n");
    if (data === "" || data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error !== undefined) failed = chunk.error.message ?? String(chunk.error);
    const delta = chunk.choices?.[0]?.delta ?? {};
    const said = delta.content ?? "";
    const thought = delta.reasoning ?? delta.reasoning_content ?? "";
    if (said !== "" || thought !== "") {
      if (firstAt === null) {
        firstAt = performance.now();
        onFacts({ firstTokenMs: firstAt - begun });
      }
      answer.content += said;
      answer.reasoning += thought;
      onAnswer({ ...answer });
    }
    const count = chunk.usage?.completion_tokens;
    if (count > 1 && firstAt !== null) {
      const seconds = (performance.now() - firstAt) / 1000;
      if (seconds > 0) onFacts({ tokensPerS: Math.round((count - 1) / seconds * 10) / 10 });
    }
  });
  if (failed !== null) throw new Error(failed);
}
