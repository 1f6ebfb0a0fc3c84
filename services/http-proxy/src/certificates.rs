//! The certificates of the ports follow their files; the node hears of each change, and may order a look.
//!
//! Never decides whether files fit: `chassis::tls` does. Run by `run` from the opening of the ports until the link is lost.

use std::sync::Arc;

use chassis::tls::{CertificateState, LOOK_EVERY, LiveCertificate, Look, Reload, look_at};
use ocs_proto::link::{Certificate, Certificates};
use tokio::sync::watch;

use crate::link::client::Link;

/// Looks at the files every second, and at each order of the node.
pub(crate) async fn follow(certificates: Vec<Arc<LiveCertificate>>, link: Link) {
    let mut orders = link.reloads();
    let mut told = states(&certificates);
    link.certificates(report(0, &told, &[])).await;
    loop {
        let order = tokio::select! {
            () = link.lost().cancelled() => return,
            order = next(&mut orders) => order,
            () = tokio::time::sleep(LOOK_EVERY), if !certificates.is_empty() => 0,
        };
        let look = if order == 0 { Look::ByTheClock } else { Look::Ordered };
        let found = look_at(certificates.clone(), look).await;
        let now = states(&certificates);
        if order != 0 || now != told {
            link.certificates(report(order, &now, &found)).await;
            told = now;
        }
    }
}

/// The next order of the node. Safe to cancel.
async fn next(orders: &mut watch::Receiver<u64>) -> u64 {
    match orders.changed().await {
        Ok(()) => *orders.borrow_and_update(),
        Err(_) => std::future::pending().await, // the link is gone, and ends the loop
    }
}

fn states(certificates: &[Arc<LiveCertificate>]) -> Vec<CertificateState> {
    certificates.iter().map(|certificate| certificate.state()).collect()
}

/// `found`: the results of the order's look, in the order of the states; empty: there was no look.
fn report(order: u64, states: &[CertificateState], found: &[Reload]) -> Certificates {
    let certificate = |(place, state): (usize, &CertificateState)| Certificate {
        usage: state.usage.clone(),
        file: state.file.display().to_string(),
        not_after_s: state.not_after_s,
        failures: state.failures,
        fault: state.fault.clone().unwrap_or_default(),
        changed: found.get(place) == Some(&Reload::Changed),
    };
    Certificates { order, certificates: states.iter().enumerate().map(certificate).collect() }
}
