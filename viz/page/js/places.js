/* places: how far to the right each cell stands.

   The spine is at 0. The ideal place of any other cell is the mean of its neighbours, where its edges run straight
   down; cells in a row keep their order and their distance. For one row the least-squares solution is known exactly
   (merge neighbours that overlap, and place each group at its mean ideal), so rows are placed one after the other,
   downwards and upwards in turn. */

const SWEEPS = 18;
const APART = 14;  // between boxes
const NEAR = 7;  // between edges, or an edge and a box

/** Set `x`, the place of its point of reference, of every cell. */
function placeCells(rows) {
  for (const row of rows) settleRow(row, () => ({ ideal: 0, weight: 1 }));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const downwards = sweep % 2 === 1;
    const both = sweep >= SWEEPS / 3 && sweep < SWEEPS - 2;  // the last two make single lines straight again
    for (const row of downwards ? rows : [...rows].reverse()) {
      settleRow(row, (cell) => idealOf(cell, both || downwards, both || !downwards));
    }
  }
  straighten(rows);
}

/** Put each line of cells that are joined one to one into one column, if all its rows have room for that. */
function straighten(rows) {
  for (const line of rows.flat().filter(beginsLine).map(lineFrom)) {
    let [least, most, sum] = [-Infinity, Infinity, 0];
    for (const { cell, shift } of line) {
      const [before, after] = [rows[cell.row][cell.place - 1], rows[cell.row][cell.place + 1]];
      if (before) least = Math.max(least, before.x + before.right + NEAR + cell.left - shift);
      if (after) most = Math.min(most, after.x - after.left - NEAR - cell.right - shift);
      sum += cell.x - shift;
    }
    if (least > most) continue;
    const x = Math.min(most, Math.max(least, sum / line.length));
    for (const { cell, shift } of line) cell.x = x + shift;
  }
}

function onLine({ above, below }) {
  return above.down.length === 1 && below.up.length === 1 && !above.onSpine && !below.onSpine;
}

function beginsLine(cell) {
  return cell.down.length === 1 && onLine(cell.down[0]) && !(cell.up.length === 1 && onLine(cell.up[0]));
}

/** The cells of a line, and how far each must stand from the first for its edges to run straight down. */
function lineFrom(first) {
  const line = [{ cell: first, shift: 0 }];
  for (let cell = first; cell.down.length === 1 && onLine(cell.down[0]); cell = line.at(-1).cell) {
    const { below, aboveAt, belowAt } = cell.down[0];
    line.push({ cell: below, shift: line.at(-1).shift + aboveAt - belowAt });
  }
  return line;
}

/** Where a cell would stand for the sake of its edges above, below or both; and the weight of that. */
function idealOf(cell, withAbove, withBelow) {
  let sum = 0;
  let weight = 0;
  const add = (other, at, otherAt) => {
    const isLeaf = cell.thing?.op === "leaf" || other.thing?.op === "leaf";
    const own = isLeaf ? 0.05 : cell.thing || other.thing ? 1 : 8;  // leaves move aside, long edges stay straight
    sum += own * (other.x + otherAt - at);
    weight += own;
  };
  if (withAbove) for (const joint of cell.up) add(joint.above, joint.belowAt, joint.aboveAt);
  if (withBelow) for (const joint of cell.down) add(joint.below, joint.aboveAt, joint.belowAt);
  return weight ? { ideal: sum / weight, weight } : { ideal: cell.x, weight: 0.1 };
}

/** Place one row: least squares of (x - ideal), in order and apart. */
function settleRow(row, idealFor) {
  const groups = [];
  let before = 0;  // room taken by the cells to the left, so that distances become an order
  for (const cell of row) {
    if (cell !== row[0]) before += cell.left + (cell.thing ? APART : NEAR);
    const { ideal, weight } = cell.onSpine ? { ideal: 0, weight: 1e9 } : idealFor(cell);
    cell.before = before;
    let group = { cells: [cell], weight, at: ideal - before };
    while (groups.length && groups.at(-1).at > group.at) {
      const left = groups.pop();
      const total = left.weight + group.weight;
      const at = (left.at * left.weight + group.at * group.weight) / total;
      group = { cells: left.cells.concat(group.cells), weight: total, at };
    }
    groups.push(group);
    before += cell.right;
  }
  for (const { cells, at } of groups) for (const cell of cells) cell.x = cell.onSpine ? 0 : at + cell.before;
}
