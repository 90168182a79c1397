/* steps: the reverse sweep, one contribution at a time.

   The gradient that has arrived at the source, times the op's own derivative, goes on into the target, where all
   contributions add up. Step 0 is the whole picture, before the sweep. */

const slider = document.getElementById("step");
const stepText = document.getElementById("equation");
const soFar = document.getElementById("so-far");
const spokenStep = document.getElementById("spoken");
const METER = 120;  // pixels

/** Mark which edges are done, running or still to come; and the boxes by what has arrived in them. */
function markSteps(view, at) {
  stage.classList.toggle("stepping", at > 0);
  const now = STEPS[at - 1];
  const reached = new Set([view.shown.get(VALUES[0])]);
  for (const step of STEPS.slice(0, at)) reached.add(view.shown.get(step.target));
  for (const edge of view.edges) {
    const done = edge.steps.filter((step) => step.index < at).length;
    const classes = elements.get(edge.key).classList;
    classes.toggle("future", at > 0 && done === 0);
    classes.toggle("current", edge.steps.includes(now));
    const label = elements.get(`label ${edge.key}`)?.classList;
    label?.toggle("future", at > 0 && done < edge.steps.length);
    label?.toggle("pointed", edge.steps.includes(now));
  }
  for (const box of view.boxes) {
    const classes = elements.get(box.key).classList;
    classes.toggle("future", at > 0 && !reached.has(box));
    classes.toggle("from", now !== undefined && view.shown.get(now.source) === box);
    classes.toggle("into", now !== undefined && view.shown.get(now.target) === box);
  }
}

/** Show a step as an equation; say it to a screen reader if `aloud`. */
function showStep(at, aloud) {
  const all = counted(STEPS.length);
  const place = at === 0 ? `${all} steps` : `step ${counted(at)} of ${all}`;
  slider.value = at;
  slider.setAttribute("aria-valuetext", place);
  document.getElementById("step-count").textContent = place;
  if (at === 0) {
    const hint = "The whole flow. Press → to walk through the sweep, one rule at a time.";
    stepText.replaceChildren(html("span", { class: "hint" }, hint));
    soFar.replaceChildren();
    spokenStep.textContent = "";
    return;
  }
  const { source, target, terms, arrived, part } = STEPS[at - 1];
  const [incoming, local, carried] = terms.map(([text, caption]) => html("span", { class: "term" },
    html("b", {}, text), html("small", {}, caption)));
  stepText.replaceChildren(incoming, sign("×"), local, sign("="), carried);
  soFar.replaceChildren(meter(part), html("span", {}, arrived));
  if (aloud) {
    const [[incomingText, caption], [localText], [carriedText]] = terms;
    const equation = `${caption}, ${incomingText}, times ${localText} is ${carriedText}`;
    spokenStep.textContent = `Step ${at}: ${source.label} to ${target.label}: ${equation}. ${arrived}`;
  }
}

function sign(text) {
  return html("span", { class: "sign" }, text);
}

/** A bar that is full for a part of 1. */
function meter(part) {
  return svg("svg", { class: "meter", width: METER, height: 8, "aria-hidden": "true" },
    svg("rect", { class: "whole", width: METER, height: 8, rx: 2 }),
    svg("rect", { class: "adds", width: part * METER, height: 8, rx: 2 }));
}
