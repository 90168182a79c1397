/* sizes: how much room the text of a box takes. */

const FONTS = { name: "13px system-ui, sans-serif", small: "10.5px system-ui, sans-serif" };
const measuring = document.createElement("canvas").getContext("2d");
const measured = new Map();

function textWidth(text, font) {
  const key = font + text;
  if (!measured.has(key)) {
    measuring.font = FONTS[font];
    measured.set(key, measuring.measureText(text).width);
  }
  return measured.get(key);
}

/** Give a box its second line and its size; a sign stands in a small circle. */
function measure(thing, view) {
  const inside = view.labels.get(view.inside.get(thing)) ?? "";
  if (thing.sign && !inside) return { round: true, line: "", width: 28, height: 28 };
  const line = [view.blames.get(thing), thing.small, inside].filter(Boolean).join(" · ");
  const marker = thing.isCall ? 18 : 0;
  const text = Math.max(textWidth(thing.head, "name") + marker, textWidth(line, "small")) + 22;
  const incoming = view.incoming.get(thing) ?? 0;
  const width = Math.max(text, 28 * Math.min(8, incoming));  // so that the labels of its edges fit side by side
  return { round: false, line, width, height: 40 };
}
