//! `certs`: certificates for development. Never used in production: the authority's key lies beside the certificates.

use crate::{certificates, cli::CertsArgs, failure::Failure, print};

/// Makes the certificates that are absent or about to expire, and leaves the rest.
pub(crate) fn run(args: &CertsArgs) -> Result<(), Failure> {
    let made = certificates::ensure(&args.dir, &args.nodes, args.days)?;
    let dir = args.dir.display();
    match made.as_slice() {
        [] => print::line(&format!("{dir}: everything is there and valid")),
        made => print::line(&format!("{dir}: made {}", made.join(", "))),
    }
}
