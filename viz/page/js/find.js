/* find: search by name, op or path; and the threshold under which contributions are left out of the picture. */

const searchField = document.getElementById("search");
const searchText = document.getElementById("found");
const threshold = document.getElementById("threshold");
const hiddenText = document.getElementById("hidden");

/** Every thing whose path, op or id has the words in it. */
function matches(words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  return [...THINGS.values()]
    .filter((thing) => [pathOf(thing), thing.op, thing.id].some((text) => text?.toLowerCase().includes(wanted)))
    .sort((a, b) => a.order - b.order || a.depth - b.depth);
}

function tellFound(found, at) {
  if (!searchField.value.trim()) searchText.textContent = "";
  else if (found.length === 0) searchText.textContent = "nothing found";
  else searchText.textContent = at < 0 ? `${found.length} found` : `${at + 1} of ${found.length}`;
}

/** Mark what was found, or the box it is hidden in. */
function markFound(view, found, at) {
  const hits = new Set(found.map((thing) => visibleFor(thing, view)));
  for (const thing of [...view.boxes, ...view.frames]) {
    const element = elements.get(thing.key);
    element?.classList.toggle("found", hits.has(thing));
    element?.classList.toggle("found-now", at >= 0 && visibleFor(found[at], view) === thing);
  }
}

/** The box or frame that stands for a thing. */
function visibleFor(thing, view) {
  return shownAs(thing, view.open);
}

/** Leave out what is smaller than so many percent of the largest contribution, and say how much that is. */
function applyThreshold(view) {
  const least = Number(threshold.value) / 100 * view.largest;
  let [count, part, whole] = [0, 0, 0];
  for (const edge of view.edges) {
    const small = edge.norm !== null && edge.norm < least;
    elements.get(edge.key).classList.toggle("small-one", small);
    elements.get(`label ${edge.key}`)?.classList.toggle("small-one", small);
    whole += edge.norm;
    if (small) [count, part] = [count + 1, part + edge.norm];
  }
  document.getElementById("threshold-value").textContent = `${threshold.value} %`;
  hiddenText.textContent = count === 0 ? "none hidden"
    : `${count} of ${view.edges.length} hidden, ${exactPercent(part / whole)} of the sum of norms`;
}
