/**
 * Places labels beside their points so that none lies over another, over a point, or outside of the frame. Greedy: every
 * label takes the first free place, near ones first.
 */

const LABEL_HEIGHT = 14;
const POINT_RADIUS = 6;
/** How far a label may stand from its point before it is left where it is least in the way. */
const DISTANCES = [9, 16, 26, 38, 52, 70, 90];
const ANGLES = [0, 180, 270, 90, 315, 45, 225, 135, 335, 25, 205, 155];

/**
 * @param {{ x: number, y: number, width: number }[]} points in pixels, with the width of each label
 * @param {{ from: {x, y}, to: {x, y} }[]} lines that labels keep off if there is room near their points
 * @param {{ left: number, top: number, right: number, bottom: number }} frame
 * @returns boxes `{ left, top, right, bottom, isFar }` in the order of the points; undefined for one that has no place
 */
export function placeLabels(points, lines, frame) {
  const taken = points.map(({ x, y }) => around(x, y, POINT_RADIUS));
  // Where it is crowded there are the fewest places: these first.
  const order = points.map((_, index) => index).sort((a, b) => crowd(points, b) - crowd(points, a));
  const boxes = [];
  for (const index of order) {
    const free = candidates(points[index]).filter(
      (candidate) => isInside(candidate, frame) && taken.every((other) => !overlap(candidate, other)),
    );
    const box =
      free.find((candidate) => !candidate.isFar && !lines.some((line) => crosses(line, candidate))) ?? free[0];
    boxes[index] = box;
    if (box !== undefined) taken.push(box);
  }
  return boxes;
}

function* spots() {
  for (const [rank, distance] of DISTANCES.entries()) {
    for (const angle of ANGLES) yield { distance, angle: (angle * Math.PI) / 180, isFar: rank > 1 };
  }
}

/** The box whose nearest edge stands so far away in that direction. */
function candidates({ x, y, width }) {
  return [...spots()].map(({ distance, angle, isFar }) => {
    const across = Math.cos(angle);
    const down = Math.sin(angle);
    const middleX = x + across * (distance + width / 2);
    const middleY = y + down * (distance + LABEL_HEIGHT / 2);
    return {
      left: middleX - width / 2,
      right: middleX + width / 2,
      top: middleY - LABEL_HEIGHT / 2,
      bottom: middleY + LABEL_HEIGHT / 2,
      isFar,
    };
  });
}

/** Looked at every few pixels: a label is higher than that. */
function crosses({ from, to }, box) {
  const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 4);
  return Array.from({ length: steps + 1 }, (_, step) => step / Math.max(1, steps)).some((share) => {
    const x = from.x + share * (to.x - from.x);
    const y = from.y + share * (to.y - from.y);
    return x > box.left && x < box.right && y > box.top && y < box.bottom;
  });
}

function crowd(points, index) {
  const { x, y } = points[index];
  return points.filter((point) => Math.hypot(point.x - x, point.y - y) < 80).length;
}

function around(x, y, radius) {
  return { left: x - radius, right: x + radius, top: y - radius, bottom: y + radius };
}

export function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function isInside(box, frame) {
  return box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
}
