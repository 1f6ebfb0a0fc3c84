//! The shared secret of a group without TLS: before a byte of HTTP/2 both ends of a connection prove that they know the secret.
//!
//! The secret itself never travels, and each connection has its own random numbers, so that an overheard exchange proves nothing
//! later. The numbers of both nodes are part of the proof: a stranger that listens at a stopped node's address cannot pass its
//! calls on to another node. Encrypts nothing: the secret is for loopback, and off loopback TLS is required. Called by `accept`
//! and `dial`.
//!
//! ```text
//! caller   magic 8 | caller's number 2 | called node's number 2 | random 32
//! called   random 32 | HMAC-SHA256 (secret, "called" | cluster | all bytes so far)
//! caller   HMAC-SHA256 (secret, "caller" | cluster | the same bytes)
//! ```

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use ring::{
    hmac::{self, HMAC_SHA256, Key, Tag},
    rand::{SecureRandom, SystemRandom},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::Duplex;

/// Fewest characters of a secret.
const CHARACTERS_MIN: usize = 32;
/// Most bytes of the secret's file.
const FILE_BYTES_MAX: u64 = 4096;
const MAGIC: [u8; 8] = *b"OCSPEER1";
const RANDOM_BYTES: usize = 32;
const CALL_BYTES: usize = MAGIC.len() + 4 + RANDOM_BYTES;
const PROOF_BYTES: usize = 32;
const READABLE_BY_OTHERS: u32 = 0o004;

/// Why a file is no secret. Each displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// The reason.
        source: io::Error,
    },
    /// The file is too short for a secret, or no text.
    #[error(
        "{file}: a secret is one line of at least {CHARACTERS_MIN} characters: make one with `openssl rand -hex 32`, the same \
         for all nodes"
    )]
    Weak {
        /// The file.
        file: String,
    },
    /// Every user may read the file.
    #[error("{file}: every user of this machine may read the secret (mode {mode:04o}): chmod 600")]
    Open {
        /// The file.
        file: String,
        /// The file's mode.
        mode: u32,
    },
}

/// The secret that only the nodes of a group know.
#[derive(Clone)]
pub struct PeerSecret(Key);

impl std::fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeerSecret")
    }
}

/// Why a caller did not prove the secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproven {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it shows no secret: every node needs the same peer.secret_file")]
    None,
    #[error("it does not know this group's secret: every node needs the same peer.secret_file")]
    Wrong,
    #[error("it calls another node, number {0}")]
    Misdirected(u16),
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) cluster: [u8; 16],
    pub(super) caller: u16,
    pub(super) called: u16,
}

impl PeerSecret {
    /// Reads the secret; white space around it does not count.
    ///
    /// # Errors
    /// [`SecretError`], with the remedy.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let file = path.display().to_string();
        let read = || -> io::Result<(u32, Option<String>)> {
            let found = fs::metadata(path)?;
            let text = if found.len() <= FILE_BYTES_MAX { Some(fs::read_to_string(path)?) } else { None };
            Ok((found.mode() & 0o7777, text))
        };
        let (mode, text) = read().map_err(|source| SecretError::Unreadable { file: file.clone(), source })?;
        if mode & READABLE_BY_OTHERS != 0 {
            return Err(SecretError::Open { file, mode });
        }
        let text = text.unwrap_or_default();
        let secret = text.trim();
        let fits = secret.chars().count() >= CHARACTERS_MIN && !secret.chars().any(char::is_control);
        if fits { Ok(Self::of(secret)) } else { Err(SecretError::Weak { file }) }
    }

    pub(super) fn of(secret: &str) -> Self {
        Self(Key::new(HMAC_SHA256, secret.as_bytes()))
    }

    /// The caller's part: proves the caller's identity and learns whether the called node knows the secret.
    pub(super) async fn call<S: Duplex>(&self, stream: &mut S, ends: Ends) -> Result<(), Unproven> {
        let mut said = Vec::with_capacity(CALL_BYTES + RANDOM_BYTES);
        said.extend(MAGIC);
        said.extend(ends.caller.to_be_bytes());
        said.extend(ends.called.to_be_bytes());
        said.extend(random()?);
        stream.write_all(&said).await?;
        let (mut theirs, mut proof) = ([0; RANDOM_BYTES], [0; PROOF_BYTES]);
        read(stream, &mut theirs).await?;
        read(stream, &mut proof).await?;
        said.extend(theirs);
        self.verify("called", &ends.cluster, &said, &proof)?;
        stream.write_all(self.prove("caller", &ends.cluster, &said).as_ref()).await?;
        Ok(())
    }

    /// The called node's part: returns the caller's number.
    pub(super) async fn answer<S: Duplex>(&self, stream: &mut S, cluster: [u8; 16], own: u16) -> Result<u16, Unproven> {
        let mut said = vec![0; CALL_BYTES];
        stream.read_exact(&mut said[..MAGIC.len()]).await?;
        if said[..MAGIC.len()] != MAGIC {
            return Err(Unproven::None);
        }
        stream.read_exact(&mut said[MAGIC.len()..]).await?;
        let number = |at: usize| u16::from_be_bytes([said[at], said[at + 1]]);
        let (caller, called) = (number(MAGIC.len()), number(MAGIC.len() + 2));
        if called != own {
            return Err(Unproven::Misdirected(called));
        }
        said.extend(random()?);
        let mut answer = said[CALL_BYTES..].to_vec();
        answer.extend(self.prove("called", &cluster, &said).as_ref());
        stream.write_all(&answer).await?;
        let mut proof = [0; PROOF_BYTES];
        read(stream, &mut proof).await?;
        self.verify("caller", &cluster, &said, &proof)?;
        Ok(caller)
    }

    fn prove(&self, end: &str, cluster: &[u8; 16], said: &[u8]) -> Tag {
        hmac::sign(&self.0, &proven(end, cluster, said))
    }

    fn verify(&self, end: &str, cluster: &[u8; 16], said: &[u8], proof: &[u8]) -> Result<(), Unproven> {
        hmac::verify(&self.0, &proven(end, cluster, said), proof).map_err(|_| Unproven::Wrong)
    }
}

fn proven(end: &str, cluster: &[u8; 16], said: &[u8]) -> Vec<u8> {
    [end.as_bytes(), cluster, said].concat()
}

fn random() -> io::Result<[u8; RANDOM_BYTES]> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}

/// An end that hangs up instead of sending its proof does not know the secret, or wants none.
async fn read<S: Duplex>(stream: &mut S, bytes: &mut [u8]) -> Result<(), Unproven> {
    match stream.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            Err(Unproven::Wrong)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::io::DuplexStream;

    use super::*;

    const CLUSTER: [u8; 16] = [7; 16];
    const ENDS: Ends = Ends { cluster: CLUSTER, caller: 1, called: 2 };

    fn secret(letter: char) -> PeerSecret {
        PeerSecret::of(&letter.to_string().repeat(CHARACTERS_MIN))
    }

    async fn between(
        calling: &PeerSecret,
        ends: Ends,
        called: &PeerSecret,
        own: u16,
    ) -> (Result<(), Unproven>, Result<u16, Unproven>) {
        let (mut near, mut far) = tokio::io::duplex(4096);
        let call = async {
            let done = calling.call(&mut near, ends).await;
            drop(near);
            done
        };
        let answer = async {
            let done = called.answer(&mut far, CLUSTER, own).await;
            drop(far);
            done
        };
        tokio::join!(call, answer)
    }

    #[tokio::test]
    async fn two_ends_that_know_the_secret_know_each_other_and_no_others_do() {
        let (call, answer) = between(&secret('x'), ENDS, &secret('x'), 2).await;
        assert!(call.is_ok());
        assert_eq!(answer.unwrap(), 1);
        let (call, answer) = between(&secret('x'), ENDS, &secret('y'), 2).await;
        assert!(matches!((call, answer), (Err(Unproven::Wrong), Err(Unproven::Wrong))));
        let of_another_cluster = Ends { cluster: [8; 16], ..ENDS };
        assert!(between(&secret('x'), of_another_cluster, &secret('x'), 2).await.1.is_err());
    }

    #[tokio::test]
    async fn a_call_that_is_passed_on_to_another_node_proves_nothing() {
        let (call, answer) = between(&secret('x'), ENDS, &secret('x'), 3).await;
        assert!(call.is_err() && matches!(answer, Err(Unproven::Misdirected(2))));
    }

    /// The bytes that a caller and a called node exchanged.
    async fn overheard() -> (Vec<u8>, Vec<u8>) {
        let (mut caller, mut near) = tokio::io::duplex(4096);
        let (mut far, mut called) = tokio::io::duplex(4096);
        let secret = secret('x');
        let listen = async {
            let mut call = vec![0; CALL_BYTES];
            near.read_exact(&mut call).await.unwrap();
            far.write_all(&call).await.unwrap();
            let mut answer = [0; RANDOM_BYTES + PROOF_BYTES];
            far.read_exact(&mut answer).await.unwrap();
            near.write_all(&answer).await.unwrap();
            let mut proof = vec![0; PROOF_BYTES];
            near.read_exact(&mut proof).await.unwrap();
            far.write_all(&proof).await.unwrap();
            (call, proof)
        };
        let (heard, call, answer) =
            tokio::join!(listen, secret.call(&mut caller, ENDS), secret.answer(&mut called, CLUSTER, 2));
        call.unwrap();
        answer.unwrap();
        heard
    }

    async fn replayed(mut far: DuplexStream, (call, proof): (Vec<u8>, Vec<u8>)) {
        far.write_all(&call).await.unwrap();
        far.write_all(&proof).await.unwrap();
        let _ = far.read(&mut [0; 256]).await;
    }

    #[tokio::test]
    async fn what_was_overheard_proves_nothing_later() {
        let heard = overheard().await;
        let (mut near, far) = tokio::io::duplex(4096);
        let secret = secret('x');
        let (answer, ()) = tokio::join!(secret.answer(&mut near, CLUSTER, 2), replayed(far, heard));
        assert!(matches!(answer, Err(Unproven::Wrong)), "{answer:?}");
    }

    #[test]
    fn a_file_that_is_short_missing_or_open_to_all_is_no_secret() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("secret");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            PeerSecret::load(&path).map(drop)
        };
        assert!(matches!(PeerSecret::load(&path), Err(SecretError::Unreadable { .. })));
        assert!(matches!(write("short\n", 0o600), Err(SecretError::Weak { .. })));
        assert!(matches!(write(&"x".repeat(5000), 0o600), Err(SecretError::Weak { .. })));
        let enough = format!("{}\n", "x".repeat(CHARACTERS_MIN));
        assert!(matches!(write(&enough, 0o644), Err(SecretError::Open { mode: 0o644, .. })));
        assert!(write(&enough, 0o640).is_ok() && write(&enough, 0o600).is_ok());
    }
}
