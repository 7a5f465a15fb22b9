// A request in words for a terminal: one line in a list, or its whole story.

import { localIso } from "../../alert/local_time.ts";
import type { Story } from "../../requests/story.ts";
import { type Step, timelineOf } from "../../requests/timeline.ts";
import { printable } from "../printable.ts";

/** When, how it ended, how long it took, what for, by whom, for whom, and why not. */
export function lineOf(story: Story): string {
  const { id, outcome, status, model, instance, error, attempts, resumes } = story;
  const notes = [
    ...(attempts.length > 1 ? [`${attempts.length} attempts`] : []),
    ...(resumes.length > 0 ? ["resumed"] : []),
    ...(story.waited_ms > 0 ? [`waited ${lasting(story.waited_ms)}`] : []),
  ];
  const note = notes.length === 0 ? "" : ` (${notes.join(", ")})`;
  const why = error === "" ? "" : `: ${error}`;
  return printable(
    `${moment(story.at)} ${status} ${outcome} ${lasting(story.duration_ms)} ${model || "-"} ` +
      `${instance || "-"} ${clientOf(story)} ${id}${note}${why}`,
    " ",
  );
}

/** Facts first, then what happened, a step a line. */
export function storyText(story: Story): string {
  const { prompt_tokens, completion_tokens } = story;
  const facts: [string, string][] = [
    ["request", story.id],
    ["came", moment(story.at)],
    ["asked", `${story.method} ${story.path}${story.stream ? ", streamed" : ""}`],
    ["model", story.model || "-"],
    ["client", `${clientOf(story)}${story.user_agent === "" ? "" : ` (${story.user_agent})`}`],
    ["ended", `${story.outcome}, status ${story.status}, ${lasting(story.duration_ms)}`],
    ["first token", story.first_byte_ms === null ? "-" : lasting(story.first_byte_ms)],
    ["tokens", completion_tokens === null ? "-" : `${prompt_tokens ?? "-"} + ${completion_tokens}`],
    ...(story.policies.length === 0 ? [] : [["policies", policiesOf(story)] as [string, string]]),
    ...(story.limited === "" ? [] : [["limit", story.limited] as [string, string]]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const steps = timelineOf(story).map((step) =>
    `${(step.at_ms === null ? "" : `+${lasting(step.at_ms)}`).padStart(9)}  ${wordsOf(step)}`
  );
  return [...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`), "", ...steps]
    .map((line) => printable(line, " ")).join("\n");
}

function wordsOf(step: Step): string {
  switch (step.kind) {
    case "received":
      return "came in";
    case "waited":
      return `waited in line for ${lasting(step.ms)}`;
    case "asked":
      return `asked ${step.instance}${step.why === "" ? "" : ` (${step.why})`}`;
    case "began":
      return step.stream ? `${step.instance}: first token` : `${step.instance}: answer is there`;
    case "attempt_ended": {
      const status = step.status === null ? "" : ` ${step.status}`;
      return `${step.instance}: ${step.outcome}${status}${
        step.error === "" ? "" : `: ${step.error}`
      }`;
    }
    case "resumed":
      return `went on at ${step.to} (${step.way}), after ${step.at_chars} characters from ${step.from}`;
    case "ended":
      return `${step.outcome} ${step.status}${step.error === "" ? "" : `: ${step.error}`}`;
  }
}

function policiesOf({ policies }: Story): string {
  return policies.map(({ policy, stage, mode, action, count }) => {
    const told = mode === "audit" ? `${action}, audit` : action;
    return `${policy} (${stage}: ${told}${count > 1 ? `, ${count} times` : ""})`;
  }).join(", ");
}

function clientOf({ key, group, client }: Story): string {
  const who = key === "" ? client : `${key}${group === "" ? "" : `/${group}`}@${client}`;
  return who === "" ? "-" : who;
}

/** 12ms, 1.4s */
function lasting(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`;
}

function moment(at: number): string {
  return localIso(new Date(at)).slice(0, 19).replace("T", " ");
}
