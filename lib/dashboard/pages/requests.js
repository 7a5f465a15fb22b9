// All requests, answered or not: a list with filters on one side, the story of one on the other. What is
// asked for stands in the address, so that it can be linked to and sent to somebody.

import { problemText } from "./api.js";
import { millis, moment } from "./format.js";
import { html } from "./html.js";
import { fieldsIn, requestsLink } from "./requests_link.js";
import { RequestStory } from "./request_story.js";
import { useEffect, useState } from "./vendor/libraries.js";

const FILTERS = [
  "since",
  "until",
  "outcome",
  "status",
  "model",
  "instance",
  "client",
  "policy",
  "slow",
  "text",
];
const AGO = { "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 };
const OUTCOMES = [
  "failing",
  "complete",
  "failed",
  "truncated",
  "rejected",
  "filtered",
  "aborted",
  "failed_over",
  "resumed",
  "waited",
];
const STATUSES = ["2xx", "4xx", "5xx"];

export function RequestsView({ t, api, live, place, session }) {
  const fields = fieldsIn(place);
  const { id = "", at = "" } = fields;
  const query = Object.fromEntries(FILTERS.map((name) => [name, fields[name] ?? ""]));
  const asked = JSON.stringify(query);
  const [page, setPage] = useState(null);
  const [cursors, setCursors] = useState([""]);
  const [problem, setProblem] = useState("");
  const cursor = cursors.at(-1);

  useEffect(() => setCursors([""]), [asked]);
  useEffect(() => {
    const ending = new AbortController();
    setProblem("");
    const parameters = new URLSearchParams({ ...query, since: sinceOf(query.since), cursor });
    api.get(`requests?${parameters}`, ending.signal).then(setPage, (error) => {
      if (error.name !== "AbortError") setProblem(problemText(t, error));
    });
    return () => ending.abort();
  }, [asked, cursor, session]);

  const change = (more) => {
    location.hash = requestsLink({ ...query, ...more });
  };
  return html`
    <h1 class="hidden">${t("requests")}</h1>
    <${Search} key=${asked} t=${t} query=${query} live=${live} change=${change} />
    <p class="problem" role="alert">${problem}</p>
    <div class=${id === "" ? "split" : "split open"}>
      <${List} t=${t} page=${page} query=${query} open=${id} first=${cursors.length === 1}
        older=${() => setCursors([...cursors, page.cursor])} newest=${() => setCursors([""])} />
      <section class="reader" aria-label=${t("story")}>
        ${id === "" ? html`<p class="muted hint">${t("pick_request")}</p>` : html`
          <${RequestStory} key=${id} t=${t} api=${api} id=${id} at=${at}
            session=${session}
            back=${requestsLink(query)} />
        `}
      </section>
    </div>
  `;
}

/** A time ago becomes a time; what is one already stays. */
function sinceOf(since) {
  return since in AGO ? new Date(Date.now() - AGO[since]).toISOString() : since;
}

function Search({ t, query, live, change }) {
  const [typed, setTyped] = useState(query);
  const models = named(live.snapshot?.models, query.model);
  const instances = named(live.snapshot?.instances, query.instance);
  const field = (name) => (event) => setTyped({ ...typed, [name]: event.target.value });
  const choice = (name, words, label) =>
    html`<label><span>${t(name)}</span>
      <select value=${query[name]} onChange=${(event) => change({ [name]: event.target.value })}>
        <option value="">${t("any")}</option>
        ${words.map((one) => html`<option value=${one}>${label(one)}</option>`)}
      </select></label>`;
  const times = Object.keys(AGO);
  return html`<form class="search" role="search" onSubmit=${(event) => {
    event.preventDefault();
    const { text, client, policy, slow } = typed;
    change({
      text: text.trim(),
      client: client.trim(),
      policy: policy.trim(),
      slow: slow.trim(),
    });
  }}>
    <label class="grow"><span>${t("search")}</span>
      <input type="search" value=${typed.text} placeholder=${t("search_requests_hint")}
        onInput=${field("text")} /></label>
    ${
    choice(
      "since",
      query.since === "" || times.includes(query.since) ? times : [...times, query.since],
      (one) => one in AGO ? t(`since_${one}`) : moment(one),
    )
  }
    ${choice("outcome", OUTCOMES, (one) => t(`outcome_${one}`))}
    ${
    choice(
      "status",
      query.status === "" || STATUSES.includes(query.status)
        ? STATUSES
        : [...STATUSES, query.status],
      (one) => one,
    )
  }
    ${choice("model", models, (one) => one)}
    ${choice("instance", instances, (one) => one)}
    <label><span>${t("client")}</span>
      <input type="search" value=${typed.client} placeholder=${t("client_hint")}
        onInput=${field("client")} /></label>
    <label><span>${t("policy")}</span>
      <input type="search" value=${typed.policy} onInput=${field("policy")} /></label>
    <label><span>${t("slow")}</span>
      <input type="number" min="1" value=${typed.slow} onInput=${field("slow")} /></label>
    <button type="submit">${t("search_do")}</button>
  </form>`;
}

/** Names that there are, and the one that is asked for, though it may be gone. */
function named(list, chosen) {
  const names = (list ?? []).map(({ name }) => name);
  return chosen === "" || names.includes(chosen) ? names : [...names, chosen];
}

function List({ t, page, query, open, first, older, newest }) {
  if (page === null) return html`<p class="muted" role="status">${t("loading")}</p>`;
  const { requests } = page;
  const isAll = Object.values(query).every((value) => value === "");
  const empty = page.cursor !== null
    ? t("more_requests", { time: moment(page.reached) })
    : t(isAll && first ? "no_requests_yet" : "no_requests");
  return html`<section class="list" aria-label=${t("requests")}>
    ${requests.length === 0 && html`<p class="muted" role="status">${empty}</p>`}
    <ul>
      ${
    requests.map((one) =>
      html`
        <${Item} key=${one.id} t=${t} one=${one} query=${query}
          isOpen=${one.id === open} />
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

const BAD = new Set(["failed", "truncated"]);

function Item({ t, one, query, isOpen }) {
  const notes = [
    ...(one.attempts.length > 1 ? [t("attempts_count", { count: one.attempts.length })] : []),
    ...(one.resumes.length > 0 ? [t("outcome_resumed")] : []),
    ...(one.waited_ms > 0 ? [t("waited_for", { time: millis(one.waited_ms) })] : []),
  ];
  const facts = [moment(one.at), one.model, one.instance, one.key || one.client, ...notes];
  return html`
    <li>
      <a href=${requestsLink({ ...query, id: one.id, at: one.at })} data-request=${one.id}
        aria-current=${isOpen ? "true" : undefined}>
          <span class=${BAD.has(one.outcome) ? "question bad" : "question"}>${one.status} ${t(
            `outcome_${one.outcome}`,
          )} · ${millis(one.duration_ms)}</span>
          ${one.error !== "" && html`<span class="answer">${one.error}</span>`}
          <span class="sub">${facts.filter((fact) => fact !== "").join(" · ")}</span>
        </a>
    </li>
  `;
}
