/* steps: the reverse sweep, one rule at a time.

   A step is one contribution: the gradient that has come in at the source, times the op's own derivative, goes on to
   the target, where everything that arrives is added up. Step 0 is the whole picture, before the sweep. */

const slider = document.getElementById("step");
const stepText = document.getElementById("equation");
const soFar = document.getElementById("so-far");
const spokenStep = document.getElementById("spoken");

/** An edge is done, going on or still to come; so is a box, by what has arrived in it. */
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
    elements.get(`label ${edge.key}`)?.classList.toggle("future", at > 0 && done < edge.steps.length);
  }
  for (const box of view.boxes) {
    const classes = elements.get(box.key).classList;
    classes.toggle("future", at > 0 && !reached.has(box));
    classes.toggle("from", now !== undefined && view.shown.get(now.source) === box);
    classes.toggle("into", now !== undefined && view.shown.get(now.target) === box);
  }
}

/** Say in words and numbers what the step does. */
function tellStep(at, aloud) {
  const place = at === 0 ? `${STEPS.length} steps` : `step ${at} of ${STEPS.length}`;
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
  const step = STEPS[at - 1];
  const [incoming, local, carried] = factors(step);
  const hooked = step.source.hooked ? ", before its hook" : "";
  stepText.replaceChildren(
    term(incoming, `gradient of ${step.source.label}${hooked}`), sign("×"),
    term(local, step.rule ? `rule ${step.rule}` : "the op's derivative"), sign("="),
    term(carried, `into ${step.target.label}`));
  const arrived = arrivedText(step);
  soFar.replaceChildren(...arrivedPicture(step, arrived));
  if (aloud) {
    const equation = `${incoming}${hooked} times ${local} is ${carried}`;
    spokenStep.textContent = `Step ${at}: ${step.source.label} to ${step.target.label}: ${equation}. ${arrived}`;
  }
}

function term(text, caption) {
  return html("span", { class: "term" }, html("b", {}, text), html("small", {}, caption));
}

function sign(text) {
  return html("span", { class: "sign" }, text);
}

/** What came in, the local derivative, and what goes on: numbers where there are few, else shapes and norms. */
function factors(step) {
  const { source, target } = step;
  const incoming = source.gradient?.each ? listed(source.gradient.each) : sized(source.shape, source.norm);
  const local = step.local?.replaceAll("-", "−") ?? `d ${source.op} / d ${target.label}`;
  const carried = step.each ? listed(step.each) : sized(target.shape, step.norm);
  return [incoming, local, carried];
}

function sized(shape, norm) {
  return `${shapeText(shape ?? [])} of norm ${number(norm)}`;
}

/** What has been added up in the target, against its whole gradient. */
function arrivedText(step) {
  const { target } = step;
  const steps = STEPS.filter((other) => other.target === target);
  const place = steps.indexOf(step) + 1;
  const many = steps.length === 1 ? "the only contribution" : `contribution ${place} of ${steps.length}`;
  const each = steps.slice(0, place).map((other) => other.each);
  const whole = target.gradient?.each;
  if (whole && each.every(Boolean)) {
    const sum = whole.map((_, k) => each.reduce((total, numbers) => total + numbers[k], 0));
    return `In ${target.label} so far ${listed(sum)} of ${listed(whole)}: ${many}.`;
  }
  const norms = step.gathered === undefined ? "" : ` norm ${number(step.gathered)} of ${number(target.norm)},`;
  return `In ${target.label} so far${norms} ${exactPercent(shareSoFar(step))} of its gradient: ${many}.`;
}

function shareSoFar(step) {
  const arrived = STEPS.slice(0, step.index + 1).filter((other) => other.target === step.target);
  const shares = arrived.map(({ share }) => share);
  return shares.includes(undefined) ? null : shares.reduce((sum, share) => sum + share, 0);
}

function arrivedPicture(step, text) {
  const share = shareSoFar(step) ?? 0;
  const length = Math.min(1, Math.max(0, share)) * 120;
  const meter = svg("svg", { class: "meter", width: 120, height: 8, "aria-hidden": "true" },
    svg("rect", { class: "whole", width: 120, height: 8, rx: 2 }),
    svg("rect", { class: "adds", width: length, height: 8, rx: 2 }));
  return [meter, html("span", {}, text)];
}
