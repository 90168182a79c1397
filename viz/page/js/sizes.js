/* sizes: what is written on a box, and how much room that takes. */

const SYMBOLS = { add: "+", subtract: "−", multiply: "×", divide: "÷" };
const FONTS = { name: "13px system-ui, sans-serif", small: "10.5px system-ui, sans-serif" };
const LONGEST_NAME = 30;  // characters; the panel shows all of it
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

/** The name on a box, cut where it is too long. */
function shortName(thing) {
  const characters = [...thing.label];
  const name = characters.length > LONGEST_NAME ? `${characters.slice(0, LONGEST_NAME - 1).join("")}…` : thing.label;
  return thing.count ? `${name} ×${thing.count}` : name;
}

/** The small second line: numbers where there is one number, else sizes. */
function smallLine(thing, fromInside) {
  const parts = [];
  const [value, gradient] = [thing.value?.each, thing.gradient?.each];
  if (value?.length === 1) parts.push(`= ${number(value[0])}`);
  if (thing.parameters && thing.blame !== undefined) parts.push(`${percent(thing.blame)} of the blame`);
  if (gradient?.length === 1) parts.push(`gradient ${number(gradient[0])}`);
  else parts.push(`rms ${number(thing.rms, 2)}`);
  if (fromInside) parts.push(`↺ ${percent(fromInside)}`);
  return parts.join(" · ");
}

/** The small words in the header of a frame. */
function frameLine(frame) {
  return frame.parameters ? `${percent(frame.blame)} of the blame` : "";
}

/** Give a box its text and its size; an unnamed sum or product is a small circle. */
function measure(thing, incoming, fromInside) {
  const symbol = thing.isCall || thing.label !== thing.op ? undefined : SYMBOLS[thing.op];
  if (symbol && !(thing.value?.each?.length === 1)) {
    return { round: true, name: symbol, small: "", width: 28, height: 28 };
  }
  const name = symbol ?? shortName(thing);
  const small = smallLine(thing, fromInside);
  const marker = thing.isCall ? 18 : 0;
  const text = Math.max(textWidth(name, "name") + marker, textWidth(small, "small")) + 22;
  const width = Math.max(text, 28 * Math.min(8, incoming));  // so that the labels of what comes in fit side by side
  return { round: false, name, small, width, height: 40 };
}

/** Four significant digits or as many as asked for, and all before the point up to five; see `viz/digits.py`. */
function number(value, digits = 4) {
  if (value === undefined || value === null) return "not finite";
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "−inf";
  const power = Number(value.toExponential(4).split("e")[1]);
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e").map(Number);
  const isPlain = power >= -4 && power < 5;
  const text = isPlain ? `${Number(value.toFixed(Math.max(digits - 1 - power, 0)))}` : `${mantissa}e${exponent}`;
  return text.replaceAll("-", "−");
}

/** Whole percents with a true minus sign; small shares do not become nothing. */
function percent(share) {
  if (share === undefined || share === null) return "none";
  if (share !== 0 && Math.abs(share) < 0.005) return share > 0 ? "<1%" : "−<1%";
  return `${Math.round(share * 100)}%`.replace("-", "−");
}
