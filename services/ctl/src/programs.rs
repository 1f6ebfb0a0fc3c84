//! The other programs of the installation. Never starts one. Called by the verbs that do.

use std::{env, os::unix::fs::PermissionsExt, path::PathBuf};

/// The node.
pub(crate) const OCSD: &str = "ocsd";
/// HTTP Proxy of a node.
pub(crate) const HTTP_PROXY: &str = "ocs-http-proxy";

/// The program of this name in the directory of this one.
pub(crate) fn beside(name: &str) -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    Some(own.parent()?.join(name)).filter(|program| program.is_file())
}

/// The program of this name: beside this one, else in `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let runs = |program: &PathBuf| {
        program.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = || env::split_paths(&path).map(|dir| dir.join(name)).find(runs);
    beside(name).or_else(in_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path_and_a_name_that_is_no_program_is_not() {
        assert!(find("sh").is_some_and(|program| program.ends_with("sh")));
        assert_eq!(find("ocs-no-such-program"), None);
        assert_eq!(beside("ocs-no-such-program"), None);
    }
}
