//! The program `ocsctl`. Called by people and by scripts.

use std::process::ExitCode;

fn main() -> ExitCode {
    ocsctl::main()
}
