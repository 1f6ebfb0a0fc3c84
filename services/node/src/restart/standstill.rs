//! Whether HTTP Proxy stands still: a pure count of ticks without a sign of life.
//!
//! Only ticks count, never the clock: a node that was paused itself, alone or together with HTTP Proxy, comes back to one late tick. Never
//! takes work for a standstill: frames that queue behind a full load come late, but the process has used the processor. Called by
//! [`crate::supervisor`].

use std::time::Duration;

/// From one tick to the next.
pub const TICK: Duration = Duration::from_millis(250);
/// This many ticks in a row with neither a frame nor work are a standstill: 2.75 s after the last frame at most.
const STILL_TICKS_MAX: u32 = 10;
/// This many ticks in a row without a frame are a standstill even with work: the process does not get back to its link.
const SILENT_TICKS_MAX: u32 = 120;

/// The sign of life of HTTP Proxy since the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A frame.
    Frame,
    /// No frame, but the process has used the processor.
    Work,
    /// Neither.
    Nothing,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Wait for the next tick.
    Wait,
    /// Ask for an echo.
    Ask,
    /// HTTP Proxy stands still.
    StandsStill,
}

/// The ticks of one HTTP Proxy.
#[derive(Debug, Default)]
pub struct Standstill {
    silent: u32,
    still: u32,
}

impl Standstill {
    /// Takes in the sign since the last tick.
    pub fn tick(&mut self, sign: Sign) -> Verdict {
        (self.silent, self.still) = match sign {
            Sign::Frame => (0, 0),
            Sign::Work => (self.silent + 1, 0),
            Sign::Nothing => (self.silent + 1, self.still + 1),
        };
        if self.still >= STILL_TICKS_MAX || self.silent >= SILENT_TICKS_MAX {
            return Verdict::StandsStill;
        }
        if self.silent % 2 == 1 { Verdict::Ask } else { Verdict::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sign::*, Verdict::*, *};

    /// Each row: this many ticks with this sign, and the verdict of the last; no earlier tick is a standstill.
    fn plays(rows: &[(u32, Sign, Verdict)]) {
        let mut standstill = Standstill::default();
        for (row, (ticks, sign, last)) in rows.iter().enumerate() {
            for tick in 1..*ticks {
                assert_ne!(standstill.tick(*sign), StandsStill, "row {row}, tick {tick}");
            }
            assert_eq!(standstill.tick(*sign), *last, "row {row}");
        }
    }

    #[test]
    fn one_that_neither_speaks_nor_works_is_noticed_within_three_seconds() {
        plays(&[(7, Frame, Wait), (STILL_TICKS_MAX, Nothing, StandsStill)]);
        assert!(TICK * (STILL_TICKS_MAX + 1) < Duration::from_secs(3), "it may stop just behind a tick");
    }

    #[test]
    fn an_idle_one_is_asked_at_every_other_tick_and_its_echo_is_life() {
        let mut standstill = Standstill::default();
        for _ in 0..100 {
            assert_eq!(standstill.tick(Nothing), Ask);
            assert_eq!(standstill.tick(Frame), Wait);
        }
    }

    #[test]
    fn frames_of_any_kind_are_life() {
        plays(&[(9, Nothing, Ask), (1, Frame, Wait), (9, Nothing, Ask), (1, Frame, Wait)]);
    }

    #[test]
    fn a_full_load_may_keep_it_from_its_link_for_long_but_not_for_ever() {
        plays(&[(9, Nothing, Ask), (1, Work, Wait), (9, Nothing, Ask), (1, Work, Wait), (1, Frame, Wait)]);
        plays(&[(SILENT_TICKS_MAX, Work, StandsStill)]);
    }

    #[test]
    fn a_pause_of_the_node_is_one_late_tick() {
        // Both were stopped for an hour: the node sees one late tick, and HTTP Proxy answers the question then.
        plays(&[(3, Frame, Wait), (1, Nothing, Ask), (1, Nothing, Wait), (1, Frame, Wait)]);
    }
}
