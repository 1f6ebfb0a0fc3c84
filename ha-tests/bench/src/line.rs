//! One measurement as a line of tab-separated values. Written by the loaders, read by the report.

use std::{fmt, str::FromStr};

/// One system under one load in one round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) system: String,
    pub(crate) clients: usize,
    pub(crate) round: u32,
    /// Answers per second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) samples: u64,
    pub(crate) errors: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, clients, round, rate, p50_ms, p99_ms, samples, errors } = self;
        write!(f, "{system}\t{clients}\t{round}\t{rate:.1}\t{p50_ms:.3}\t{p99_ms:.3}\t{samples}\t{errors}")
    }
}

impl FromStr for Line {
    type Err = crate::Failure;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split('\t').collect();
        let [system, clients, round, rate, p50_ms, p99_ms, samples, errors] = fields[..] else {
            return Err(format!("not a measurement: {text:?}").into());
        };
        Ok(Self {
            system: system.to_owned(),
            clients: clients.parse()?,
            round: round.parse()?,
            rate: rate.parse()?,
            p50_ms: p50_ms.parse()?,
            p99_ms: p99_ms.parse()?,
            samples: samples.parse()?,
            errors: errors.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back() {
        let text = "ocs\t64\t1\t1234.5\t2.000\t9.125\t6172\t0";
        assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        assert!("ocs\t64".parse::<Line>().is_err());
    }
}
