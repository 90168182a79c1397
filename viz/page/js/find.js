/* find: search by name, op or path; and the threshold below which edges are hidden. */

const searchField = document.getElementById("search");
const searchText = document.getElementById("found");
const threshold = document.getElementById("threshold");
const hiddenText = document.getElementById("hidden");

/** Every thing whose path, op or id contains the words. */
function matches(words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  return ALL
    .filter((thing) => [thing.path, thing.op, thing.id].some((text) => text?.toLowerCase().includes(wanted)))
    .sort((a, b) => a.order - b.order || a.depth - b.depth);
}

function showFound(found, at) {
  if (!searchField.value.trim()) searchText.textContent = "";
  else if (found.length === 0) searchText.textContent = "nothing found";
  else if (at < 0) searchText.textContent = `${counted(found.length)} found`;
  else searchText.textContent = `${counted(at + 1)} of ${counted(found.length)}`;
}

/** Mark what was found, or the box that hides it. */
function markFound(view, found, at) {
  const hits = new Set(found.map((thing) => shownAs(thing, view.open)));
  for (const thing of [...view.boxes, ...view.frames]) {
    const element = elements.get(thing.key);
    element?.classList.toggle("found", hits.has(thing));
    element?.classList.toggle("found-now", at >= 0 && shownAs(found[at], view.open) === thing);
  }
}

/** Hide edges smaller than so many percent of the largest visible one, and show how many and what part that is. */
function applyThreshold(view) {
  const finite = view.edges.map(({ norm }) => norm).filter(Number.isFinite);
  const least = Number(threshold.value) / 100 * Math.max(0, ...finite);
  const sum = (norms) => norms.reduce((total, norm) => total + norm, 0);
  for (const edge of view.edges) {
    elements.get(edge.key).classList.toggle("small-one", edge.norm < least);
    elements.get(`label ${edge.key}`)?.classList.toggle("small-one", edge.norm < least);
  }
  const hidden = finite.filter((norm) => norm < least);
  const count = `${counted(hidden.length)} of ${counted(view.edges.length)} hidden`;
  document.getElementById("threshold-value").textContent = `${threshold.value}%`;
  hiddenText.replaceChildren(hidden.length === 0 ? "none hidden" : `${count}, of the sum of norms: `,
    ...(hidden.length === 0 ? [] : [meter(sum(hidden) / sum(finite))]));
}
