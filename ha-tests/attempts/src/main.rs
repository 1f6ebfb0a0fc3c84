//! `attempts DIR --max N --within SECONDS`: finds phones with more than N attempts in a time, in the rows of a stopped data node.
//!
//! Counts the rows of attempts themselves, sorted by their stamps, and calls no rule of the product. The directory stays as it
//! is. With `--seen FILE` the attempts of earlier looks count too: a node forgets attempts that no limit counts any more.
//!
//! Exit code 0: no phone has too many; 1: a line for each that has, or for a row that contradicts its record; 2: the directory
//! cannot be read, or wrong use.
#![allow(clippy::print_stdout)] // the findings are the product

mod attempt;
mod rows;
mod seen;

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::attempt::{Attempt, by_phone, too_many};

/// Finds phones with too many attempts in a time.
#[derive(Debug, Parser)]
#[command(name = "attempts")]
struct Arguments {
    /// The data directory of a stopped data node
    data: PathBuf,
    /// Attempts that a phone may have
    #[arg(long, value_name = "N")]
    max: usize,
    /// The time in which attempts count
    #[arg(long, value_name = "SECONDS")]
    within: u64,
    /// Attempts of earlier looks; gets the attempts of this look
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match look(&arguments) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            ExitCode::FAILURE
        }
        Err(why) => {
            println!("attempts: {why}");
            ExitCode::from(2)
        }
    }
}

/// Prints a summary; returns the findings.
fn look(arguments: &Arguments) -> Result<Vec<String>, String> {
    let found = rows::attempts(&arguments.data)?;
    let mut findings: Vec<String> = found.iter().filter_map(|(attempt, phone)| contradiction(attempt, phone)).collect();
    let mut attempts: BTreeSet<Attempt> = match &arguments.seen {
        Some(file) => seen::read(file)?,
        None => BTreeSet::new(),
    };
    attempts.extend(found.into_iter().map(|(attempt, _)| attempt));
    if let Some(file) = &arguments.seen {
        seen::write(file, &attempts)?;
    }
    let within_us = arguments.within.saturating_mul(1_000_000);
    let (phones, mut most) = (by_phone(&attempts), 0);
    for (phone, stamps) in &phones {
        let count = attempt::most_within(stamps, within_us);
        most = most.max(count);
        findings.extend(too_many(stamps, arguments.max, within_us).map(|stamps| {
            format!("{phone}: {} attempts within {} s, at {stamps:?} us", stamps.len(), arguments.within)
        }));
    }
    let (count, phones, within) = (attempts.len(), phones.len(), arguments.within);
    println!("{count} attempts on {phones} phones; at most {most} on a phone within {within} s");
    Ok(findings)
}

/// The difference between the phone under which an attempt counts and the phone of its record.
fn contradiction(attempt: &Attempt, phone: &str) -> Option<String> {
    let number = attempt::number(phone);
    (number != attempt.number).then(|| {
        format!("record {}: its attempt counts for {}, and its phone is {phone}", attempt.handle, attempt.number)
    })
}
