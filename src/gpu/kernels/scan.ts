export const SCAN_LANES = 256;

/** Sums of all lanes before this one, and of all; by Hillis and Steele, with as many barriers as the lanes have bits, twice. */
export const SCAN_WGSL = /* wgsl */ `
var<workgroup> sums: array<u32, ${SCAN_LANES}>;

/** In uniform control flow only. @returns x: the sum of the lanes before, y: the sum of all */
fn scan(lane: u32, value: u32) -> vec2<u32> {
  sums[lane] = value;
  workgroupBarrier();
  for (var step = 1u; step < ${SCAN_LANES}u; step <<= 1u) {
    let before = select(0u, sums[max(lane, step) - step], lane >= step);
    workgroupBarrier();
    sums[lane] += before;
    workgroupBarrier();
  }
  let result = vec2<u32>(sums[lane] - value, sums[${SCAN_LANES - 1}]);
  workgroupBarrier();
  return result;
}
`;
