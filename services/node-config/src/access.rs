//! Access: the credentials of clients over HTTP and of operators over control, and settings that leave a port open.
//!
//! Called by the check and by the warnings. Reads the mark of the data directory, and changes nothing.

#[cfg(test)]
mod tests;

use data_dir::{FormedBy, formed_by};
use serde::{Deserialize, Serialize};

use super::{Auth, Config, HttpPort, Problem, Warning};
use crate::address::leaves_the_machine;

/// `control.operators`: the certificates that may change something over control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operators {
    /// An operator's certificate alone.
    Required,
    /// Any certificate of the authority, a node's too.
    Any,
}

impl Config {
    /// Whether changes over control need an operator's certificate: as written, else as the group was formed. Without
    /// `control.tls` no caller has a certificate, and every user of this machine is an operator.
    pub fn operators_required(&self, guarded: bool) -> bool {
        let default = if guarded { Operators::Required } else { Operators::Any };
        self.control.tls.is_some() && self.control.operators.unwrap_or(default) == Operators::Required
    }

    /// The problem of a port for HTTP that other machines reach although no key names the credentials of clients; none: there is no
    /// such port.
    pub fn open_door(&self) -> Option<Problem> {
        let message = self.open_port()?
            + ": set auth = \"tokens\" or \"certificates\", or write auth = \"none\" where the network itself decides who reaches it";
        Some(Problem { key: "http_proxy.auth".to_owned(), message, passes: false })
    }

    fn open_port(&self) -> Option<String> {
        let proxy = self.proxy().filter(|proxy| proxy.auth.is_none())?;
        let (prefix, open) = proxy.ports().into_iter().find(|(_, port)| leaves_the_machine(&port.listen))?;
        Some(format!(
            "other machines reach http_proxy.{prefix}listen, {}, and nothing says who may ask there",
            open.listen
        ))
    }

    /// [`Config::open_door`] where a directory is known to refuse it; `forming`: a group is formed in a new directory.
    pub(super) fn refused_door(&self, forming: bool) -> Option<Problem> {
        let refuses = match formed_by(&self.node.data_dir) {
            FormedBy::Guarding => true,
            FormedBy::Nobody => forming,
            FormedBy::Earlier => false,
        };
        refuses.then(|| self.open_door()).flatten()
    }

    pub(super) fn operators_problem(&self) -> Option<&'static str> {
        let nobody = self.control.operators == Some(Operators::Required) && self.control.tls.is_none();
        nobody.then_some("needs control.tls: without certificates nobody can show to be an operator")
    }

    /// What an earlier release left open, for the log at each start, `--check`, and `status`.
    pub fn access_warnings(&self) -> Vec<Warning> {
        let formed = formed_by(&self.node.data_dir);
        let warning = |key: &str, message: String| Warning { key: key.to_owned(), message };
        let door = self.open_port().filter(|_| formed != FormedBy::Guarding).map(|open| {
            let behind = match formed {
                FormedBy::Nobody => "a node of a group that this release formed does not start so",
                FormedBy::Earlier | FormedBy::Guarding => "a group that this release formed would not start so",
            };
            let remedy = "set auth = \"tokens\" or \"certificates\", or write auth = \"none\"";
            warning("http_proxy.auth", format!("{open}; {behind}: {remedy}"))
        });
        let any = self.control.tls.is_some() && self.control.operators != Some(Operators::Required);
        let operators = (any && formed == FormedBy::Earlier).then(|| {
            let message = "any certificate of the authority, a node's too, may order a switchover or force a node: give operators their \
                           own certificates (ocsctl certs), and set operators = \"required\"";
            warning("control.operators", message.to_owned())
        });
        [door, operators, self.plain_tokens()].into_iter().flatten().collect()
    }

    fn plain_tokens(&self) -> Option<Warning> {
        let proxy = self.proxy()?;
        let is_plain =
            |(_, port): &(String, HttpPort)| port.tls_certificate.is_none() && leaves_the_machine(&port.listen);
        let plain = proxy.auth.is_some_and(Auth::takes_tokens) && proxy.ports().iter().any(is_plain);
        plain.then(|| Warning {
            key: "http_proxy.auth".to_owned(),
            message:
                "tokens travel in plain text: set tls_certificate and tls_key, unless a balancer in front speaks HTTPS"
                    .to_owned(),
        })
    }
}
