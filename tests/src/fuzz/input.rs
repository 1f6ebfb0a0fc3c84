//! Decisions out of bytes: at the end of the bytes every decision is 0.

/// Bytes that are read once.
pub(super) struct Input<'a> {
    left: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        *first
    }

    /// One of `count`, from 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 1 % times.max(1)
    }

    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    pub(super) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// A number that code trips over: near a number of `known`, at an edge, or any.
    pub(super) fn near(&mut self, known: &[u64]) -> u64 {
        const EDGES: [u64; 9] = [0, 1, 2, u32::MAX as u64, 1 << 32, (1 << 62) - 1, 1 << 62, 1 << 63, u64::MAX];
        match self.byte() {
            0..190 => {
                let base = self.pick(known);
                base.wrapping_add(self.below(5) as u64).wrapping_sub(2)
            }
            190..240 => self.pick(&EDGES),
            _ => self.number(),
        }
    }

    pub(super) fn bytes(&mut self, count_max: usize) -> Vec<u8> {
        let count = self.below(count_max + 1);
        (0..count).map(|_| self.byte()).collect()
    }
}
