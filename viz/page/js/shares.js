/* shares: which text each share has.

   A share comes as its text in whole percents, its text with one decimal, and the number of whole percents (null if
   these would hide it). The shares of one whole have the same form: those of all edges into one box, and those of all
   visible leaves in the blame. Which shares belong together depends on what is open, so `form` is the one rule for
   numbers that is written here as well: it is `form` in viz/digits.py, and a test holds the two equal. */

/** 0 if whole percents add up to 100 and hide nothing, else 1: one decimal. */
function form(wholes) {
  return !wholes.includes(null) && wholes.reduce((sum, whole) => sum + whole, 0) === 100 ? 0 : 1;
}

/** The labels of edges, and the share of the blame of every box and frame; empty where there is none. */
function shareTexts(boxes, frames, edges) {
  const into = new Map();
  for (const edge of edges) into.set(edge.target, [...(into.get(edge.target) ?? []), edge]);
  const labels = new Map();
  for (const group of into.values()) {
    const chosen = form(group.map(({ label }) => label[2]));
    for (const edge of group) labels.set(edge, group.length > 1 ? edge.label[chosen] : edge.alone ?? "");
  }
  const holders = boxes.filter(({ blame }) => blame);
  const chosen = form(holders.map(({ blame }) => blame[2]));
  const blames = new Map([...holders, ...frames].map((thing) => [thing, thing.blame?.[chosen] ?? ""]));
  return { labels, blames };
}
