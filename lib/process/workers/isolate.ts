// An isolate that a worker runs in, as the main isolate has it, and how one is made on the spot. What both
// say to each other stands in messages.ts.

import type { FromWorker, ToWorker } from "./messages.ts";

export interface Isolate {
  postMessage(message: ToWorker): void;
  /** Ends it, whatever it does. Idempotent. */
  terminate(): void;
}

/** What is heard of it. */
export interface IsolateEvents {
  said(message: FromWorker): void;
  /** It has ended with an error that nobody caught, or could not be made. */
  failed(message: string): void;
}

/** Makes the isolate called `name`, which begins with `module`. */
export type MakeIsolate = (module: string, name: string, events: IsolateEvents) => Isolate;

/** Made by the isolate that calls, which is held up by it: tens of milliseconds on a busy machine. */
export const madeHere: MakeIsolate = (module, name, { said, failed }) => {
  const worker = new Worker(module, { type: "module", name });
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => said(data);
  worker.onerror = (event) => {
    event.preventDefault();
    failed(event.message);
  };
  return worker;
};
