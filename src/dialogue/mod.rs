//! Step 4: bytes become [`Exchange`]s: requests and responses, TLS records, farewells.
//!
//! Each protocol is one file behind one trait; every buffer is bounded. Nothing of a payload leaves this module but what
//! [`Request`] and [`Hints`] hold: method, path without query, status, a few headers, sizes and hashes.

mod exchange;
mod fingerprint;
mod frames;
mod guess;
mod http1;
mod http2;
mod ledger;
mod mysql;
mod opaque;
mod outline;
mod packed;
mod postgresql;
#[cfg(test)]
mod properties;
mod protocol;
mod protocol_error;
mod proxy_header;
mod reader;
mod redis;
#[cfg(test)]
mod script;
mod summary;
mod tls;
mod turn;
mod websocket;

pub use exchange::{
    Answer, Completeness, Dialogue, Exchange, Farewell, FatalAlert, Forwarding, Hints, Idempotence,
    Message, Protocol, Request, TlsFacts,
};
pub use outline::DialogueOutline;
pub use protocol_error::ProtocolError;
pub use reader::DialogueReader;
pub use summary::RequestSummary;
pub use turn::{Reply, Turn};
