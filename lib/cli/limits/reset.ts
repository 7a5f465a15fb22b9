// Asks a running gateway to fill limits up again, or to let a budget begin anew.

const TIMEOUT_MS = 5000;

/** Throws an Error with what to do about it. */
export async function resetLimits(
  url: string,
  token: string | undefined,
  /** `budget`: the period of the one that is meant. */
  of: { kind: string; name: string; budget?: string },
): Promise<void> {
  const base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  let response: Response;
  try {
    response = await fetch(`${base}/dashboard/api/reset_limits`, {
      method: "POST",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      body: JSON.stringify(of),
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(
      `no gateway answers at ${base}: ${cause instanceof Error ? cause.message : message}`,
    );
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${base} answered ${response.status}: ${messageIn(text)}`);
}

function messageIn(text: string): string {
  try {
    return JSON.parse(text).error.message;
  } catch {
    // Some other server's error.
    return text.slice(0, 200);
  }
}
