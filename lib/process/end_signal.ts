// The signals that end the process.

/** Resolves at the next SIGTERM or SIGINT (stop), or SIGUSR2 (a successor listens already). */
export function endSignal(): Promise<"stop" | "hand_over"> {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGTERM", "SIGINT", "SIGUSR2"];
  return new Promise((resolve) => {
    const listeners = signals.map((signal) => {
      const heard = () => {
        for (const [other, listener] of listeners) Deno.removeSignalListener(other, listener);
        resolve(signal === "SIGUSR2" ? "hand_over" : "stop");
      };
      Deno.addSignalListener(signal, heard);
      return [signal, heard] as const;
    });
  });
}
