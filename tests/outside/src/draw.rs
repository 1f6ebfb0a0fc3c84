//! Decisions out of bytes: at the end of the bytes every decision is 0.

/// Bytes that are read once.
pub(super) struct Draw<'a>(pub(super) &'a [u8]);

impl<'a> Draw<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % count.max(1)
    }

    /// A number that is known, its neighbour, or an edge.
    pub(super) fn near(&mut self, known: u64) -> u64 {
        const EDGES: [u64; 7] = [0, 1, 2, u32::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];
        match self.byte() % 8 {
            0..=3 => known,
            4 => known.wrapping_add(1),
            5 => known.wrapping_sub(1),
            _ => EDGES[usize::from(self.byte()) % EDGES.len()],
        }
    }

    /// As many bytes as the next byte says, or as are left.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.0.len());
        let (drawn, rest) = self.0.split_at(count);
        self.0 = rest;
        drawn
    }
}
