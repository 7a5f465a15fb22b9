// Recorded conversations: a list with search on one side, the conversation on the other. Everything in
// a record is somebody else's text and is shown as text.

import { problemText } from "./api.js";
import { hour, millis, moment, short } from "./format.js";
import { html } from "./html.js";
import { requestsLink } from "./requests_link.js";
import { useEffect, useRef, useState } from "./vendor/libraries.js";

const FIRST = { q: "", model: "", hour: "", incomplete: false };

/** `find:OUTCOME:ID`, where a request is meant and not a place. */
const FIND = /^find:(\w+):([^]+)$/;

export function RecordsView({ place, ...shared }) {
  const found = FIND.exec(place);
  if (found === null) return html`<${Records} key="" ...${shared} place=${place} first=${FIRST} />`;
  const [, outcome, q] = found;
  const first = { ...FIRST, q, incomplete: outcome !== "complete" };
  return html`<${Records} key=${place} ...${shared} place="" first=${first} />`;
}

function Records({ t, api, live, place, first: given }) {
  const [query, setQuery] = useState(given);
  const [page, setPage] = useState(null);
  const [cursors, setCursors] = useState([""]);
  const [problem, setProblem] = useState("");
  const [text, setText] = useState(given.q);
  const cursor = cursors.at(-1);

  useEffect(() => {
    const ending = new AbortController();
    const parameters = new URLSearchParams({
      q: query.q,
      model: query.model,
      hour: query.hour,
      incomplete: query.incomplete ? "1" : "",
      cursor,
    });
    setProblem("");
    api.get(`records?${parameters}`, ending.signal).then(setPage, (error) => {
      if (error.name !== "AbortError") setProblem(problemText(t, error));
    });
    return () => ending.abort();
  }, [query, cursor]);

  const change = (more) => {
    setCursors([""]);
    setQuery({ ...query, ...more });
  };
  const models = live.snapshot?.models.map(({ name }) => name) ?? [];
  return html`
    <h1 class="hidden">${t("records")}</h1>
    <form class="search" role="search" onSubmit=${(event) => {
      event.preventDefault();
      change({ q: text.trim() });
    }}>
      <label class="grow"><span>${t("search")}</span>
        <input type="search" value=${text} placeholder=${t("search_hint")}
          onInput=${(event) => setText(event.target.value)} /></label>
      <label><span>${t("model")}</span>
        <select value=${query.model} onChange=${(event) => change({ model: event.target.value })}>
          <option value="">${t("any_model")}</option>
          ${models.map((name) => html`<option value=${name}>${name}</option>`)}
        </select></label>
      <label><span>${t("hour")}</span>
        <select value=${query.hour} onChange=${(event) => change({ hour: event.target.value })}>
          <option value="">${t("any_hour")}</option>
          ${(page?.hours ?? []).map((one) => html`<option value=${one}>${hour(one)}</option>`)}
        </select></label>
      <label><span>${t("kind")}</span>
        <select value=${query.incomplete ? "1" : ""}
          onChange=${(event) => change({ incomplete: event.target.value === "1", hour: "" })}>
          <option value="">${t("complete")}</option>
          <option value="1">${t("incomplete")}</option>
        </select></label>
      <button type="submit">${t("search_do")}</button>
    </form>
    <p class="problem" role="alert">${problem}</p>
    <div class=${place === "" ? "split" : "split open"}>
      <${List} t=${t} page=${page} query=${query} place=${place} first=${cursors.length === 1}
        older=${() => setCursors([...cursors, page.cursor])} newest=${() => setCursors([""])} />
      <section class="reader" aria-label=${t("conversation")}>
        ${place === ""
          ? html`<p class="muted hint">${t("pick_record")}</p>`
          : html`<${Conversation} key=${place} t=${t} api=${api} place=${place} />`}
      </section>
    </div>
  `;
}

function List({ t, page, query, place, first, older, newest }) {
  if (page === null) return html`<p class="muted" role="status">${t("loading")}</p>`;
  const { records } = page;
  const searching = query.q !== "" || query.model !== "" || query.hour !== "";
  const empty = page.cursor !== null
    ? t("more_search", { size: `${short(page.scanned_bytes / 1e6)} MB` })
    : t(searching ? "no_match" : "no_records");
  return html`<section class="list" aria-label=${t("records")}>
    ${records.length === 0 && html`<p class="muted" role="status">${empty}</p>`}
    <ul>
      ${
    records.map((one) =>
      html`
        <li key=${one.place}>
          <a href=${`#/records/${encodeURIComponent(one.place)}`}
            aria-current=${one.place === place ? "true" : undefined}>
            <span class="question">${one.question || one.error || one.id}</span>
            <span class="answer">${one.answer}</span>
            <span class="sub">${moment(one.time)} · ${one.model}${one.instance === ""
              ? ""
              : ` · ${one.instance}`}${one.completion_tokens === null
              ? ""
              : ` · ${one.completion_tokens} tokens`}${one.duration_ms === null
              ? ""
              : ` · ${millis(one.duration_ms)}`}${one.error === null ? "" : html`
              · <span class=${one.outcome === "aborted" ? "muted" : "bad"}>${one.error}</span>
            `}</span>
          </a>
        </li>
      `
    )
  }
    </ul>
    <p class="row">
      ${!first && html`<button type="button" onClick=${newest}>${t("newest")}</button>`}
      ${page.cursor !== null && html`<button type="button" onClick=${older}>${t("more")}</button>`}
    </p>
  </section>`;
}

function Conversation({ t, api, place }) {
  const [record, setRecord] = useState(null);
  const [problem, setProblem] = useState("");
  const title = useRef(null);
  useEffect(() => {
    const ending = new AbortController();
    api.get(`record?${new URLSearchParams({ place })}`, ending.signal).then(setRecord, (error) => {
      if (error.name === "AbortError") return;
      setProblem(error.status === 404 ? t("record_gone") : problemText(t, error));
    });
    return () => ending.abort();
  }, [place]);
  useEffect(() => title.current?.focus(), [record]);
  const back = html`<p class="back"><a href="#/records">${t("back")}</a></p>`;
  if (record === null) {
    return html`${back}<p class=${problem === "" ? "muted" : "problem"} role="status">${
      problem || t("loading")
    }</p>`;
  }
  return html`
    ${back}
        <h2 tabindex="-1" ref=${title} class="record-id">${record.id}</h2>
        <p class="sub">${record.model}${typeof record.meta.request_id === "string" && html`
          · <a href=${requestsLink({
            id: record.meta.request_id,
            at: Date.parse(record.meta.started_at) || "",
          })}>${t("story")}</a>
        `} · ${record.meta.instance || "–"} · ${moment(
          record.meta.started_at,
        )}</p>
        ${record.tools.length > 0 && html`
          <details>
            <summary>${t("tools_offered", { count: record.tools.length })}</summary>
            <pre class="code" tabindex="0">${JSON.stringify(record.tools, null, 2)}</pre>
          </details>
        `}
        <ol class="conversation">
          ${record.messages.map((message, index) =>
            html`<${Message} key=${index} t=${t} message=${message} />`
          )}
        </ol>
        <details>
      <summary>${t("details")}</summary>
      <pre class="code" tabindex="0">${JSON.stringify(record.meta, null, 2)}</pre>
    </details>
  `;
}

const ROLES = new Set(["system", "developer", "user", "assistant", "tool"]);

/** One message of a conversation, as OpenAI's API has it. */
export function Message({ t, message }) {
  const role = ROLES.has(message.role) ? t(`role_${message.role}`) : String(message.role);
  const reasoning = message.reasoning_content ?? message.reasoning ?? "";
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
  return html`<li class=${`message ${ROLES.has(message.role) ? message.role : ""}`}>
    <p class="role">${role}</p>
    ${
    typeof reasoning === "string" && reasoning.trim() !== "" &&
    html`
      <details class="reasoning" open>
        <summary>${t("reasoning")}</summary>
        <p class="said-text">${reasoning.trim()}</p>
      </details>
    `
  }
    <${Content} content=${message.content} />
    ${
    calls.map((call, index) =>
      html`
        <div class="call" key=${index}>
          <p class="sub">${t("tool_call", { name: call?.function?.name ?? "" })}</p>
          <pre class="code" tabindex="0">${indented(call?.function?.arguments)}</pre>
        </div>
      `
    )
  }
  </li>`;
}

function Content({ content }) {
  if (typeof content === "string") {
    return content === "" ? null : html`<p class="said-text">${content}</p>`;
  }
  if (!Array.isArray(content)) return null;
  return content.map((part, index) => html`<${Part} key=${index} part=${part} />`);
}

const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[\w+/=]+$/;

function Part({ part }) {
  if (typeof part?.text === "string") return html`<p class="said-text">${part.text}</p>`;
  const url = part?.image_url?.url;
  if (typeof url === "string" && PICTURE.test(url)) {
    return html`<img class="picture" src=${url} alt="" />`;
  }
  return html`<pre class="code" tabindex="0">${JSON.stringify(part, null, 2).slice(0, 2000)}</pre>`;
}

/** JSON with line breaks; what is none, or would change by it (long numbers), as it is. */
function indented(text) {
  if (typeof text !== "string") return JSON.stringify(text, null, 2) ?? "";
  try {
    const value = JSON.parse(text);
    const pretty = JSON.stringify(value, null, 2);
    return JSON.stringify(value) === text.replace(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, "")
      ? pretty
      : text;
  } catch {
    // The model wrote something that is no JSON.
    return text;
  }
}
