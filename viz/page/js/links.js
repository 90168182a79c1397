/* links: every visible edge, cut at the frames it crosses; and the spine.

   An edge from box A to box B leaves the frames around A one by one, runs in the innermost frame that holds both, and
   enters the frames around B. Each such part is a link of one frame, from one of the frame's children (or from the
   frame's top, where `from` is null) to another (or to its bottom, where `to` is null).

   A thing is on the spine if all blame goes through it: no edge passes it in the order of the sweep, forwards or back.
   In a transformer the spine is the residual stream. Leaves and what was pruned do not count. An edge is straight if
   all that it joins, in every frame it crosses, is on the spine. */

/** The links of each frame, and of each edge in the order in which blame runs. */
function linksOf(edges) {
  const ofFrame = new Map();
  const add = (frame, link) => {
    if (!ofFrame.has(frame)) ofFrame.set(frame, []);
    ofFrame.get(frame).push(link);
    return link;
  };
  for (const edge of edges) {
    const outwards = [edge.source, ...callsAround(edge.source)];
    const inwards = [edge.target, ...callsAround(edge.target)];
    while (outwards.length > 1 && inwards.length > 1 && outwards.at(-1) === inwards.at(-1)) {
      outwards.pop();
      inwards.pop();
    }
    const leaving = outwards.slice(0, -1).map((from) => add(from.parent, { edge, from, to: null }));
    const across = add(outwards.at(-1).parent, { edge, from: outwards.at(-1), to: inwards.at(-1) });
    const entering = inwards.slice(0, -1).map((to) => add(to.parent, { edge, from: null, to }));
    edge.takesLane = false;
    edge.links = [...leaving, across, ...entering.reverse()];
  }
  return ofFrame;
}

function countsForSpine(thing) {
  return thing.op !== "leaf" && thing.op !== "other";
}

/** Mark every thing that is on the spine of its frame, and every edge that runs straight along it. */
function markSpine(frames, ofFrame, edges) {
  for (const frame of frames) {
    const inner = frame.children.filter(countsForSpine);
    const place = new Map(inner.map((child, at) => [child, at]));
    const opened = new Int32Array(inner.length + 2);  // at each place, edges that begin to pass minus edges that end
    for (const { edge, from, to } of ofFrame.get(frame) ?? []) {
      if (!countsForSpine(edge.source) || !countsForSpine(edge.target)) continue;
      const ends = [from ? place.get(from) : -1, to ? place.get(to) : inner.length].sort((a, b) => a - b);
      opened[ends[0] + 1]++;
      opened[ends[1]]--;
    }
    let passing = 0;
    for (const child of frame.children) child.onSpine = false;
    inner.forEach((child, at) => {
      passing += opened[at];
      child.onSpine = passing === 0;
    });
  }
  for (const edge of edges) {
    edge.straight = edge.links.every(({ from, to }) => (from?.onSpine ?? true) && (to?.onSpine ?? true));
  }
}
