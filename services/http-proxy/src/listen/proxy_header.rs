//! The header of the PROXY protocol, version 2, in which a balancer names the client of a connection.
//!
//! Taken from balancers alone, since any client can forge a header. Never guesses: with the protocol switched on, a
//! balancer's connection begins with a header. Called by `connection`, before TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// Longest rest, bytes: addresses, and a balancer's additions about TLS.
const REST_BYTES_MAX: usize = 4096;
const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const INET: u8 = 1;
const INET6: u8 = 2;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHeader {
    /// The connection ended or broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes are no header.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Reads a header and no byte behind it; none if the header names no client address: a balancer's own connection, or another
/// family.
pub(super) async fn read<S: AsyncRead + Unpin>(socket: &mut S) -> Result<Option<IpAddr>, NoHeader> {
    let mut fixed = [0; FIXED_BYTES];
    // The signature is compared after each read: an HTTP client may send fewer bytes than a header has, and wait.
    let mut filled = 0;
    while filled < FIXED_BYTES {
        let count = socket.read(&mut fixed[filled..]).await?;
        filled += count;
        let known = filled.min(SIGNATURE.len());
        if fixed[..known] != SIGNATURE[..known] {
            return Err(NoHeader::Malformed("it does not begin with the signature"));
        }
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    let rest_bytes = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if rest_bytes > REST_BYTES_MAX {
        return Err(NoHeader::Malformed("it is too long"));
    }
    let mut rest = vec![0; rest_bytes];
    socket.read_exact(&mut rest).await?;
    client(fixed[12], fixed[13], &rest).map_err(NoHeader::Malformed)
}

/// The client that a header names: version and command, family and protocol, and the bytes behind the length.
fn client(version_command: u8, family_protocol: u8, rest: &[u8]) -> Result<Option<IpAddr>, &'static str> {
    match (version_command >> 4, version_command & 0xf) {
        (VERSION, LOCAL) => return Ok(None),
        (VERSION, PROXY) => {}
        (VERSION, _) => return Err("it has an unknown command"),
        _ => return Err("it is not of version 2"),
    }
    match family_protocol >> 4 {
        INET => {
            let [a, b, c, d] =
                *rest.first_chunk::<12>().ok_or("its addresses are cut off")?.first_chunk::<4>().expect("4 of 12");
            Ok(Some(Ipv4Addr::new(a, b, c, d).into()))
        }
        INET6 => {
            let source =
                *rest.first_chunk::<36>().ok_or("its addresses are cut off")?.first_chunk::<16>().expect("16 of 36");
            Ok(Some(Ipv6Addr::from(source).into()))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version_command: u8, family_protocol: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[version_command, family_protocol], &length, rest].concat()
    }

    /// The result of a read, and the bytes left behind the header.
    async fn read_all(bytes: &[u8]) -> (Result<Option<IpAddr>, String>, Vec<u8>) {
        let mut rest = bytes;
        let read = read(&mut rest).await.map_err(|error| error.to_string());
        (read, rest.to_vec())
    }

    #[tokio::test]
    async fn the_clients_address_is_read_and_nothing_behind_the_header() {
        let v4 = [&[192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80][..], b"\x04\x00\x01x"].concat();
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        let table = [
            (header(0x21, 0x11, &v4), Some("192.0.2.7")),
            (header(0x21, 0x21, &v6), Some("2001:db8::7")),
            (header(0x20, 0x00, &[]), None),
            (header(0x20, 0x11, &v4), None),
            (header(0x21, 0x00, &[1, 2, 3]), None),
            (header(0x21, 0x31, &[0; 216]), None),
        ];
        for (bytes, client) in table {
            let (read, rest) = read_all(&[&bytes[..], b"GET "].concat()).await;
            assert_eq!((read, rest), (Ok(client.map(|client| client.parse().unwrap())), b"GET ".to_vec()), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_as_soon_as_it_shows() {
        let table = [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "signature"),
            (b"G".to_vec(), "signature"),
            (b"\r\n\r\nGET".to_vec(), "signature"),
            (header(0x11, 0x11, &[0; 12]), "version 2"),
            (header(0x22, 0x11, &[0; 12]), "command"),
            (header(0x21, 0x11, &[0; 11]), "cut off"),
            (header(0x21, 0x21, &[0; 35]), "cut off"),
            (header(0x21, 0x11, &[0; 5000]), "too long"),
            (SIGNATURE.to_vec(), "end of file"),
        ];
        for (bytes, why) in table {
            let (read, _) = read_all(&bytes).await;
            assert!(read.as_ref().is_err_and(|error| error.contains(why)), "{bytes:?}: {read:?}");
        }
    }
}
