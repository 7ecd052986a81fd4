//! What the size of an encrypted record says.

use super::Version;

/// TLS 1.3's alert: two bytes, the inner type and a tag of 16 (RFC 8446 sections 5.2 and 6). An application that writes two bytes
/// makes the same.
pub(super) const ALERT: u16 = 2 + 1 + 16;

/// TLS 1.3's EndOfEarlyData: an empty message of four bytes (RFC 8446 section 4.5).
pub(super) const END_OF_EARLY_DATA: u16 = 4 + 1 + 16;

/// TLS 1.3's Finished: four bytes and a hash of SHA-256 or SHA-384 (RFC 8446 section 4.4.4).
pub(super) const fn is_finished(len: u16) -> bool {
    matches!(len, 53 | 69)
}

/// A NewSessionTicket: what OpenSSL, BoringSSL, Go and Java send lies between these, the stateless ones with a certificate above 1 KiB
/// excepted.
pub(super) const fn may_be_ticket(len: u16) -> bool {
    len > 40 && len < 1024
}

/// A record that holds one of HTTP/2's frames of fixed length and nothing else: SETTINGS acknowledgement (9 bytes), WINDOW_UPDATE or
/// RST_STREAM (13), PING (17), two WINDOW_UPDATEs (26) (RFC 9113 section 6).
pub(super) const fn is_http2_control(len: u16, version: Version, cipher_suite: u16) -> bool {
    let expansion = match (version, cipher_suite) {
        (Version::Hidden, _) => 17,
        // ChaCha20-Poly1305 has no explicit nonce (RFC 7905).
        (Version::Typed, 0xcca8..=0xccae) => 16,
        (Version::Typed, _) => 24,
        (Version::Unknown, _) => return false,
    };
    matches!(len.saturating_sub(expansion), 9 | 13 | 17 | 26)
}
