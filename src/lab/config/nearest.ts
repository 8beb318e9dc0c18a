import { distance } from 'fastest-levenshtein';

/** The candidate that `word` is most likely a slip or the beginning of; undefined when none is near. Case does not count. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const scored = candidates.map((candidate) => ({
    candidate,
    slips: distance(word.toLowerCase(), candidate.toLowerCase()),
  }));
  const best = scored.reduce<(typeof scored)[number] | undefined>(
    (a, b) => (a && a.slips <= b.slips ? a : b),
    undefined,
  );
  if (best && best.slips <= Math.max(2, word.length / 3)) return best.candidate;
  return word.length > 2 ? candidates.find((candidate) => candidate.startsWith(word)) : undefined;
}

/** The end of an "unknown ..." message: the nearest candidate, else all of them. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const hit = nearest(word, candidates);
  if (hit !== undefined) return `did you mean "${hit}"?`;
  return candidates.length > 0 ? `known: ${candidates.join(', ')}` : 'there is none';
}
