//! Ways to cut bytes into chunks.

/// In one piece, byte by byte, and in pieces of odd lengths that depend on the bytes.
pub(crate) fn ways(input: &[u8]) -> [Vec<&[u8]>; 3] {
    let mut odd = Vec::new();
    let (mut rest, mut state) = (input, hash(input));
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 59).unwrap() + 1;
        let (chunk, tail) = rest.split_at(length.min(rest.len()));
        odd.push(chunk);
        rest = tail;
    }
    [vec![input], input.chunks(1).collect(), odd]
}

/// A number that the same bytes always give (FNV).
pub(crate) fn hash(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
