//! Counts the connections of each address: a client that opens many leaves places for the others.
//!
//! Balancers, behind which many clients stand, have no bound of their own. Never looks into a connection. Called by `connection`,
//! at the beginning and at the end of each.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
};

use crate::networks::Network;

/// The last bits of an IPv6 address, which a client chooses freely.
const IPV6_HOST_BITS: u32 = 64;

/// The connections of all addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// By address; IPv6 by the network of 64 bits. No entry is 0, so there are no more of them than connections.
    counts: Mutex<HashMap<IpAddr, usize>>,
    /// 0: there is no bound.
    connections_max: usize,
    exempt: Vec<Network>,
}

/// A counted connection of an address, released on drop.
#[derive(Debug)]
pub(crate) struct Entered {
    addresses: Arc<Addresses>,
    counted: Option<IpAddr>,
}

impl Addresses {
    /// At most `connections_max` connections of an address, 0: any number; `exempt` addresses have no bound.
    pub(crate) fn new(connections_max: usize, exempt: Vec<Network>) -> Self {
        Self { counts: Mutex::default(), connections_max, exempt }
    }

    /// Whether an address is that of a balancer.
    pub(crate) fn is_balancer(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }

    /// Counts a connection of this address; none if the address is at its limit.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let counted = (self.connections_max > 0 && !self.is_balancer(address)).then(|| client_of(address));
        if let Some(client) = counted {
            let mut counts = self.counts.lock().expect("no code panics while it counts connections");
            let count = counts.entry(client).or_default();
            if *count >= self.connections_max {
                return None; // the bound is not 0, nor is this count
            }
            *count += 1;
        }
        Some(Entered { addresses: self.clone(), counted })
    }
}

/// The address or network under which a client is counted.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> IPV6_HOST_BITS << IPV6_HOST_BITS).into(),
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(client) = self.counted else { return };
        let mut counts = self.addresses.counts.lock().expect("no code panics while it counts connections");
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(connections_max: usize) -> Arc<Addresses> {
        Arc::new(Addresses::new(connections_max, vec!["10.0.0.0/8".parse().unwrap()]))
    }

    fn enter(addresses: &Arc<Addresses>, address: &str) -> Option<Entered> {
        addresses.enter(address.parse().unwrap())
    }

    #[test]
    fn an_address_that_has_as_many_as_it_may_gets_no_more_until_one_ends() {
        let addresses = addresses(2);
        let first = enter(&addresses, "192.0.2.1").unwrap();
        let _second = enter(&addresses, "::ffff:192.0.2.1").unwrap();
        assert!(enter(&addresses, "192.0.2.1").is_none());
        assert!(enter(&addresses, "192.0.2.2").is_some(), "another address has its own places");
        drop(first);
        assert!(enter(&addresses, "192.0.2.1").is_some());
    }

    #[test]
    fn a_client_with_a_network_of_ipv6_is_one_client() {
        let addresses = addresses(1);
        let _first = enter(&addresses, "2001:db8:0:1::1").unwrap();
        assert!(enter(&addresses, "2001:db8:0:1:ffff::2").is_none());
        assert!(enter(&addresses, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn balancers_and_a_bound_of_zero_are_not_counted() {
        let (some, none) = (addresses(1), addresses(0));
        let kept: Vec<_> = (0..5).flat_map(|_| [enter(&some, "10.1.2.3"), enter(&none, "192.0.2.1")]).collect();
        assert!(kept.iter().all(Option::is_some));
        assert!(some.counts.lock().unwrap().is_empty() && none.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn nothing_is_kept_of_an_address_without_connections() {
        let addresses = addresses(1);
        drop(enter(&addresses, "192.0.2.1").unwrap());
        assert!(addresses.counts.lock().unwrap().is_empty());
    }
}
