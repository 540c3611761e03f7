export const SCAN_LANES = 256;
const GROUP_LANES = 16;
const GROUPS = SCAN_LANES / GROUP_LANES;

/**
 * Sums of all lanes before this one, and of all: groups of 16 lanes are summed first, then each lane adds the groups before its own
 * and the lanes before it in its own. Three barriers instead of the 18 of doubling steps, which cost more than these few additions.
 */
export const SCAN_WGSL = /* wgsl */ `
var<workgroup> sums: array<u32, ${SCAN_LANES}>;
var<workgroup> group_sums: array<u32, ${GROUPS}>;

/** In uniform control flow only. @returns x: the sum of the lanes before, y: the sum of all */
fn scan(lane: u32, value: u32) -> vec2<u32> {
  sums[lane] = value;
  workgroupBarrier();
  if (lane < ${GROUPS}u) {
    var group_sum = 0u;
    for (var at = 0u; at < ${GROUP_LANES}u; at++) { group_sum += sums[lane * ${GROUP_LANES}u + at]; }
    group_sums[lane] = group_sum;
  }
  workgroupBarrier();
  let own_group = lane / ${GROUP_LANES}u;
  var result = vec2<u32>(0u, 0u);
  for (var group = 0u; group < ${GROUPS}u; group++) {
    if (group < own_group) { result.x += group_sums[group]; }
    result.y += group_sums[group];
  }
  for (var at = own_group * ${GROUP_LANES}u; at < lane; at++) { result.x += sums[at]; }
  workgroupBarrier();
  return result;
}
`;
