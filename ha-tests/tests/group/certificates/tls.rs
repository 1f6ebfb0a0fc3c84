//! A client over TLS, one request a connection. Never checks more than its configuration says.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use ocs_ha_tests::PATIENCE;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

/// The answer to a request, and the certificate that the server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) answer: String,
    pub(super) shown: Vec<u8>,
}

/// A client that trusts the authority `ca.pem` of a directory, and shows `NAME.pem` of another directory where there is one.
pub(super) fn client(trusts: &Path, shows: Option<(&Path, &str)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusts.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some((dir, name)) => {
            let read = |ending: &str| fs::read(dir.join(format!("{name}.{ending}"))).unwrap();
            let chain = vec![CertificateDer::from_pem_slice(&read("pem")).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&read("key")).unwrap()).unwrap()
        }
    })
}

/// GET on a connection of its own; the server's certificate must be valid for `name`.
pub(super) fn get(address: &str, name: &'static str, target: &str, client: &Arc<ClientConfig>) -> io::Result<Told> {
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(client.clone(), name).map_err(io::Error::other)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
    Ok(Told { answer, shown: shown.unwrap_or_default() })
}
