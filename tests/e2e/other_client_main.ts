// Another client, in an isolate of its own: what the test is busy with is not the gateway's doing. It asks on and on,
// and tells, when it is asked, what the gateway worked at most in one go while an answer was waited for.

import { cpuMsOfThreads, isolateThreads } from "../support/cpu.ts";

interface Scope {
  onmessage: ((event: MessageEvent<{ url: string; pid: number }>) => void) | null;
  postMessage(most: number): void;
}

const scope = globalThis as unknown as Scope;

/** Begins, at the gateway that is told first; anything later asks for the most since the last time. */
scope.onmessage = ({ data: { url, pid } }) => {
  let most = 0;
  scope.onmessage = () => {
    scope.postMessage(most);
    most = 0;
  };
  // What is started later is for what is heavy, and keeps nobody waiting.
  const threads = isolateThreads(pid);
  const askOn = async () => {
    for (;;) {
      const before = cpuMsOfThreads(threads);
      await (await fetch(`${url}/health`)).text();
      most = Math.max(most, ...cpuMsOfThreads(threads).map((ms, at) => ms - before[at]));
      // Not so often that the gateway has nothing else to do.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  void askOn();
};
