// The story of one request: its facts, then what happened step by step, with the instances' own words.

import { problemText } from "./api.js";
import { millis, moment, whole } from "./format.js";
import { html } from "./html.js";
import { requestsLink } from "./requests_link.js";
import { useEffect, useRef, useState } from "./vendor/libraries.js";

export function RequestStory({ t, api, id, at, session, back }) {
  const [story, setStory] = useState(null);
  const [problem, setProblem] = useState("");
  const title = useRef(null);
  useEffect(() => {
    const ending = new AbortController();
    setProblem("");
    api.get(`request?${new URLSearchParams({ id, at })}`, ending.signal).then(setStory, (error) => {
      if (error.name === "AbortError") return;
      setProblem(error.status === 404 ? t("request_gone") : problemText(t, error));
    });
    return () => ending.abort();
  }, [id, session]);
  useEffect(() => title.current?.focus(), [story]);
  const toList = html`<p class="back"><a href=${back}>${t("back")}</a></p>`;
  if (story === null) {
    return html`${toList}<p class=${problem === "" ? "muted" : "problem"} role="status">${
      problem || t("loading")
    }</p>`;
  }
  return html`
    ${toList}
    <h2 tabindex="-1" ref=${title} class="record-id">${story.id}</h2>
    <p class="sub">${story.method} ${story.path} · ${moment(story.at)}</p>
    <${Facts} t=${t} story=${story} />
    <h3>${t("what_happened")}</h3>
    <ol class="timeline">
      ${story.timeline.map((step, index) =>
        html`
          <li key=${index} class=${levelOf(step)} data-step=${step.kind}>
            <span class="at">${step.at_ms === null ? "" : `+${millis(step.at_ms)}`}</span>
            <span>${wordsOf(t, step)}</span>
          </li>
        `
      )}
    </ol>
    <p class="row">
      ${story.api !== "" && story.outcome !== "rejected" &&
        html`<a href=${`#/records/${encodeURIComponent(`find:${story.outcome}:${story.id}`)}`}>${
          t("to_record")
        }</a>`}
    </p>
  `;
}

function Facts({ t, story }) {
  const link = (name, value) =>
    value === "" ? "–" : html`<a href=${requestsLink({ [name]: value })}>${value}</a>`;
  const who = story.key || story.client;
  const facts = [
    ["outcome", ending(t, story)],
    ["model", link("model", story.model)],
    ["instance", link("instance", story.instance)],
    ["client", link("client", who)],
    ["program", story.user_agent || "–"],
    ["duration", millis(story.duration_ms)],
    ["ttft", millis(story.first_byte_ms)],
    ["tokens", `${whole(story.prompt_tokens)} / ${whole(story.completion_tokens)}`],
    ...(story.policies.length === 0 ? [] : [["policies", policiesOf(t, story)]]),
    ...(story.limited === "" ? [] : [["limited", story.limited]]),
  ];
  return html`<dl class="facts many">${
    facts.map(([name, value]) =>
      html`
        <div key=${name} data-fact=${name}>
          <dt>${t(name)}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;
}

function policiesOf(t, { policies }) {
  return policies.map(({ policy, stage, mode, action, count }, index) =>
    html`${index > 0 && ", "}<a href=${requestsLink({ policy })}>${policy}</a> (${
      t(`policy_on_${stage}`)
    }: ${action}${mode === "audit" && `, ${t("policy_mode_audit")}`}${count > 1 && ` × ${count}`})`
  );
}

function ending(t, { outcome, status }) {
  return t("outcome_and_status", { outcome: t(`outcome_${outcome}`), status });
}

function levelOf({ kind, outcome }) {
  if (kind === "attempt_ended") return outcome === "aborted" ? "" : "bad";
  if (kind === "ended") return outcome === "failed" || outcome === "truncated" ? "bad" : "";
  return kind === "resumed" ? "note" : "";
}

function wordsOf(t, step) {
  const colon = (text) => text === "" ? "" : `: ${text}`;
  switch (step.kind) {
    case "received":
      return t("step_received");
    case "waited":
      return t("step_waited", { time: millis(step.ms) });
    case "asked":
      return html`${t("step_asked", { instance: step.instance })}${
        step.why !== "" && html`
          <span class="sub">${step.why}</span>
        `
      }`;
    case "began":
      return t(step.stream ? "step_first_token" : "step_answer", { instance: step.instance });
    case "attempt_ended": {
      const status = step.status === null ? "" : ` ${step.status}`;
      return `${step.instance}: ${t(`try_${step.outcome}`)}${status}${colon(step.error)}`;
    }
    case "resumed":
      return t("step_resumed", {
        to: step.to,
        from: step.from,
        way: step.way,
        chars: step.at_chars,
      });
    case "ended":
      return `${ending(t, step)}${colon(step.error)}`;
  }
  return step.kind;
}
