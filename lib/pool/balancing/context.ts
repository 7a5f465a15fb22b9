// Which instances have room for a prompt by the length of their context. The estimate is one: only what
// certainly does not fit is left out, and what may not is asked last.

/** A prompt may have so many times fewer tokens than estimated … */
const FEWER = 1.3;
/** … or so many times more. */
const MORE = 1.25;

/** Tokens of a request. */
export interface Lengths {
  /** Of its prompt, estimated. */
  readonly prompt: number;
  /** Of its answer at most, as the client said; 0 where it did not. */
  readonly answer: number;
}

/** An instance's longest context in tokens; null where that is not known. */
export interface Context {
  readonly contextLength: number | null;
}

/**
 * The candidates to be asked first: those that certainly have room, else those that may. Where all are too
 * short, the longest, so that the error is the instance's own.
 */
export function byContext<C extends Context>(
  candidates: readonly C[],
  lengths: Lengths,
): readonly C[] {
  const fits = (candidate: C, prompt: number) =>
    candidate.contextLength === null || prompt + lengths.answer <= candidate.contextLength;
  const most = lengths.prompt * MORE;
  // As a rule all have room, and nothing is to be sorted out.
  if (candidates.every((candidate) => fits(candidate, most))) return candidates;
  const sure = candidates.filter((candidate) => fits(candidate, most));
  if (sure.length > 0) return sure;
  const unsure = candidates.filter((candidate) => fits(candidate, lengths.prompt / FEWER));
  if (unsure.length > 0) return unsure;
  const longest = Math.max(...candidates.map((candidate) => candidate.contextLength ?? 0));
  return candidates.filter((candidate) => candidate.contextLength === longest);
}
