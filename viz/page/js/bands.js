/* bands: the browser does not paint what is far out of sight.

   The picture is divided into horizontal bands. Elements that lie in the same bands are in one group, and groups out of
   sight are hidden, except the one that holds the keyboard's focus. */

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

/** Show the groups between two heights of the picture, and hide the others. */
function showBands(top, bottom) {
  for (const band of bands.groups) {
    const near = band.top < bottom && band.bottom > top;
    band.group.classList.toggle("out-of-sight", !near && band.group !== bands.kept);
  }
}

/** Keep the group of this element shown from now on, and no other. */
function keepInSight(element) {
  bands.kept = element?.closest(".band");
  bands.kept?.classList.remove("out-of-sight");
}
