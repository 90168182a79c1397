/* bands: a browser need not paint what is far out of sight.

   Everything drawn goes into a group by the bands of the picture, from top to bottom, that it lies in. Groups out of
   sight are switched off; the group of what has the keyboard's focus never is. */

const BAND = 1500;
const bands = { groups: [], kept: null };

/** Put an element into the group of its bands, in one layer of the picture. */
function addToBand(layer, element, top, bottom) {
  const [first, last] = [Math.floor(top / BAND), Math.floor(bottom / BAND)];
  const key = `${first} ${last}`;
  layer.groups ??= new Map();
  if (!layer.groups.has(key)) {
    const group = svg("g", { class: "band out-of-sight", role: "presentation" });
    layer.append(group);
    layer.groups.set(key, group);
    bands.groups.push({ group, top: first * BAND, bottom: (last + 1) * BAND });
  }
  layer.groups.get(key).append(element);
}

/** Switch on what lies between two heights of the picture, and the rest off. */
function showBands(top, bottom) {
  for (const band of bands.groups) {
    const near = band.top < bottom && band.bottom > top;
    band.group.classList.toggle("out-of-sight", !near && band.group !== bands.kept);
  }
}

/** Let the group of an element be on from now, wherever it is. */
function keepInSight(element) {
  bands.kept = element?.closest(".band");
  bands.kept?.classList.remove("out-of-sight");
}
