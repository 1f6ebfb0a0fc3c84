//! `certs`: certificates for development. Never used in production: the authority's key lies beside the certificates.

use crate::{certificates, cli::CertsArgs, failure::Failure, print};

/// Makes the certificates that are absent or about to expire, and leaves the rest.
///
/// # Errors
/// Names and addresses of hosts: certificates for one machine have none, and another verb makes those that have.
pub(crate) fn run(args: &CertsArgs) -> Result<(), Failure> {
    if !args.host.is_empty() {
        return Err(Failure::Usage(by_cert_node(args)));
    }
    let made = certificates::ensure(&args.dir, &args.nodes, args.days)?;
    let dir = args.dir.display();
    match made.as_slice() {
        [] => print::line(&format!("{dir}: everything is there and valid")),
        made => print::line(&format!("{dir}: made {}", made.join(", "))),
    }
}

fn by_cert_node(args: &CertsArgs) -> String {
    let (dir, nodes) = (args.dir.display(), args.nodes.join(" "));
    let hosts: Vec<String> = args.host.iter().map(|host| format!("--host {host}")).collect();
    format!(
        "certs makes certificates for one machine, without names of hosts: run `ocsctl cert ca --dir {dir}`, then \
         `ocsctl cert node {nodes} {} --dir {dir}`",
        hosts.join(" ")
    )
}
