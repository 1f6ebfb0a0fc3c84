//! When operators hear of the end of a certificate: a warning from 30 days before, an error from 7 days before. Pure.

use std::collections::BTreeMap;

use chassis::tls::{CertificateState, time_text};

const DAY_S: u64 = 86_400;
const WARN_S: u64 = 30 * DAY_S;
const ERROR_S: u64 = 7 * DAY_S;

/// How near the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    Month,
    Week,
    Over,
}

/// A line about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    nearness: Nearness,
    line: String,
}

impl Remark {
    /// None: the end is far.
    fn on(state: &CertificateState, now_s: u64) -> Option<Self> {
        let nearness = match state.not_after_s.checked_sub(now_s) {
            None => Nearness::Over, // the last second is valid
            Some(left) if left <= ERROR_S => Nearness::Week,
            Some(left) if left <= WARN_S => Nearness::Month,
            Some(_) => return None,
        };
        let (usage, file, end) = (&state.usage, state.file.display(), time_text(state.not_after_s));
        let line = if nearness == Nearness::Over {
            format!(
                "the certificate for {usage} expired at {end}: new connections of this kind fail until {file} is renewed"
            )
        } else {
            let days = state.not_after_s.saturating_sub(now_s) / DAY_S;
            let left = if days == 0 {
                "within a day".to_owned()
            } else if days == 1 {
                "in 1 day".to_owned()
            } else {
                format!("in {days} days")
            };
            format!("the certificate for {usage} ends {left}, at {end}: renew {file}")
        };
        Some(Self { nearness, line })
    }

    /// Writes the line at its level.
    pub(super) fn log(&self) {
        match self.nearness {
            Nearness::Month => tracing::warn!("{}", self.line),
            Nearness::Week | Nearness::Over => tracing::error!("{}", self.line),
        }
    }
}

/// The lines of `status` about one certificate.
pub(super) fn warnings(state: &CertificateState, now_s: u64) -> Vec<String> {
    let fault = |fault: &String| {
        format!("the new files for {} are not in use, the former certificate goes on: {fault}", state.usage)
    };
    let end = Remark::on(state, now_s).map(|remark| remark.line);
    state.fault.as_ref().map(fault).into_iter().chain(end).collect()
}

/// The remarks made so far, by use: each is repeated once a day, and told at once where the end has come nearer.
#[derive(Debug, Default)]
pub(super) struct Reminders {
    told: BTreeMap<String, (Nearness, u64)>,
}

impl Reminders {
    /// The remarks that are due now.
    pub(super) fn due(&mut self, states: &[CertificateState], now_s: u64) -> Vec<Remark> {
        states.iter().filter_map(|state| self.of(state, now_s)).collect()
    }

    fn of(&mut self, state: &CertificateState, now_s: u64) -> Option<Remark> {
        let Some(remark) = Remark::on(state, now_s) else {
            self.told.remove(&state.usage);
            return None;
        };
        // A clock that was set back repeats a remark: that is once more than needed, and better than never.
        let is_told = self.told.get(&state.usage).is_some_and(|(nearness, at)| {
            *nearness == remark.nearness && now_s.checked_sub(*at).is_some_and(|passed| passed < DAY_S)
        });
        if is_told {
            return None;
        }
        self.told.insert(state.usage.clone(), (remark.nearness, now_s));
        Some(remark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u64 = 2_000_000_000;

    fn state(usage: &str) -> CertificateState {
        CertificateState {
            usage: usage.into(),
            file: "/etc/ocs/a.pem".into(),
            not_after_s: END,
            failures: 0,
            fault: None,
        }
    }

    #[test]
    fn a_certificate_is_told_of_from_thirty_days_before_its_end_and_as_an_error_from_seven() {
        let on = |before: u64| Remark::on(&state("peer"), END - before);
        assert_eq!(on(WARN_S + 1), None);
        for (before, nearness, words) in [
            (WARN_S, Nearness::Month, "ends in 30 days, at 2033-05-18T03:33:20Z: renew /etc/ocs/a.pem"),
            (ERROR_S + 1, Nearness::Month, "ends in 7 days"),
            (ERROR_S, Nearness::Week, "ends in 7 days"),
            (DAY_S - 1, Nearness::Week, "ends within a day"),
            (0, Nearness::Week, "ends within a day"),
        ] {
            let remark = on(before).unwrap();
            assert_eq!(remark.nearness, nearness, "{before}");
            assert!(remark.line.starts_with("the certificate for peer ") && remark.line.contains(words), "{remark:?}");
        }
        for behind in [1, DAY_S] {
            let over = Remark::on(&state("peer"), END + behind).unwrap();
            assert_eq!(over.nearness, Nearness::Over);
            assert!(
                over.line.contains("expired at 2033-05-18T03:33:20Z: new connections of this kind fail"),
                "{over:?}"
            );
        }
    }

    #[test]
    fn a_remark_comes_at_the_start_once_a_day_and_when_the_end_comes_nearer() {
        let mut reminders = Reminders::default();
        let states = [state("admin"), state("peer")];
        let mut due = |now| reminders.due(&states, now).len();
        let start = END - 20 * DAY_S;
        assert_eq!([due(start), due(start + 1), due(start + DAY_S - 1), due(start + DAY_S)], [2, 0, 0, 2]);
        assert_eq!([due(END - ERROR_S), due(END - ERROR_S + 1)], [2, 0]);
        assert_eq!([due(END + 1), due(END + 2), due(END + 1 + DAY_S)], [2, 0, 2]);
        assert_eq!(due(END - 20 * DAY_S), 2, "the clock was set back");
    }

    #[test]
    fn a_renewed_certificate_is_told_of_anew_at_its_own_end() {
        let (mut reminders, mut renewed) = (Reminders::default(), state("peer"));
        assert_eq!(reminders.due(&[state("peer")], END - DAY_S).len(), 1);
        renewed.not_after_s = END + 365 * DAY_S;
        assert_eq!(reminders.due(&[renewed.clone()], END - DAY_S).len(), 0);
        assert_eq!(reminders.due(&[renewed], END + 364 * DAY_S).len(), 1);
    }

    #[test]
    fn status_tells_of_files_that_are_not_in_use_and_of_the_end() {
        let kept = CertificateState { fault: Some("a.key: half a file".into()), ..state("http") };
        let lines = warnings(&kept, END - DAY_S);
        assert!(lines.len() == 2 && lines[0].contains("the new files for http are not in use"), "{lines:?}");
        assert!(lines[0].ends_with("a.key: half a file") && lines[1].contains("ends in 1 day,"), "{lines:?}");
        assert!(warnings(&state("http"), 0).is_empty());
    }
}
