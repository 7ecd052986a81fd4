//! ClientHello and ServerHello, as far as captured.

use crate::dialogue::http1::printable;

/// Names longer than this are cut (a DNS name has at most 253 bytes, RFC 1035).
const NAME_LEN: usize = 253;

/// How many protocols of ALPN are kept.
const PROTOCOLS: usize = 8;

const TLS_1_2: u16 = 0x0303;

/// What a hello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<String>,
    /// Of a ServerHello: the version chosen, unless bytes are missing that could have named another one. Of a ClientHello: its legacy
    /// version.
    pub(super) version: Option<u16>,
    /// Of a ServerHello: the cipher suite.
    pub(super) cipher_suite: u16,
}

/// The first handshake message that a side sends in clear text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum First {
    Client(Hello),
    Server(Hello),
}

/// How many bytes a handshake message has that begins with `bytes`, its header included (RFC 8446 section 4).
pub(super) fn message_len(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *bytes.first_chunk::<4>()?;
    Some(4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
}

/// Reads a hello, whole or its beginning.
pub(super) fn read(message: &[u8]) -> Option<First> {
    let mut fields = Fields(message);
    let kind = fields.byte()?;
    fields.take(3)?;
    let mut hello = Hello {
        version: Some(fields.number()?),
        ..Hello::default()
    };
    // What follows may be cut anywhere.
    match kind {
        1 => {
            let _ = client(&mut hello, &mut fields);
            Some(First::Client(hello))
        }
        2 => {
            let _ = server(&mut hello, &mut fields);
            // TLS 1.3 bears the number of TLS 1.2 here and its own in an extension (RFC 8446 section 4.1.3).
            let whole = message_len(message).is_some_and(|len| message.len() >= len);
            if !whole && hello.version == Some(TLS_1_2) {
                hello.version = None;
            }
            Some(First::Server(hello))
        }
        _ => None,
    }
}

fn client(hello: &mut Hello, fields: &mut Fields<'_>) -> Option<()> {
    fields.take(32)?;
    fields.short_vector()?;
    fields.vector()?;
    fields.short_vector()?;
    extensions(hello, fields)
}

fn server(hello: &mut Hello, fields: &mut Fields<'_>) -> Option<()> {
    fields.take(32)?;
    fields.short_vector()?;
    hello.cipher_suite = fields.number()?;
    fields.byte()?;
    extensions(hello, fields)
}

fn extensions(hello: &mut Hello, fields: &mut Fields<'_>) -> Option<()> {
    fields.number()?;
    loop {
        let kind = fields.number()?;
        let mut body = Fields(fields.vector()?);
        match kind {
            // server_name (RFC 6066 section 3): a list of type and name; 0 is host_name.
            0 => {
                let mut list = Fields(body.vector().unwrap_or_default());
                if list.byte() == Some(0) {
                    hello.sni = list.vector().map(|name| printable(name, NAME_LEN));
                }
            }
            // application_layer_protocol_negotiation (RFC 7301).
            16 => {
                let mut list = Fields(body.vector().unwrap_or_default());
                hello.alpn = std::iter::from_fn(|| list.short_vector())
                    .take(PROTOCOLS)
                    .map(|name| printable(name, 32))
                    .collect();
            }
            // supported_versions: in a ServerHello the one chosen (RFC 8446 section 4.2.1).
            43 if body.0.len() == 2 => hello.version = body.number(),
            _ => {}
        }
    }
}

/// The name of a version number.
pub(super) fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "1.0".to_owned(),
        0x0302 => "1.1".to_owned(),
        0x0303 => "1.2".to_owned(),
        0x0304 | 0x7f00..=0x7fff => "1.3".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// A byte string read from its beginning.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    fn short_vector(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()?;
        self.take(usize::from(len))
    }

    fn vector(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::from(len))
    }
}
