//! The end of a certificate's validity, read from the certificate itself. Never judges a date.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

/// The earliest end of validity among the certificates of a chain, seconds since 1970; none: a certificate is malformed.
pub fn end_of_chain(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let ends: Option<Vec<u64>> = chain.iter().map(end).collect();
    ends?.into_iter().min()
}

/// The present time, seconds since 1970; 0 where the clock is before that.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A time in seconds since 1970 as RFC 3339, UTC.
pub fn time_text(seconds: u64) -> String {
    Timestamp::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .map_or_else(|_| format!("{seconds} s after 1970"), |stamp| stamp.to_string())
}

/// webpki has no accessor for the dates, but its first check compares them with a time: at the end of time every certificate has
/// expired, and the fault names the date.
fn end(certificate: &CertificateDer<'_>) -> Option<u64> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let last = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let usage = KeyUsage::client_auth();
    match parsed.verify_for_usage(ALL_VERIFICATION_ALGS, &[], &[], last, usage, None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_chain_ends_with_the_first_of_its_certificates_that_ends() {
        let (early, late) = (certificate(2030), certificate(2040));
        let end = end_of_chain(&[late, early]).unwrap();
        assert_eq!(time_text(end), "2030-01-01T00:00:00Z");
        assert_eq!(end_of_chain(&[]), None);
        assert_eq!(end_of_chain(&[CertificateDer::from(vec![1, 2, 3])]), None);
    }

    #[test]
    fn a_time_beyond_every_calendar_is_still_told() {
        assert_eq!(time_text(u64::MAX), format!("{} s after 1970", u64::MAX));
    }
}
