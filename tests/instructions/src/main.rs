//! Repeats one step of an update's way: `instructions STEP COUNT` (see `ocs_instructions`). For callgrind.

use std::process::ExitCode;

use ocs_instructions::STEPS;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let step = STEPS.iter().find(|(name, _)| given.first().is_some_and(|given| given == name));
    match (step, given.get(1).and_then(|count| count.parse().ok())) {
        (Some((_, step)), Some(count)) => {
            step(count);
            ExitCode::SUCCESS
        }
        _ => {
            let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
            eprintln!("usage: instructions STEP COUNT, where STEP is one of {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}
